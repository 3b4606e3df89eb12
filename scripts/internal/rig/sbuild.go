package rig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// sbuildUser is who runs sbuild when root does: unshare mode wants a plain user who has
// subordinate ids, which scripts/setup has made.
const sbuildUser = "foundry"

// Sbuild builds with sbuild(1) in throw-away user namespaces.
type Sbuild struct {
	rig      *Rig
	home     string
	uid, gid int
	as       *syscall.Credential
	codename string
	mirror   string
}

// NewSbuild prepares a home folder for sbuild, which may be there from an earlier run.
func (r *Rig) NewSbuild(home, codename, mirror string) (*Sbuild, error) {
	s := &Sbuild{rig: r, home: home, uid: os.Getuid(), gid: os.Getgid(), codename: codename, mirror: mirror}
	if s.uid == 0 {
		u, err := user.Lookup(sbuildUser)
		if err != nil {
			return nil, fmt.Errorf("find user for sbuild: %w; run: scripts/setup --bench", err)
		}
		if s.uid, err = strconv.Atoi(u.Uid); err != nil {
			return nil, fmt.Errorf("find user for sbuild: %w", err)
		}
		if s.gid, err = strconv.Atoi(u.Gid); err != nil {
			return nil, fmt.Errorf("find user for sbuild: %w", err)
		}
		s.as = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid)}
	}
	for _, dir := range []string{"", "tmp", ".cache", ".cache/sbuild"} {
		if err := s.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Home is the home folder of the user who runs sbuild.
func (s *Sbuild) Home() string { return s.home }

// Mkdir makes a folder of sbuild's user below the home folder where there is none.
func (s *Sbuild) Mkdir(name string, mode os.FileMode) error {
	path := filepath.Join(s.home, name)
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("prepare sbuild: %w", err)
	}
	if err := os.Chown(path, s.uid, s.gid); err != nil {
		return fmt.Errorf("prepare sbuild: %w", err)
	}
	return nil
}

// Shell runs a bash script in the home folder as the user of sbuild, with nothing of the caller's
// environment but proxies. It sees MIRROR, CODENAME, ARCH, TARBALL (of the chroot) and env.
func (s *Sbuild) Shell(ctx context.Context, script string, env ...string) error {
	env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
		"HOME=" + s.home, "TMPDIR=" + filepath.Join(s.home, "tmp"),
		"MIRROR=" + s.mirror, "CODENAME=" + s.codename, "ARCH=" + Architecture(), "TARBALL=" + s.tarball(),
	}, env...)
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return s.rig.Run(ctx, Command{
		Name: "env", Args: append(append([]string{"-i"}, env...), "/bin/bash", "-euc", strings.TrimSpace(script)),
		Dir: s.home, As: s.as,
	})
}

// tarball is where sbuild looks for its chroot.
func (s *Sbuild) tarball() string {
	return filepath.Join(s.home, ".cache/sbuild", s.codename+"-"+Architecture()+".tar.zst")
}

// HasChroot tells whether the tarball of an earlier run is there.
func (s *Sbuild) HasChroot() bool {
	_, err := os.Stat(s.tarball())
	return err == nil
}

// MakeChroot makes the tarball that builds begin with, as sbuild's manual says: the variant that
// foundry's base systems have.
func (s *Sbuild) MakeChroot(ctx context.Context) error {
	return s.Shell(ctx, `
rm -f "$TARBALL"
new=${TARBALL%/*}/new.tar.zst
mmdebstrap --quiet --variant=buildd "$CODENAME" "$new" "$MIRROR"
mv "$new" "$TARBALL"
`)
}

// Build builds the binary packages for this architecture and those for all, as Debian's builders do:
// a source package that has only the latter is built for "all". The results and the log are left in the
// folder results, which is made.
func (s *Sbuild) Build(ctx context.Context, dsc, results string) error {
	work := "build-" + filepath.Base(results)
	if err := errors.Join(os.RemoveAll(filepath.Join(s.home, work)), s.Mkdir(work, 0o755)); err != nil {
		return fmt.Errorf("prepare sbuild: %w", err)
	}
	err := s.Shell(ctx, `
cd "$WORK"
kinds=--arch-any
if grep -qx 'Architecture: all' "$DSC"; then kinds=--no-arch-any; fi
sbuild --chroot-mode=unshare --dist="$CODENAME" --arch="$ARCH" --arch-all "$kinds" \
	--no-run-lintian --no-run-autopkgtest --no-run-piuparts "$DSC" >sbuild.log 2>&1 </dev/null
`, "DSC="+dsc, "WORK="+work)
	if err != nil {
		return fmt.Errorf("%w; the end of its log:\n%s", err, tail(filepath.Join(s.home, work)))
	}
	if err := os.Rename(filepath.Join(s.home, work), results); err != nil {
		return fmt.Errorf("keep results of sbuild: %w", err)
	}
	return nil
}

// tail is the end of the log that sbuild has left in a folder.
func tail(dir string) string {
	found, err := filepath.Glob(filepath.Join(dir, "*.build"))
	if err != nil || len(found) == 0 {
		found = []string{filepath.Join(dir, "sbuild.log")}
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return err.Error()
	}
	const enough = 4 << 10
	return string(text[max(0, len(text)-enough):])
}
