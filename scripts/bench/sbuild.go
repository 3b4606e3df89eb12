package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// sbuildUser is who runs sbuild when root measures: unshare mode wants a plain user who has
// subordinate ids, which scripts/setup has made.
const sbuildUser = "foundry"

// sbuild is the way that foundry is compared with: sbuild in a fresh chroot, then reprepro.
type sbuild struct {
	b       *bench
	home    string
	as      *syscall.Credential
	version string // published last
}

// newSbuild prepares a home folder with a reprepro configuration and the key that signs it.
func (b *bench) newSbuild(ctx context.Context) (*sbuild, error) {
	s := &sbuild{b: b, home: filepath.Join(b.dir, "sbuild")}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		u, err := user.Lookup(sbuildUser)
		if err != nil {
			return nil, fmt.Errorf("find user for sbuild: %w; run: scripts/setup --bench", err)
		}
		if uid, err = strconv.Atoi(u.Uid); err != nil {
			return nil, fmt.Errorf("find user for sbuild: %w", err)
		}
		if gid, err = strconv.Atoi(u.Gid); err != nil {
			return nil, fmt.Errorf("find user for sbuild: %w", err)
		}
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	for _, dir := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o755}, {"gnupg", 0o700}, {"tmp", 0o755}, {"repo", 0o755}, {"repo/conf", 0o755}, {".cache", 0o755}, {".cache/sbuild", 0o755}} {
		path := filepath.Join(s.home, dir.name)
		if err := os.Mkdir(path, dir.mode); err != nil {
			return nil, fmt.Errorf("prepare sbuild: %w", err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return nil, fmt.Errorf("prepare sbuild: %w", err)
		}
	}
	distributions := fmt.Sprintf("Codename: %s\nArchitectures: %s source\nComponents: main\nSignWith: bench@foundry.invalid\n", b.codename, architecture())
	if err := os.WriteFile(filepath.Join(s.home, "repo/conf/distributions"), []byte(distributions), 0o644); err != nil {
		return nil, fmt.Errorf("prepare reprepro: %w", err)
	}
	return s, s.shell(ctx, `
gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key 'Foundry Benchmark <bench@foundry.invalid>' ed25519 sign never
gpg --export --armor > "$HOME/repo/key.asc"
`)
}

// architecture is this machine's, as Debian calls it.
func architecture() string {
	switch runtime.GOARCH {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	}
	return runtime.GOARCH
}

// shell runs a script as the user of sbuild, with nothing of the caller's environment but proxies.
func (s *sbuild) shell(ctx context.Context, script string) error {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
		"HOME=" + s.home, "GNUPGHOME=" + filepath.Join(s.home, "gnupg"), "TMPDIR=" + filepath.Join(s.home, "tmp"),
		"MIRROR=" + s.b.mirror, "CODENAME=" + s.b.codename, "ARCH=" + architecture(), "VERSION=" + s.version,
	}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return s.b.run(ctx, command{
		name: "env", args: append(append([]string{"-i"}, env...), "/bin/bash", "-euc", strings.TrimSpace(script)),
		dir: s.home, as: s.as,
	})
}

// cold makes the chroot's tarball and then builds and publishes.
func (s *sbuild) cold(ctx context.Context) error {
	err := s.shell(ctx, `
rm -f "$HOME/.cache/sbuild/$CODENAME-$ARCH.tar.zst"
mmdebstrap --quiet --variant=buildd "$CODENAME" "$HOME/.cache/sbuild/$CODENAME-$ARCH.tar.zst" "$MIRROR"
`)
	if err != nil {
		return err
	}
	return s.publish(ctx)
}

// publish makes a new version: source package, build, inclusion in the repository.
func (s *sbuild) publish(ctx context.Context) error {
	s.version = s.b.nextVersion()
	if err := s.b.writePackage(filepath.Join(s.b.dir, "source", s.version), s.version); err != nil {
		return err
	}
	return s.shell(ctx, `
rm -rf "$HOME/build" && mkdir "$HOME/build" && cd "$HOME/build"
cp -r "$HOME/../source/$VERSION" foundry-bench
dpkg-source --build foundry-bench
sbuild --chroot-mode=unshare --dist="$CODENAME" --arch="$ARCH" --arch-all --source --nolog \
	--no-run-lintian --no-run-autopkgtest --no-run-piuparts foundry-bench_*.dsc
reprepro --basedir "$HOME/repo" --outdir "$HOME/repo" include "$CODENAME" foundry-bench_*_"$ARCH".changes
`)
}

// check tells whether apt finds the version that was published last.
func (s *sbuild) check(ctx context.Context) error {
	repo := filepath.Join(s.home, "repo")
	if err := s.b.installable(ctx, repo, filepath.Join(repo, "key.asc"), s.version); err != nil {
		return fmt.Errorf("reprepro's repository: %w", err)
	}
	return nil
}

// close ends the agent that gpg has started.
func (s *sbuild) close() {
	_ = s.shell(context.Background(), "gpgconf --kill all") // one that stays ends itself with its folder
}
