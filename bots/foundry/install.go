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
	"foundry/pkg/message"
)

// containers is what an installation needs of a container engine.
type containers interface {
	environment.Provisioner
	environment.Runtime
}

// installation is what a user of an apt repository does on a clean Debian system: add the
// repository, install a package from it with apt, and run it.
type installation struct {
	release, mirror string // of Debian
	uri, codename   string // of the repository
	key             string // path of its public key
	pkg             string // to install
	command         string // to run then, for the shell
	dir             string // folder for the public key and for what apt downloaded
}

// installScript runs as root of the clean system. "apt-get install" says pkg=version where there is
// another source of the same name.
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
cat > /etc/apt/apt.conf.d/90foundry <<END
quiet "1";
Dpkg::Use-Pty "0";
Acquire::Languages "none";
APT::Sandbox::User "root";
END
echo '# apt-get update'
apt-get update
echo "# apt-get install $PACKAGE"
cd /out
apt-get download $PACKAGE
apt-get install --yes --no-install-recommends --allow-downgrades $PACKAGE
echo "# $COMMAND"
sh -c "$COMMAND"
`

// run installs and returns what the command printed, and the paths of the packages of the name that
// apt downloaded. All that happens is written to w.
func (i installation) run(ctx context.Context, engine containers, w io.Writer) (said string, debs []string, err error) {
	image, err := engine.Provision(ctx, environment.Request{
		Base:         environment.Base{Release: i.release, Mirror: i.mirror},
		Architecture: environment.HostArchitecture(),
	}, io.Discard)
	if err != nil {
		return "", nil, fmt.Errorf("prepare clean container: %w", err)
	}
	in, out, err := i.folders()
	if err != nil {
		return "", nil, err
	}
	var all bytes.Buffer
	status, err := engine.Run(ctx, i.spec(image, in, out, io.MultiWriter(w, &all)))
	if err != nil {
		return "", nil, fmt.Errorf("install in clean container: %w", err)
	}
	if status != 0 {
		return "", nil, fmt.Errorf("install %s in clean container: exit status %d", i.pkg, status)
	}
	_, said, _ = strings.Cut(all.String(), "\n# "+i.command+"\n")
	name, _, _ := strings.Cut(i.pkg, "=")
	debs, err = filepath.Glob(filepath.Join(out, name+"_*.deb"))
	return said, debs, err
}

func (i installation) folders() (in, out string, err error) {
	in, out = filepath.Join(i.dir, "in"), filepath.Join(i.dir, "out")
	if err := errors.Join(os.MkdirAll(in, 0o755), os.MkdirAll(out, 0o755)); err != nil {
		return "", "", fmt.Errorf("prepare clean container: %w", err)
	}
	key, err := os.ReadFile(i.key)
	if err != nil {
		return "", "", fmt.Errorf("read public key of the repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(in, "archive.asc"), key, 0o644); err != nil {
		return "", "", fmt.Errorf("prepare clean container: %w", err)
	}
	return in, out, nil
}

func (i installation) spec(image message.Image, in, out string, log io.Writer) environment.Run {
	return environment.Run{
		Name: bot.NewInstance("install"), Image: image, Script: installScript,
		Inputs: in, Outputs: out, Network: true, Writable: true,
		Env:    []string{"REPOSITORY=" + i.uri, "CODENAME=" + i.codename, "PACKAGE=" + i.pkg, "COMMAND=" + i.command},
		Limits: environment.Limits{Time: 10 * time.Minute},
		Log:    log,
	}
}
