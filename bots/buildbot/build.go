package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// The limits of what a build may leave.
const (
	maxResults = 64 << 30  // bytes of all files
	maxLog     = 512 << 20 // bytes of the log, before compression
)

// When a build fails and a file system that it writes to has less than minFree bytes left, the host
// is taken to be in trouble and not the package: build.sh ends with statusFull then.
const (
	minFree    = 32 << 20
	statusFull = 75
)

// A builder is the work of buildbot.
type builder struct {
	*options
	runtime environment.Runtime
}

func (b *builder) stage(message.Body) []string { return []string{b.Arch} }

// results is empty for a package that is not built here.
func (b *builder) results(_ *message.Message, body message.Body) []bot.Result {
	if p, ok := body.(*message.Provision); !ok || p.Outcome != message.Ready {
		return nil
	}
	return []bot.Result{{Body: new(message.Build), Siblings: []string{b.Arch}}}
}

// do builds one source package.
func (b *builder) do(ctx context.Context, j *bot.Job) ([]bot.Result, error) {
	p, ok := j.Body.(*message.Provision)
	switch {
	case !ok:
		return nil, &bot.Failure{Class: message.ClassPolicy, Reason: fmt.Sprintf("a %s message is not for building", j.Body.Type())}
	case p.Outcome == message.Skipped, p.Outcome == message.Waiting:
		return nil, nil
	case p.Image == nil || (!p.Arch && !p.Indep) || p.Architecture != b.Arch:
		return nil, &bot.Failure{Class: message.ClassPolicy, Reason: "the provision names no image or nothing to build on " + b.Arch}
	}
	w, err := b.newWork(j, p)
	if err != nil {
		return nil, err
	}
	if err := w.fetch(ctx); err != nil {
		return nil, err
	}
	if w.log, err = j.OpenLog(b.Arch); err != nil {
		return nil, err
	}
	status, err := w.run(ctx)
	log, tail, logErr := w.log.Finish(context.WithoutCancel(ctx))
	if logErr != nil {
		return nil, logErr // a host without room for a log is at fault before any package is
	}
	outputs, outputsErr := w.outputs(context.WithoutCancel(ctx))
	if err := w.judge(status, err, log, tail); err != nil {
		return nil, withOutputs(err, outputs)
	}
	build := &message.Build{
		Origin: p.Origin, Package: p.Package, Architecture: b.Arch, ImageKey: p.Image.Key,
		Changes: w.changes, SourceFiles: p.Files, Log: log, Seconds: w.took.Seconds(), Outputs: outputs,
	}
	err = outputsErr
	if err == nil {
		build.Files, err = w.gather(ctx, outputs)
	}
	var bad *badResult
	if errors.As(err, &bad) {
		return nil, &bot.Failure{Class: message.ClassPackage, Reason: err.Error(), Hint: readLog, Log: &log, Tail: tail, Outputs: outputs}
	}
	if err != nil {
		return nil, err
	}
	j.Log.Info().Str("source", p.Source).Str("version", p.Version).Str("arch", b.Arch).
		Float64("seconds", build.Seconds).Int("files", len(build.Files)).Msg("built")
	return []bot.Result{{Body: build, Siblings: []string{b.Arch}}}, nil
}

// withOutputs adds what there is of the further outputs to a failure of the package.
func withOutputs(err error, outputs []message.Output) error {
	var failure *bot.Failure
	if errors.As(err, &failure) {
		failure.Outputs = outputs
	}
	return err
}

// gather puts the files of a build into the store, once its further outputs are what they have to be.
func (w *work) gather(ctx context.Context, outputs []message.Output) ([]message.Artifact, error) {
	if err := w.demand(outputs); err != nil {
		return nil, err
	}
	files, err := w.collect(ctx)
	if err != nil {
		return nil, err
	}
	return files, w.unchanged(ctx, outputs)
}

// work is one build.
type work struct {
	*builder
	job     *bot.Job
	p       *message.Provision
	version debian.Version
	changes string // name of the .changes
	in, out string
	limit   time.Duration
	wishes  []wish
	log     *bot.Log
	took    time.Duration
	stage   string // that the script has reached
}

func (b *builder) newWork(j *bot.Job, p *message.Provision) (*work, error) {
	version, err := debian.ParseVersion(p.Version)
	if err != nil || !debian.ValidPackageName(p.Source) {
		return nil, &bot.Failure{Class: message.ClassPolicy, Reason: fmt.Sprintf("%s %s is not a source package and version", p.Source, p.Version)}
	}
	w := &work{builder: b, job: j, p: p, version: version, in: filepath.Join(j.Dir, "in"), out: filepath.Join(j.Dir, "out"), limit: b.Timeout}
	if p.Network && b.Network == networkNever {
		return nil, &bot.Failure{
			Class: message.ClassPolicy, Reason: "debian/foundry.toml asks for the network, which this buildbot gives to no build (--network never)",
			Hint: "let the package build without, or have another buildbot for it",
		}
	}
	if w.wishes, err = wishes(p.Outputs); err != nil {
		return nil, &bot.Failure{Class: message.ClassPolicy, Reason: err.Error(), Hint: "see outputs in debian/foundry.toml"}
	}
	arch := debian.Architecture(b.Arch)
	if !p.Arch {
		arch = debian.All
	}
	w.changes = debian.ChangesName(p.Source, version, arch)
	if p.Timeout > 0 {
		w.limit = time.Duration(p.Timeout) * time.Second
	}
	if b.MaxTime > 0 {
		w.limit = min(w.limit, b.MaxTime)
	}
	return w, errors.Join(os.Mkdir(w.in, 0o755), os.Mkdir(w.out, 0o700))
}

// fetch brings the source package and the image.
func (w *work) fetch(ctx context.Context) error {
	if len(w.p.Files) == 0 || !strings.HasSuffix(w.p.Files[0].Name, ".dsc") {
		return &bot.Failure{Class: message.ClassPolicy, Reason: "the provision names no .dsc"}
	}
	for _, ref := range w.p.Files {
		if !debian.ValidFileName(ref.Name) {
			return &bot.Failure{Class: message.ClassPolicy, Reason: fmt.Sprintf("bad file name %q", ref.Name)}
		}
		if _, err := artifact.FetchFile(ctx, w.job.Store, ref, w.in); err != nil {
			return err
		}
	}
	err := w.runtime.Fetch(ctx, *w.p.Image, w.job.Store)
	if errors.Is(err, environment.ErrNoImage) {
		return bot.Hint(fmt.Errorf("fetch environment %s: %w", w.p.Image.Key, err),
			"let provisionbot share it (--share-images always) or use the same --cache, then: foundry retry")
	}
	return err
}

//go:embed build.sh
var script string

// run runs the build and returns the script's status.
func (w *work) run(ctx context.Context) (int, error) {
	fmt.Fprintf(w.log, "buildbot %s on %s\nsource: %s %s\ndistribution: %s\narchitecture: %s, building %s\nenvironment: %s\nnetwork: %s\ntime limit: %s\n\n",
		w.job.Self.Version, w.job.Self.Host, w.p.Source, w.p.Version, w.p.Codename, w.Arch, w.kinds(), w.p.Image.Key, w.network(), w.limit)
	begun := time.Now()
	limited := &limitedLog{Writer: w.log, left: maxLog}
	status, err := w.runtime.Run(ctx, environment.Run{
		Name:  message.SafeKey("build-" + w.p.Source + "-" + string(w.job.Message.ID)),
		Image: *w.p.Image, Script: script, Inputs: w.in, Outputs: w.out, Env: w.environment(), Log: limited, Network: w.p.Network,
		Limits: environment.Limits{Time: w.limit, Memory: w.memory, CPUs: w.CPUs, PIDs: maxProcesses},
	})
	w.took = time.Since(begun)
	if data, err := readPlain(filepath.Join(w.out, ".stage"), 100); err == nil {
		w.stage = strings.TrimSpace(string(data))
	}
	outcome := "status " + strconv.Itoa(status)
	if err != nil {
		outcome = err.Error()
	}
	fmt.Fprintf(w.log, "\nbuildbot: %s after %.1f s: %s\n", map[bool]string{true: "built", false: "not built"}[err == nil && status == 0], w.took.Seconds(), outcome)
	return status, err
}

// maxProcesses is how many processes and threads a build may have at a time: more than any honest
// one on a large machine needs, and few enough for the host to live through a build that forks for
// ever.
const maxProcesses = 4096

// kinds are the kinds of packages to build, as dpkg-buildpackage --build has them.
func (w *work) kinds() string {
	switch {
	case w.p.Arch && w.p.Indep:
		return "any,all"
	case w.p.Indep:
		return "all"
	}
	return "any"
}

// network says what a build has of it.
func (w *work) network() string {
	if w.p.Network {
		return "the host's, as debian/foundry.toml asks"
	}
	return "none"
}

// environment is what build.sh reads.
func (w *work) environment() []string {
	parent := w.BuildPath
	if parent == "" {
		parent = "/build/" + w.p.Source + "-" + string(w.job.Message.ID)[:6] // as long as sbuild's: sockets have short paths
	}
	options := append([]string{"parallel=" + strconv.Itoa(w.Parallel)}, w.p.Options...)
	for _, both := range []string{"nocheck", "nodoc"} { // a profile and an option of one meaning go together
		if slices.Contains(w.p.Profiles, both) && !slices.Contains(options, both) {
			options = append(options, both)
		}
	}
	wrap := ""
	if slices.Contains([]string{"i386", "armhf", "armel", "mipsel", "hppa", "m68k", "powerpc", "sh4", "x32"}, w.Arch) {
		wrap = "setarch linux32" // else uname tells of the 64-bit kernel
	}
	return []string{
		"DSC=" + w.p.Files[0].Name, "PARENT=" + parent, "TREE=" + parent + "/" + w.p.Source + "-" + w.version.Upstream,
		"DISTRIBUTION=" + w.p.Codename, "BUILD=" + w.kinds(), "CHANGES=" + w.changes,
		"MAX_BYTES=" + strconv.FormatInt(maxResults, 10), "WRAP=" + wrap,
		"MIN_FREE=" + strconv.Itoa(minFree), "FULL=" + strconv.Itoa(statusFull),
		"OPTIONS=" + strings.Join(options, " "), "PROFILES=" + strings.Join(w.p.Profiles, ","),
		"KEEP=" + pattern(w.wishes), "MAX_KEEP=" + strconv.Itoa(maxOutputBytes),
	}
}

// judge decides what became of the build: nil for built, a failure of the package, or trouble.
func (w *work) judge(status int, err error, log message.Artifact, tail []string) error {
	fail := func(reason, hint string) error {
		f := &bot.Failure{Class: message.ClassPackage, Reason: reason, Hint: hint, Tail: tail}
		if log.Name != "" {
			f.Log = &log
		}
		return f
	}
	switch {
	case errors.Is(err, environment.ErrTimeout):
		return fail(fmt.Sprintf("build took longer than %s", w.limit), "raise the limit: buildbot --timeout")
	case errors.Is(err, errLogFull):
		return fail(err.Error(), "let the build say less")
	case err != nil:
		return err
	case status == 0:
		return nil
	case status == statusFull:
		return bot.Hint(errors.New("build ran out of disk space"), "make room in the cache and state folders of buildbot")
	}
	switch w.stage {
	case "unpack":
		return fail(fmt.Sprintf("source package cannot be unpacked (status %d)", status), readLog)
	case "collect":
		return fail("build left something other than packages: "+lastSaid(tail), readLog)
	}
	if status == statusKilled {
		return fail("dpkg-buildpackage was killed", "it may have met the limit of buildbot --memory, or the host has run out of memory")
	}
	return fail(fmt.Sprintf("dpkg-buildpackage ended with status %d", status), readLog)
}

// readLog is the hint for what only a log explains.
const readLog = "read the log: foundry logs"

// statusKilled is what the shell makes of SIGKILL.
const statusKilled = 128 + 9

// lastSaid is what build.sh has said last.
func lastSaid(tail []string) string {
	for _, line := range slices.Backward(tail) {
		if text, found := strings.CutPrefix(line, "buildbot: "); found && !strings.HasPrefix(text, "not built") {
			return text
		}
	}
	return "see the log"
}

// errLogFull says that a build says more than a log may hold.
var errLogFull = fmt.Errorf("log is larger than %d bytes", maxLog)

// limitedLog ends a build whose log has no end.
type limitedLog struct {
	io.Writer
	left int
}

func (l *limitedLog) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errLogFull
	}
	l.left -= len(p)
	return l.Writer.Write(p)
}
