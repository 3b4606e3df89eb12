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
)

// staleBase is the age after which a base is made anew when its release has changed; until then
// every environment brings it up to date by itself.
const staleBase = 14 * 24 * time.Hour

// A base is a base image that is in the storage.
type base struct {
	ID      string    `json:"id"`
	Key     string    `json:"key"`
	Release string    `json:"release"` // SHA-256 of the Release file it was made from
	Made    time.Time `json:"made"`
}

// base returns the base image of a plan, made or reused.
func (e *Engine) base(ctx context.Context, p *plan, log io.Writer) (*base, error) {
	unlock, err := e.lock(ctx, "base-"+p.baseKey)
	if err != nil {
		return nil, err
	}
	defer unlock()
	known := new(base)
	if e.load("bases", p.baseKey, known) && e.hasImage(known.ID) {
		changed := known.Release != p.releases[0].SHA256
		if !changed || time.Since(known.Made) < staleBase {
			return known, nil
		}
	}
	fmt.Fprintf(log, "making base system %s %s from %s\n", p.Base.Release, p.Architecture, p.Base.Mirror)
	id, err := e.makeBase(ctx, p, log)
	if err != nil {
		return nil, fmt.Errorf("make base system %s %s: %w", p.Base.Release, p.Architecture, err)
	}
	made := &base{ID: id, Key: p.baseKey, Release: p.releases[0].SHA256, Made: time.Now().UTC()}
	return made, e.save("bases", p.baseKey, made)
}

//go:embed base.sh
var baseHook string

// makeBase runs mmdebstrap and imports what it makes.
func (e *Engine) makeBase(ctx context.Context, p *plan, log io.Writer) (string, error) {
	program, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", &SetupError{Problem: "mmdebstrap is not installed", Fix: "apt-get install mmdebstrap"}
	}
	dir, err := os.MkdirTemp(filepath.Join(e.storage, "tmp"), "base-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	tarball := filepath.Join(dir, "base.tar")
	// What mmdebstrap's user namespace has to read is not below the cache folder, which is closed.
	open, err := os.MkdirTemp("/var/tmp", "foundry-base-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(open)
	args, err := baseArguments(p, open, tarball)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC",
		"TMPDIR=/var/tmp", "HOME=" + filepath.Join(e.storage, "home"),
	}
	said := &tail{limit: 4 << 10}
	cmd.Stdout, cmd.Stderr = log, io.MultiWriter(log, said)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
	cmd.WaitDelay = graceTime
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", mmdebstrapError(p, err, said.String())
	}
	out, err := e.podman(ctx, "import", "--quiet", "--arch="+ociArchitecture(p.Architecture),
		"--change=CMD [\"/bin/sh\"]", tarball, "localhost/foundry/base:"+p.baseKey)
	if err != nil {
		return "", err
	}
	return imageID(out)
}

func baseArguments(p *plan, dir, tarball string) ([]string, error) {
	// Given as text, which mmdebstrap hands to sh.
	hook := strings.NewReplacer(
		"@SOURCE@", fmt.Sprintf("deb %s %s main", p.sources[0].URI, p.sources[0].Suite),
	).Replace(baseHook)
	mode := "unshare"
	if os.Getuid() == 0 {
		mode = "root"
	}
	args := []string{
		"--mode=" + mode, "--variant=buildd", "--format=tar", "--architectures=" + p.Architecture,
		`--aptopt=Acquire::Languages "none"`, `--aptopt=APT::Install-Recommends "false"`,
		`--aptopt=Acquire::Retries "3"`,
		"--include=fakeroot", "--customize-hook=" + hook,
	}
	if len(p.sources[0].keyring) > 0 {
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, fmt.Errorf("write keyring: %w", err)
		}
		keyring := filepath.Join(dir, "keyring"+p.sources[0].ext)
		if err := os.WriteFile(keyring, p.sources[0].keyring, 0o644); err != nil {
			return nil, fmt.Errorf("write keyring: %w", err)
		}
		args = append(args, "--keyring="+keyring)
	}
	if strings.HasPrefix(p.Base.Mirror, "file:") {
		args = append(args, "--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount")
	}
	return append(args, p.Base.Release, tarball, p.Base.Mirror), nil
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

// ociArchitecture is the name that container images have for a Debian architecture.
func ociArchitecture(debian string) string {
	switch debian {
	case "i386":
		return "386"
	case "armhf", "armel":
		return "arm"
	case "ppc64el":
		return "ppc64le"
	case "mips64el":
		return "mips64le"
	case "loong64":
		return "loong64"
	}
	return debian
}

// imageID reads an image id from the last line of podman's output.
func imageID(out []byte) (string, error) {
	lines := strings.Fields(string(out))
	if len(lines) == 0 {
		return "", errors.New("podman told no image id")
	}
	id := trimID(lines[len(lines)-1])
	if len(id) != 64 {
		return "", fmt.Errorf("podman told %q instead of an image id", id)
	}
	return "sha256:" + id, nil
}

// hasImage tells, without starting podman, whether an image is in the storage.
func (e *Engine) hasImage(id string) bool {
	for _, driver := range []string{"overlay", "vfs"} {
		if _, err := os.Stat(filepath.Join(e.storage, "storage", driver+"-images", trimID(id), "manifest")); err == nil && id != "" {
			return true
		}
	}
	return false
}
