package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman"
	"foundry/pkg/message"
	"foundry/scripts/internal/debsource"
	"foundry/scripts/internal/rig"
)

// corpusPackages are source packages of the distribution that differ in what they need and make: Perl
// and C, C with a package for the installer, Go, C++ with several packages, Perl for all architectures.
var corpusPackages = []string{"libio-pty-perl", "pwgen", "go-md2man-v2", "tinyxml", "libhttp-daemon-perl"}

// corpusRow is what was measured of one package: the time from its message on sources to that on
// builds, and that of the others for the same.
type corpusRow struct {
	name                      string
	cold, warm, sbuild, plain samples
}

// corpusResults are the rows, and the time for two packages at once with one and two buildbots.
type corpusResults struct {
	rows     []*corpusRow
	one, two samples
}

// corpus is one use of the corpus's packages.
type corpus struct {
	*bench
	sbuild  *rig.Sbuild
	foundry *rig.Foundry
	dsc     map[string]string // path of each package's .dsc
	images  map[string]message.Image
	known   map[string]string // transaction of each package
}

// corpus measures what foundry's environments and builds cost. For the cold case both sides have their
// base system and nothing else, and each package is the first with its build dependencies or shares
// some of them with those before it.
func (b *bench) corpus(ctx context.Context, all *results) error {
	r := &all.corpus
	c := &corpus{bench: b}
	apt, err := debsource.New(ctx, b.rig, filepath.Join(b.rig.Dir, "sources"), b.codename, b.mirror)
	if err != nil {
		return err
	}
	c.dsc = map[string]string{}
	for _, name := range corpusPackages {
		if c.dsc[name], err = apt.Fetch(ctx, name); err != nil {
			return err
		}
	}
	if c.sbuild, err = b.rig.NewSbuild(filepath.Join(b.rig.Dir, "sbuild"), b.codename, b.mirror); err != nil {
		return err
	}
	if !c.sbuild.HasChroot() {
		if err := c.sbuild.MakeChroot(ctx); err != nil {
			return err
		}
	}
	for _, name := range corpusPackages {
		r.rows = append(r.rows, &corpusRow{name: name})
	}
	for n := range max(b.cold, 1) {
		if err := c.colds(ctx, n, r); err != nil {
			return err
		}
	}
	defer c.foundry.Stop()
	for n := range b.runs {
		for _, row := range r.rows {
			b.say("corpus, warm, run %d of %d: %s", n+1, b.runs, row.name)
			if err := c.warm(ctx, row); err != nil {
				return fmt.Errorf("%s, warm: %w", row.name, err)
			}
		}
	}
	if err := c.overlap(ctx, r); err != nil {
		return fmt.Errorf("two packages at once: %w", err)
	}
	return c.foundry.Stop()
}

// colds measures every package once with a foundry that has a base system only.
func (c *corpus) colds(ctx context.Context, n int, r *corpusResults) (err error) {
	if c.foundry != nil {
		if err := c.foundry.Stop(); err != nil {
			return err
		}
	}
	c.images, c.known = map[string]message.Image{}, map[string]string{}
	c.foundry, err = c.rig.StartFoundry(ctx, rig.FoundryOptions{
		Dir: filepath.Join(c.rig.Dir, fmt.Sprintf("c%d", n)), Programs: c.programs, Codename: c.codename, Mirror: c.mirror,
	})
	if err != nil {
		return err
	}
	c.say("corpus: base system")
	if err := c.base(ctx); err != nil {
		return err
	}
	for _, row := range r.rows {
		c.say("corpus, cold, run %d of %d: %s", n+1, max(c.cold, 1), row.name)
		dsc := c.dsc[row.name]
		if err := row.sbuild.measure(func() error {
			return c.sbuild.Build(ctx, dsc, filepath.Join(c.sbuild.Home(), fmt.Sprintf("%s-%d", row.name, n)))
		}); err != nil {
			return fmt.Errorf("%s, sbuild: %w", row.name, err)
		}
		report, err := c.foundry.Upload(ctx, dsc, 30*time.Minute)
		if err != nil {
			return fmt.Errorf("%s, cold: %w", row.name, err)
		}
		took, err := c.took(row.name, report)
		if err != nil {
			return fmt.Errorf("%s, cold: %w", row.name, err)
		}
		row.cold.add(took)
	}
	return nil
}

// base makes the base system, which sbuild has in its tarball.
func (c *corpus) base(ctx context.Context) error {
	engine, err := podman.Open(ctx, c.foundry.Cache)
	if err != nil {
		return err
	}
	_, err = engine.Provision(ctx, environment.Request{
		Base:         environment.Base{Release: c.codename, Mirror: c.mirror},
		Architecture: rig.Architecture(),
	}, c.rig.Log)
	return err
}

// took is the time from sources to builds; it remembers the transaction and its image.
func (c *corpus) took(name string, report *rig.Report) (time.Duration, error) {
	source, provision, build := report.Stage(message.Sources), report.Stage(message.Provisions), report.Stage(message.Builds)
	if source == nil || provision == nil || build == nil {
		return 0, fmt.Errorf("the transaction has no build: %s", report.State)
	}
	var p message.Provision
	if err := json.Unmarshal(provision.Data, &p); err != nil {
		return 0, fmt.Errorf("read provision: %w", err)
	}
	if p.Image == nil {
		return 0, fmt.Errorf("the package was %s", p.Outcome)
	}
	c.images[name], c.known[name] = *p.Image, report.Context
	return build.Time.Sub(source.Time), nil
}

// warm measures a package that was built before, and a plain build of it.
func (c *corpus) warm(ctx context.Context, row *corpusRow) error {
	report, err := c.foundry.Retry(ctx, c.known[row.name])
	if err != nil {
		return err
	}
	took, err := c.took(row.name, report)
	if err != nil {
		return err
	}
	row.warm.add(took)
	if took, err = c.plain(ctx, row.name); err != nil {
		return fmt.Errorf("dpkg-buildpackage: %w", err)
	}
	row.plain.add(took)
	return nil
}

// plainBuild builds as somebody does in a root that has the build dependencies. Getting that root
// ready and leaving it again does not count.
const plainBuild = `
install -d -o build -g build /build/plain
cd /build/plain
begun=$(date +%s%N)
setpriv --reuid=build --regid=build --init-groups /usr/bin/env HOME=/nonexistent DEB_BUILD_OPTIONS="$OPTIONS" \
	/bin/sh -ec 'dpkg-source -x "/in/$DSC" tree; cd tree; dpkg-buildpackage -us -uc --build=any,all'
echo "$begun $(date +%s%N)" >/out/times
`

// plain builds a package in the environment that foundry has made for it.
func (c *corpus) plain(ctx context.Context, name string) (time.Duration, error) {
	engine, err := podman.Open(ctx, c.foundry.Cache)
	if err != nil {
		return 0, err
	}
	out, err := os.MkdirTemp(c.rig.Dir, "plain-")
	if err != nil {
		return 0, fmt.Errorf("make folder: %w", err)
	}
	status, err := engine.Run(ctx, environment.Run{
		Name: "foundry-bench-plain", Image: c.images[name], Script: plainBuild, Inputs: filepath.Dir(c.dsc[name]), Outputs: out, Log: c.rig.Log,
		Env: []string{"DSC=" + filepath.Base(c.dsc[name]), "OPTIONS=parallel=" + strconv.Itoa(runtime.NumCPU())},
	})
	if err != nil {
		return 0, err
	}
	if status != 0 {
		return 0, fmt.Errorf("exit status %d", status)
	}
	text, err := os.ReadFile(filepath.Join(out, "times"))
	if err != nil {
		return 0, fmt.Errorf("read times: %w", err)
	}
	var begun, ended int64
	if _, err := fmt.Sscan(strings.TrimSpace(string(text)), &begun, &ended); err != nil {
		return 0, fmt.Errorf("read times %q: %w", text, err)
	}
	return time.Duration(ended - begun), nil
}

// overlap measures the first two packages announced at once, with one buildbot and with two.
func (c *corpus) overlap(ctx context.Context, r *corpusResults) error {
	for n := range c.runs {
		c.say("corpus, two packages at once, run %d of %d", n+1, c.runs)
		took, err := c.both(ctx)
		if err != nil {
			return err
		}
		r.one.add(took)
		stop, err := c.foundry.StartBuildbot(ctx)
		if err != nil {
			return err
		}
		if took, err = c.both(ctx); err != nil {
			return err
		}
		r.two.add(took)
		if err := stop(); err != nil {
			return err
		}
	}
	return nil
}

// both builds two packages again and returns the time from the first message on sources to the last
// on builds.
func (c *corpus) both(ctx context.Context) (time.Duration, error) {
	var group sync.WaitGroup
	var reports [2]*rig.Report
	var errs [2]error
	for n := range reports {
		group.Go(func() { reports[n], errs[n] = c.foundry.Retry(ctx, c.known[corpusPackages[n]]) })
	}
	group.Wait()
	var first, last time.Time
	for n, report := range reports {
		if errs[n] != nil {
			return 0, errs[n]
		}
		begun, ended := report.Stage(message.Sources).Time, report.Stage(message.Builds).Time
		if first.IsZero() || begun.Before(first) {
			first = begun
		}
		if ended.After(last) {
			last = ended
		}
	}
	return last.Sub(first), nil
}
