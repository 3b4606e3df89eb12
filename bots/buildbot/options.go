package main

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/environment"
)

// options are buildbot's own flags.
type options struct {
	Arch      string
	Timeout   time.Duration
	MaxTime   time.Duration
	Network   string
	Memory    string
	CPUs      float64
	Parallel  int
	BuildPath string

	ImageLimit string

	memory int64 // bytes; 0 for unlimited
	images int64 // bytes, as environment.ParseImageLimit has them
}

// The choices of --network.
const (
	networkPolicy = "policy"
	networkNever  = "never"
)

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.Arch, "arch", environment.HostArchitecture(), "architecture to build for")
	fs.DurationVar(&o.Timeout, "timeout", 4*time.Hour, "how long a build may take, where the source package does not say")
	fs.DurationVar(&o.MaxTime, "max-timeout", 0, "how long a build may take, whatever the source package says (default: as it says)")
	fs.StringVar(&o.Network, "network", networkPolicy, "whether builds may use the host's network: \"policy\" for those whose debian/foundry.toml asks for it, \"never\" to fail these")
	fs.StringVar(&o.Memory, "memory", "", "memory that a build may use, as in 8G (default: all)")
	fs.Float64Var(&o.CPUs, "cpus", 0, "processors that a build may use (default: all)")
	fs.IntVar(&o.Parallel, "parallel", runtime.NumCPU(), "how many commands a build may run at a time: parallel=N in DEB_BUILD_OPTIONS")
	fs.StringVar(&o.BuildPath, "build-path", "", "`folder` below /build to build in, the same for every package (default: one that differs for each build)")
	fs.StringVar(&o.ImageLimit, "image-limit", "", "disk that images of environments may take before those are removed that were not used for longest, as in 50G; 0 for no limit (default: a fifth of the file system)")
}

// check parses what the flags say.
func (o *options) check() error {
	if !debian.Architecture(o.Arch).Known() {
		return bot.Usage(fmt.Sprintf("--arch %q: not an architecture", o.Arch), "use a name that dpkg-architecture -L lists, such as amd64")
	}
	if o.Timeout < time.Second {
		return bot.Usage(fmt.Sprintf("--timeout %s: must be at least 1s", o.Timeout), "")
	}
	if o.MaxTime != 0 && o.MaxTime < time.Second {
		return bot.Usage(fmt.Sprintf("--max-timeout %s: must be at least 1s", o.MaxTime), "leave it out for no limit")
	}
	if o.Network != networkPolicy && o.Network != networkNever {
		return bot.Usage(fmt.Sprintf("--network %q: not a choice", o.Network), "use policy or never")
	}
	if o.CPUs < 0 || math.IsNaN(o.CPUs) || math.IsInf(o.CPUs, 0) {
		return bot.Usage(fmt.Sprintf("--cpus %g: not a number of processors", o.CPUs), "")
	}
	if o.Parallel < 1 {
		return bot.Usage(fmt.Sprintf("--parallel %d: must be at least 1", o.Parallel), "")
	}
	if o.BuildPath != "" && (!buildPathPattern.MatchString(o.BuildPath) || path.Clean(o.BuildPath) != o.BuildPath) {
		return bot.Usage(fmt.Sprintf("--build-path %q: not a folder below /build", o.BuildPath), "use one such as /build/package")
	}
	var err error
	o.memory, err = environment.ParseBytes(o.Memory)
	if err != nil {
		return bot.Usage(fmt.Sprintf("--memory %q: %v", o.Memory, err), "use a number with K, M, G or T, such as 8G")
	}
	if o.images, err = environment.ParseImageLimit(o.ImageLimit); err != nil {
		return bot.Usage(fmt.Sprintf("--image-limit %q: %v", o.ImageLimit, err), "use a size such as 50G, or 0 for no limit")
	}
	if o.memory > 0 && o.memory < 64<<20 {
		return bot.Usage(fmt.Sprintf("--memory %q: a build needs at least 64M", o.Memory), "")
	}
	return nil
}

var buildPathPattern = regexp.MustCompile(`^/build/[A-Za-z0-9._+~/-]+$`)
