package repository

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"foundry/scripts/internal/rig"
)

// peer is a program that publishes what it is told to on its command line.
type peer struct {
	*stock
	dir string
}

// newPeer makes a folder with a key of gpg's.
func newPeer(ctx context.Context, s *stock, dir string) (*peer, error) {
	p := &peer{stock: s, dir: dir}
	if err := os.MkdirAll(p.home(), 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	return p, p.run(ctx, "gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never")
}

// The key of a peer.
const (
	keyID = "bench@foundry.invalid"
	user  = "Bench <" + keyID + ">"
)

func (p *peer) home() string { return filepath.Join(p.dir, "gnupg") }

func (p *peer) run(ctx context.Context, program string, args ...string) error {
	return p.rig.Run(ctx, rig.Command{Name: program, Args: args, Dir: p.dir, Env: []string{"GNUPGHOME=" + p.home(), "LC_ALL=C.UTF-8"}})
}

// write writes a file of settings.
func (p *peer) write(name, text string) error {
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// close ends the agent that gpg has started.
func (p *peer) close() {
	_ = p.run(context.Background(), "gpgconf", "--kill", "all") // one that stays ends itself with its folder
}

// gather links the first count packages into one folder, as somebody who fills a repository has them.
func (p *peer) gather(count int) (dir string, paths []string, err error) {
	dir = filepath.Join(p.dir, "incoming")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	for n := range count {
		path := filepath.Join(dir, filepath.Base(p.path(n)))
		if err := copyFile(p.path(n), path); err != nil {
			return "", nil, err
		}
		paths = append(paths, path)
	}
	return dir, paths, nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// times runs f a number of times, each when the machine has been left alone.
func times(runs int, f func(n int) error) (took []time.Duration, err error) {
	for i := range runs {
		time.Sleep(settle)
		begun := time.Now()
		if err := f(i); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}

// measureReprepro measures reprepro.
func measureReprepro(ctx context.Context, o Options, s *stock) (side Side, err error) {
	p, err := newPeer(ctx, s, filepath.Join(o.Rig.Dir, "reprepro"))
	if err != nil {
		return side, err
	}
	defer p.close()
	err = p.write("repo/conf/distributions", fmt.Sprintf("Codename: %s\nArchitectures: %s\nComponents: main\nContents: percomponent nocompatsymlink\nSignWith: bench@foundry.invalid\n", codename, rig.Architecture()))
	if err != nil {
		return side, err
	}
	_, paths, err := p.gather(o.Small)
	if err != nil {
		return side, err
	}
	include := func(paths ...string) error {
		return p.run(ctx, "reprepro", append([]string{"--silent", "--basedir", "repo", "includedeb", codename}, paths...)...)
	}
	begun := time.Now()
	if err := include(paths...); err != nil {
		return side, err
	}
	side.Bulk = time.Since(begun)
	if side.One, err = times(o.Runs, func(i int) error { return include(s.path(o.Small + i)) }); err != nil {
		return side, err
	}
	if o.Large == 0 {
		return side, nil
	}
	o.Say("reprepro: one more into %d, %d times", o.Large, o.Runs)
	for first := o.Small + o.Runs; first < o.Large; first += batch {
		var more []string
		for n := first; n < min(first+batch, o.Large); n++ {
			more = append(more, s.path(n))
		}
		if err := p.run(ctx, "reprepro", append([]string{"--silent", "--basedir", "repo", "--export=never", "includedeb", codename}, more...)...); err != nil {
			return side, err
		}
	}
	side.OneLarge, err = times(o.Runs, func(i int) error { return include(s.path(o.Large + i)) })
	return side, err
}
