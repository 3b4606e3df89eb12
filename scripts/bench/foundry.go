package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman"
	"foundry/pkg/message"
	"foundry/scripts/internal/rig"
)

// foundry is a foundry of the real programs, and a git repository to feed it from.
type foundry struct {
	*rig.Foundry
	b       *bench
	git     string
	version string                   // published last
	image   message.Image            // that it was built in
	stages  map[string]time.Duration // of the last transaction, by topic
}

const buildPatience = "30m"

// startFoundry makes a foundry without any cache and runs it.
func (b *bench) startFoundry(ctx context.Context, n int) (*foundry, error) {
	dir := filepath.Join(b.rig.Dir, fmt.Sprintf("f%d", n))
	f := &foundry{b: b, git: filepath.Join(dir, "git")}
	if err := os.MkdirAll(f.git, 0o755); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if err := f.runGit(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return nil, err
	}
	var err error
	f.Foundry, err = b.rig.StartFoundry(ctx, rig.FoundryOptions{Dir: dir, Programs: b.programs, Codename: b.codename, Mirror: b.mirror})
	return f, err
}

// publish commits a new version of the package, announces it, and returns how long it took from
// there until it was published.
func (f *foundry) publish(ctx context.Context) (time.Duration, error) {
	f.version = f.b.nextVersion()
	if err := f.b.writePackage(f.git, f.version); err != nil {
		return 0, err
	}
	if err := f.runGit(ctx, "add", "--all"); err != nil {
		return 0, err
	}
	if err := f.runGit(ctx, "commit", "--quiet", "--message", "Version "+f.version); err != nil {
		return 0, err
	}
	begun := time.Now()
	out, err := f.Command(ctx, "submit", f.git+"#main", "--wait", "--json", "--timeout", buildPatience)
	took := time.Since(begun)
	if err != nil {
		return 0, err
	}
	return took, f.read(out)
}

// read takes the image and the durations from the answer of foundry submit.
func (f *foundry) read(answer string) error {
	report, err := rig.ParseReport(answer)
	if err != nil {
		return err
	}
	f.stages = map[string]time.Duration{}
	for _, s := range report.Stages {
		if s.Topic == message.Commits {
			continue
		}
		f.stages[string(s.Topic)] = time.Duration(s.Seconds * float64(time.Second))
		if s.Topic != message.Provisions {
			continue
		}
		var p message.Provision
		if err := json.Unmarshal(s.Data, &p); err != nil {
			return fmt.Errorf("read answer of foundry submit: %w", err)
		}
		if p.Image != nil {
			f.image = *p.Image
		}
	}
	if f.image.ID == "" {
		return errors.New("read answer of foundry submit: no image")
	}
	return nil
}

// plainScript does by hand what foundry's bots do, in one go: source package and build.
const plainScript = `
cp -r /in /build/foundry-bench
cd /build/foundry-bench
dpkg-buildpackage --no-sign
cp ../*.deb ../*.dsc ../*.tar.* ../*.changes ../*.buildinfo /out/
`

// plain builds the version that was published last with dpkg-buildpackage, in a container of the
// image that it was built in.
func (f *foundry) plain(ctx context.Context) error {
	engine, err := podman.Open(ctx, f.Cache)
	if err != nil {
		return err
	}
	in, out := filepath.Join(f.b.rig.Dir, "plain", f.version, "in"), filepath.Join(f.b.rig.Dir, "plain", f.version, "out")
	if err := f.b.writePackage(in, f.version); err != nil {
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	status, err := engine.Run(ctx, environment.Run{
		Name: "foundry-bench-plain", Image: f.image, Script: plainScript, Inputs: in, Outputs: out, Log: f.b.rig.Log,
	})
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d", status)
	}
	return err
}

// check tells whether apt finds the version that was published last.
func (f *foundry) check(ctx context.Context) error {
	repo := filepath.Join(f.State(), "repo", "bench")
	if err := f.b.installable(ctx, repo, filepath.Join(repo, "bench.asc"), f.version); err != nil {
		return fmt.Errorf("foundry's repository: %w", err)
	}
	return nil
}

// runGit runs git in the repository, without anybody's configuration.
func (f *foundry) runGit(ctx context.Context, args ...string) error {
	return f.b.rig.Run(ctx, rig.Command{Name: "git", Args: args, Dir: f.git, Env: []string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Foundry Benchmark", "GIT_AUTHOR_EMAIL=bench@foundry.invalid",
		"GIT_COMMITTER_NAME=Foundry Benchmark", "GIT_COMMITTER_EMAIL=bench@foundry.invalid",
	}})
}
