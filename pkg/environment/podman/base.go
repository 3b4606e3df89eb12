package podman

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/container"
)

// A base is a base image that is in the storage.
type base struct {
	ID      string    `json:"id"`
	Key     string    `json:"key"`
	Release string    `json:"release"` // SHA-256 of the Release file it was made from
	Made    time.Time `json:"made"`
}

// base returns the base image of a plan, made or reused. One whose release has changed since is
// good enough, every environment brings it up to date by itself; Tend makes it anew.
func (e *Engine) base(ctx context.Context, p *plan, log io.Writer) (b *base, release func(), err error) {
	unlock, err := e.index.Lock(ctx, "base-"+p.baseKey)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	known := new(base)
	if e.index.Load(bases, p.baseKey, known) {
		release, err := e.use(known.ID)
		switch {
		case errors.Is(err, environment.ErrNoImage):
		case err != nil:
			return nil, nil, err
		case known.Release != p.releases[0].SHA256:
			return known, release, e.wish(p)
		default:
			return known, release, nil
		}
	}
	if known, err = e.newBase(ctx, p, log); err != nil {
		return nil, nil, err
	}
	release, err = e.use(known.ID)
	return known, release, err
}

// newBase makes a base image, which counts from then on.
func (e *Engine) newBase(ctx context.Context, p *plan, log io.Writer) (*base, error) {
	fmt.Fprintf(log, "making base system %s %s from %s\n", p.Base.Release, p.Architecture, p.Base.Mirror)
	id, err := e.makeBase(ctx, p, log)
	if err != nil {
		return nil, fmt.Errorf("make base system %s %s: %w", p.Base.Release, p.Architecture, err)
	}
	made := &base{ID: id, Key: p.baseKey, Release: p.releases[0].SHA256, Made: time.Now().UTC()}
	return made, e.index.Save(bases, p.baseKey, made)
}

//go:embed base.sh
var baseHook string

// makeBase runs mmdebstrap and imports what it makes, as it comes.
func (e *Engine) makeBase(ctx context.Context, p *plan, log io.Writer) (string, error) {
	program, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", &SetupError{Problem: "mmdebstrap is not installed", Fix: "apt-get install mmdebstrap"}
	}
	// What mmdebstrap's user namespace has to read is not below the cache folder, which is closed.
	dir, err := os.MkdirTemp("/var/tmp", "foundry-base-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	args, err := baseArguments(p, dir)
	if err != nil {
		return "", err
	}
	said := container.NewTail(4 << 10)
	maker := exec.CommandContext(ctx, program, args...)
	maker.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC",
		"TMPDIR=/var/tmp", "HOME=" + e.podman.Home(),
	}
	maker.Stderr = io.MultiWriter(log, said)
	maker.Cancel = func() error { return maker.Process.Signal(syscall.SIGTERM) } // it cleans up
	maker.WaitDelay = container.GraceTime
	maker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	id, makerErr, err := e.podman.Import(ctx, maker, p.Architecture, "localhost/foundry/base:"+p.baseKey, p.urgent)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case makerErr != nil && err != nil:
		return "", fmt.Errorf("%w; %w", mmdebstrapError(p, makerErr, said.String()), err)
	case makerErr != nil:
		return "", mmdebstrapError(p, makerErr, said.String())
	}
	return id, err
}

// baseOptions are those of mmdebstrap that every base is made with. They are part of its key.
func baseOptions() []string {
	return []string{
		"--variant=buildd", "--format=tar", "--include=fakeroot", "--dpkgopt=force-unsafe-io",
		`--aptopt=Acquire::Languages "none"`, `--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::Retries "3"`,
	}
}

func baseArguments(p *plan, dir string) ([]string, error) {
	// Given as text, which mmdebstrap hands to sh.
	hook := strings.NewReplacer(
		"@SOURCE@", fmt.Sprintf("deb %s %s %s", p.sources[0].URI, p.sources[0].Suite, strings.Join(p.sources[0].Components, " ")),
	).Replace(baseHook)
	mode := "unshare"
	if os.Getuid() == 0 {
		mode = "root"
	}
	args := append(baseOptions(), "--mode="+mode, "--architectures="+p.Architecture,
		"--components="+strings.Join(p.sources[0].Components, ","), "--customize-hook="+hook)
	if p.Proxy != "" {
		args = append(args, fmt.Sprintf("--aptopt=Acquire::http::Proxy %q", p.Proxy), fmt.Sprintf("--aptopt=Acquire::https::Proxy %q", p.Proxy))
	}
	if len(p.sources[0].keyring) > 0 {
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, fmt.Errorf("write keyring: %w", err)
		}
		keyring := filepath.Join(dir, "keyring"+p.sources[0].ext)
		if err := writeOpen(keyring, p.sources[0].keyring); err != nil {
			return nil, fmt.Errorf("write keyring: %w", err)
		}
		args = append(args, "--keyring="+keyring)
	}
	if strings.HasPrefix(p.Base.Mirror, "file:") {
		args = append(args, "--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount")
	}
	return append(args, p.Base.Release, "-", p.Base.Mirror), nil
}

// mmdebstrapError picks what went wrong from mmdebstrap's output.
func mmdebstrapError(p *plan, err error, said string) error {
	if strings.Contains(said, "binfmt") || strings.Contains(said, "cannot be executed") || strings.Contains(said, "arch-test") {
		return &SetupError{
			Problem: fmt.Sprintf("this host cannot run programs for %s", p.Architecture),
			Fix:     "apt-get install qemu-user-static binfmt-support",
		}
	}
	for line := range strings.Lines(said) {
		if text, found := strings.CutPrefix(line, "E: "); found {
			return fmt.Errorf("mmdebstrap: %s", strings.TrimSpace(text))
		}
	}
	return fmt.Errorf("mmdebstrap: %w", err)
}
