package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman"
	"foundry/pkg/message"
)

// foundry is a foundry of the real programs with folders of its own.
type foundry struct {
	b       *bench
	dir     string
	config  string
	git     string
	up      *exec.Cmd
	ended   chan error               // of up
	version string                   // published last
	image   message.Image            // that it was built in
	stages  map[string]time.Duration // of the last transaction, by topic
}

const (
	startPatience = 2 * time.Minute
	stopPatience  = time.Minute
	buildPatience = "30m"
)

// startFoundry makes a foundry without any cache and runs it.
func (b *bench) startFoundry(ctx context.Context, n int) (*foundry, error) {
	f := &foundry{b: b, dir: filepath.Join(b.dir, fmt.Sprintf("f%d", n))}
	f.config, f.git = filepath.Join(f.dir, "foundry.toml"), filepath.Join(f.dir, "git")
	if err := os.MkdirAll(f.git, 0o755); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if err := f.runGit(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return nil, err
	}
	// Without a repository there is no watchbot: "foundry submit" announces, so that the time has a
	// beginning.
	_, err := f.command(ctx, "init", "--state", filepath.Join(f.dir, "state"), "--cache", filepath.Join(f.dir, "cache"),
		"--codename", b.codename, "--mirror", b.mirror, "--name", "bench", "--serve", "", "--allow-unsigned")
	if err != nil {
		return nil, err
	}
	f.up = exec.Command(filepath.Join(b.programs, "foundry"), "up", "--config", f.config)
	f.up.Stdout, f.up.Stderr = b.log, b.log
	f.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := f.up.Start(); err != nil {
		return nil, fmt.Errorf("start foundry: %w", err)
	}
	f.ended = make(chan error, 1)
	go func(up *exec.Cmd) { f.ended <- up.Wait() }(f.up)
	if err := f.await(ctx); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// command runs one command of the herder and returns its answer.
func (f *foundry) command(ctx context.Context, args ...string) (string, error) {
	args = append(args, "--config", f.config)
	return f.b.output(ctx, command{name: filepath.Join(f.b.programs, "foundry"), args: args})
}

// bots are all that the configuration has.
const bots = 5

// await waits until all bots say that they are there.
func (f *foundry) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		out, err := f.command(ctx, "list", "--json")
		var there []json.RawMessage
		if err == nil {
			if err := json.Unmarshal([]byte(out), &there); err != nil {
				return fmt.Errorf("read answer of foundry list: %w", err)
			}
		}
		if len(there) >= bots {
			return nil
		}
		select {
		case err := <-f.ended:
			f.up = nil
			return fmt.Errorf("start foundry: it has ended: %v", err)
		case <-ctx.Done():
			return fmt.Errorf("wait for bots: %d of %d are there: %w", len(there), bots, errors.Join(ctx.Err(), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
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
	out, err := f.command(ctx, "submit", f.git+"#main", "--wait", "--json", "--timeout", buildPatience)
	took := time.Since(begun)
	if err != nil {
		return 0, err
	}
	return took, f.read(out)
}

// read takes the image and the durations from the answer of foundry submit.
func (f *foundry) read(answer string) error {
	var report struct {
		Stages []struct {
			Topic   string
			Seconds float64
			Data    json.RawMessage
		}
	}
	if i := strings.IndexByte(answer, '{'); i > 0 {
		answer = answer[i:]
	}
	if err := json.Unmarshal([]byte(answer), &report); err != nil {
		return fmt.Errorf("read answer of foundry submit: %w", err)
	}
	f.stages = map[string]time.Duration{}
	for _, s := range report.Stages {
		if s.Topic == string(message.Commits) {
			continue
		}
		f.stages[s.Topic] = time.Duration(s.Seconds * float64(time.Second))
		if s.Topic != string(message.Provisions) {
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
	engine, err := podman.Open(ctx, filepath.Join(f.dir, "cache"))
	if err != nil {
		return err
	}
	in, out := filepath.Join(f.b.dir, "plain", f.version, "in"), filepath.Join(f.b.dir, "plain", f.version, "out")
	if err := f.b.writePackage(in, f.version); err != nil {
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	status, err := engine.Run(ctx, environment.Run{
		Name: "foundry-bench-plain", Image: f.image, Script: plainScript, Inputs: in, Outputs: out, Log: f.b.log,
	})
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d", status)
	}
	return err
}

// check tells whether apt finds the version that was published last.
func (f *foundry) check(ctx context.Context) error {
	repo := filepath.Join(f.dir, "state", "repo", "bench")
	if err := f.b.installable(ctx, repo, filepath.Join(repo, "bench.asc"), f.version); err != nil {
		return fmt.Errorf("foundry's repository: %w", err)
	}
	return nil
}

// stop ends the foundry; again it does nothing.
func (f *foundry) stop() error {
	if f.up == nil {
		return nil
	}
	up := f.up
	f.up = nil
	if err := up.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop foundry: %w", err)
	}
	kill := time.AfterFunc(stopPatience, func() { _ = up.Process.Kill() })
	defer kill.Stop()
	if err := <-f.ended; err != nil {
		return fmt.Errorf("stop foundry: %w", err)
	}
	return nil
}

// runGit runs git in the repository, without anybody's configuration.
func (f *foundry) runGit(ctx context.Context, args ...string) error {
	return f.b.run(ctx, command{name: "git", args: args, dir: f.git, env: []string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Foundry Benchmark", "GIT_AUTHOR_EMAIL=bench@foundry.invalid",
		"GIT_COMMITTER_NAME=Foundry Benchmark", "GIT_COMMITTER_EMAIL=bench@foundry.invalid",
	}})
}
