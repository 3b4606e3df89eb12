package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"foundry/scripts/internal/rig"
)

// sbuild is the way that foundry is compared with: sbuild in a fresh chroot, then reprepro.
type sbuild struct {
	*rig.Sbuild
	b       *bench
	version string // published last
}

// newSbuild prepares a home folder with a reprepro configuration and the key that signs it.
func (b *bench) newSbuild(ctx context.Context) (*sbuild, error) {
	inner, err := b.rig.NewSbuild(filepath.Join(b.rig.Dir, "sbuild"), b.codename, b.mirror)
	if err != nil {
		return nil, err
	}
	s := &sbuild{Sbuild: inner, b: b}
	for _, dir := range []struct {
		name string
		mode os.FileMode
	}{{"gnupg", 0o700}, {"repo", 0o755}, {"repo/conf", 0o755}} {
		if err := s.Mkdir(dir.name, dir.mode); err != nil {
			return nil, err
		}
	}
	distributions := fmt.Sprintf("Codename: %s\nArchitectures: %s source\nComponents: main\nSignWith: bench@foundry.invalid\n", b.codename, rig.Architecture())
	if err := os.WriteFile(filepath.Join(s.Home(), "repo/conf/distributions"), []byte(distributions), 0o644); err != nil {
		return nil, fmt.Errorf("prepare reprepro: %w", err)
	}
	return s, s.shell(ctx, `
gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key 'Foundry Benchmark <bench@foundry.invalid>' ed25519 sign never
gpg --export --armor > "$HOME/repo/key.asc"
`)
}

func (s *sbuild) shell(ctx context.Context, script string) error {
	return s.Shell(ctx, script, "GNUPGHOME="+filepath.Join(s.Home(), "gnupg"), "VERSION="+s.version)
}

// cold makes the chroot's tarball and then builds and publishes.
func (s *sbuild) cold(ctx context.Context) error {
	if err := s.MakeChroot(ctx); err != nil {
		return err
	}
	return s.publish(ctx)
}

// publish makes a new version: source package, build, inclusion in the repository.
func (s *sbuild) publish(ctx context.Context) error {
	s.version = s.b.nextVersion()
	if err := s.b.writePackage(filepath.Join(s.b.rig.Dir, "source", s.version), s.version); err != nil {
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
	repo := filepath.Join(s.Home(), "repo")
	if err := s.b.installable(ctx, repo, filepath.Join(repo, "key.asc"), s.version); err != nil {
		return fmt.Errorf("reprepro's repository: %w", err)
	}
	return nil
}

// close ends the agent that gpg has started.
func (s *sbuild) close() {
	_ = s.shell(context.Background(), "gpgconf --kill all") // one that stays ends itself with its folder
}
