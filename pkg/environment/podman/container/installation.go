package container

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// An Installation says how to start an instance that becomes an image.
type Installation struct {
	Image   string   // its id
	Options []string // of podman run: mounts and volumes
	Script  string   // run by /bin/sh -e as root; it announces events on descriptor 4 and reads orders from 6
	Log     io.Writer
}

// Install starts an instance with network and a root file system that may be written. It is there
// until it is removed.
func (p *Podman) Install(ctx context.Context, n Installation) (*Instance, error) {
	able, err := p.abilities(ctx, n.Image)
	if err != nil {
		return nil, err
	}
	name := unique("install")
	common, err := p.commonArguments(name, able, true)
	if err != nil {
		return nil, err
	}
	args := slices.Concat(common, []string{"--tmpfs=/run:rw,nosuid,nodev,mode=755"}, n.Options, []string{
		TrimID(n.Image), "/usr/bin/env", "-i", searchPath, "LC_ALL=C.UTF-8", "TZ=UTC", "/bin/sh", "-c", talkingWrapper, n.Script,
	})
	return p.start(name, args, n.Log)
}

// Commit makes an image of an instance whose script has ended, gives it the name, and returns its id.
func (i *Instance) Commit(ctx context.Context, name string) (string, error) {
	out, err := i.podman.Call(ctx, "commit", "--quiet", "--pause=false", "--change=CMD [\"/bin/sh\"]",
		"--change=LABEL "+label+"=", i.name, name)
	if err != nil {
		return "", err
	}
	return imageID(out)
}

// Import makes an image of the root file system that maker writes to its standard output, as a tar
// archive and while it does, and gives it the name. Unless urgent, it gives way to other work of the
// host. An error of maker's is the first.
func (p *Podman) Import(ctx context.Context, maker *exec.Cmd, arch, name string, urgent bool) (id string, makerErr, err error) {
	load := p.command(ctx, "import", "--quiet", "--arch="+imageArchitecture(arch), "--change=CMD [\"/bin/sh\"]", "-")
	refused := NewTail(8 << 10)
	var out bytes.Buffer
	load.Stdout, load.Stderr = &out, refused
	if !urgent {
		yield(maker)
		yield(load)
	}
	makerErr, err = pipe(maker, load)
	if err != nil {
		return "", makerErr, podmanError(ctx, "import", err, refused)
	}
	if id, err = imageID(out.Bytes()); err != nil {
		return "", makerErr, err
	}
	if makerErr != nil { // it is of half a system
		_, err = p.Call(context.WithoutCancel(ctx), "rmi", TrimID(id))
		return "", makerErr, err
	}
	_, err = p.Call(ctx, "tag", TrimID(id), name)
	return id, nil, err
}

// yield makes a command run when the host has nothing better to do.
func yield(cmd *exec.Cmd) {
	nice, err := exec.LookPath("nice")
	if err != nil {
		return
	}
	cmd.Args = slices.Concat([]string{"nice", "-n", "19", cmd.Path}, cmd.Args[1:])
	cmd.Path = nice
}

// pipe runs two commands, the output of the first being the input of the second.
func pipe(first, second *exec.Cmd) (firstErr, secondErr error) {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err), nil
	}
	first.Stdout, second.Stdin = w, r
	firstErr, secondErr = first.Start(), second.Start()
	r.Close()
	w.Close()
	if firstErr == nil {
		firstErr = first.Wait()
	}
	if secondErr == nil {
		secondErr = second.Wait()
	}
	return firstErr, secondErr
}
