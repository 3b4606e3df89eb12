package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/environment"
	"foundry/pkg/environment/podman"
)

// demoGreeting is what the installed program has to say.
const demoGreeting = "Hello from a package that foundry has built, signed and published."

// installScript is what a user of the repository types, as root of a clean Debian. The mirror's
// packages come from the base system's own sources.
const installScript = `set -e
export DEBIAN_FRONTEND=noninteractive
install -D -m 644 /in/archive.asc /etc/apt/keyrings/foundry.asc
cat > /etc/apt/sources.list.d/foundry.sources <<END
Types: deb
URIs: $REPOSITORY
Suites: $CODENAME
Components: main
Signed-By: /etc/apt/keyrings/foundry.asc
END
echo '# apt-get update'
apt-get update
echo "# apt-get install $PACKAGE"
apt-get install --yes --no-install-recommends $PACKAGE
echo "# $PROGRAM"
$PROGRAM
cp /var/cache/apt/archives/*.deb /out/ 2>/dev/null || (cd /out && apt-get download $PACKAGE)
`

// install adds the repository in a clean container, installs the package with apt and runs it.
func (d *demo) install(ctx context.Context) error {
	d.say("\nin a clean Debian %s container:", d.release)
	engine, err := podman.Open(ctx, d.Cache)
	if err != nil {
		return err
	}
	image, err := engine.Provision(ctx, environment.Request{
		Base:         environment.Base{Release: d.release, Mirror: d.mirror},
		Architecture: hostArchitecture(),
	}, io.Discard)
	if err != nil {
		return fmt.Errorf("prepare clean container: %w", err)
	}
	in, out := d.path("install", "in"), d.path("install", "out")
	if err := errors.Join(os.MkdirAll(in, 0o755), os.MkdirAll(out, 0o755)); err != nil {
		return fmt.Errorf("prepare clean container: %w", err)
	}
	key, err := os.ReadFile(d.path("repo", "demo", "demo.asc"))
	if err != nil {
		return fmt.Errorf("read public key of the repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(in, "archive.asc"), key, 0o644); err != nil {
		return fmt.Errorf("prepare clean container: %w", err)
	}
	var said bytes.Buffer
	status, err := engine.Run(ctx, environment.Run{
		Name: "foundry-demo-" + strings.ToLower(bot.NewInstance("install")), Image: image, Script: installScript,
		Inputs: in, Outputs: out, Network: true, Writable: true,
		Env:    []string{"REPOSITORY=http://" + d.serve, "CODENAME=" + d.release, "PACKAGE=foundry-hello", "PROGRAM=/usr/bin/foundry-hello"},
		Limits: environment.Limits{Time: 10 * time.Minute},
		Log:    io.MultiWriter(&prefixer{w: d.out, prefix: "  | "}, &said),
	})
	if err != nil {
		return fmt.Errorf("install in clean container: %w", err)
	}
	if status != 0 {
		return fmt.Errorf("install in clean container: exit status %d", status)
	}
	if !strings.Contains(said.String(), "\n"+demoGreeting+"\n") {
		return errors.New("the installed program did not say what it should")
	}
	return nil
}

// prove walks from the installed package back to the commit.
func (d *demo) prove(ctx context.Context, s *session) error {
	debs, err := filepath.Glob(d.path("install", "out", "foundry-hello_*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("find the installed package: %d files", len(debs))
	}
	d.say("\nthe chain of signatures, from the installed package to the commit:")
	ch, err := s.trace(ctx, d.State, traceTarget{path: debs[0]})
	if err != nil {
		return err
	}
	ch.print(d.out)
	if !ch.Whole {
		return errors.New("the chain of signatures does not hold")
	}
	return nil
}

// next says what to type next.
func (d *demo) next() {
	self, err := os.Executable()
	if err != nil {
		self = "foundry"
	}
	d.say("\nall of this really happened, in %s. What to type next:", seconds(time.Since(d.begun)))
	d.say("  %s up --config %s        # start this foundry again", self, d.path("foundry.toml"))
	d.say("  %s tail --since 1h --config %s   # in another terminal: what its bots said", self, d.path("foundry.toml"))
	d.say("  %s init --repository URL#BRANCH   # begin a foundry of your own", self)
}
