// Package debsource fetches Debian source packages with apt, which verifies them, and without
// anything of the machine's own apt configuration.
package debsource

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"foundry/scripts/internal/rig"
)

// keyring verifies what Debian publishes.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Apt is a private apt that knows the source packages of one release.
type Apt struct {
	rig *rig.Rig
	dir string
}

// New prepares apt in the folder dir, where an earlier one may have been, and updates its lists.
func New(ctx context.Context, r *rig.Rig, dir, codename, mirror string) (*Apt, error) {
	a := &Apt{rig: r, dir: dir}
	for _, name := range []string{"state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d", "sources"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return nil, fmt.Errorf("prepare apt: %w", err)
		}
	}
	list := fmt.Sprintf("deb-src [signed-by=%s] %s %s main\n", keyring, mirror, codename)
	for name, content := range map[string]string{"etc/sources.list": list, "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, fmt.Errorf("prepare apt: %w", err)
		}
	}
	return a, a.run(ctx, "update", "--error-on=any")
}

func (a *Apt) run(ctx context.Context, args ...string) error {
	options := []string{
		"-o", "Dir::Etc=" + filepath.Join(a.dir, "etc"), "-o", "Dir::State=" + filepath.Join(a.dir, "state"),
		"-o", "Dir::State::status=" + filepath.Join(a.dir, "status"), "-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1", "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3",
	}
	return a.rig.Run(ctx, rig.Command{
		Name: "apt-get", Args: append(options, args...), Dir: filepath.Join(a.dir, "sources"), Env: []string{"LC_ALL=C.UTF-8"},
	})
}

// Fetch downloads a source package and returns the path of its .dsc. What is there already is only
// verified.
func (a *Apt) Fetch(ctx context.Context, name string) (string, error) {
	if err := a.run(ctx, "source", "--download-only", "--only-source", "--quiet", name); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(a.dir, "sources", name+"_*.dsc"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("fetch %s: no .dsc: %v", name, err)
	}
	return newest(found), nil
}

// newest is the file that was downloaded last: a point release of the distribution may have brought
// another version since an earlier run.
func newest(paths []string) string {
	best := paths[0]
	for _, path := range paths[1:] {
		a, errA := os.Stat(path)
		b, errB := os.Stat(best)
		if errA == nil && errB == nil && a.ModTime().After(b.ModTime()) {
			best = path
		}
	}
	return best
}
