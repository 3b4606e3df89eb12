// Package container calls podman(1), rootless or as root, with a storage and a configuration of its
// own, and runs containers that end when this process does.
//
// What the host can do is found out, not assumed: which OCI runtime starts a container, which
// storage driver works, which limits the control groups enforce. The answers are kept for as long
// as the host is up. Nothing of the host's or the user's own podman configuration is read.
//
// The script of an instance is run by a shell that is process 1 of the instance. Its output comes
// through a pipe of its own, so nothing of it is buffered, lost or put in another order. Another
// pipe is held open by this process: when it closes, because the context has ended or this process
// was killed, process 1 kills everything in the instance, and the instance removes itself.
package container

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/host"
	"foundry/pkg/environment/podman/index"
)

// Podman calls podman. It may be used concurrently, and several processes of one user may use the
// same folder.
type Podman struct {
	binary  string
	storage string // folder of everything but run-time state
	state   string // run-time state
	index   *index.Folder
	globals []string
	environ []string

	mu    sync.Mutex
	probe *abilities // nil until the first instance
}

// Open prepares the folder storage, an absolute path, for use and checks that podman is there and can
// be used by this user; what is missing is a *host.SetupError. Locks and what is known of the host are
// kept in folder.
func Open(ctx context.Context, storage string, folder *index.Folder) (*Podman, error) {
	if strings.ContainsAny(storage, ",:\n\"\\") {
		return nil, &host.SetupError{
			Problem: fmt.Sprintf("cache folder %q has a comma, colon or quote in its name, which podman cannot mount", filepath.Dir(storage)),
			Fix:     "choose another cache folder",
		}
	}
	p := &Podman{storage: storage, index: folder}
	var err error
	if p.binary, err = host.Podman(ctx); err != nil {
		return nil, err
	}
	if err := host.CheckUser(); err != nil {
		return nil, err
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// MakeTemp makes a folder for passing use, which only this user can read.
func (p *Podman) MakeTemp(pattern string) (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(p.storage, "tmp"), pattern)
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return dir, nil
}

// Home is an empty home folder.
func (p *Podman) Home() string { return filepath.Join(p.storage, "home") }

// Call calls podman and returns its standard output.
func (p *Podman) Call(ctx context.Context, args ...string) ([]byte, error) {
	cmd := p.command(ctx, args...)
	var stdout bytes.Buffer
	stderr := NewTail(8 << 10)
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	if err := cmd.Run(); err != nil {
		return nil, podmanError(ctx, args[0], err, stderr)
	}
	return stdout.Bytes(), nil
}

// command is a call of podman that sees its storage and configuration and nothing else.
func (p *Podman) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.binary, append(append([]string(nil), p.globals...), args...)...)
	cmd.Env = p.environ
	cmd.Dir = p.storage
	return cmd
}

// podmanError makes an error of how podman ended and the last line it wrote.
func podmanError(ctx context.Context, verb string, err error, stderr *Tail) error {
	if ctx.Err() != nil {
		return fmt.Errorf("podman %s: %w", verb, ctx.Err())
	}
	said := stderr.lastLine()
	if said == "" {
		return fmt.Errorf("podman %s: %w", verb, err)
	}
	text := strings.TrimPrefix(said, "Error: ")
	if strings.Contains(text, "image not known") || strings.Contains(text, "no such image") {
		return fmt.Errorf("podman %s: %s: %w", verb, text, environment.ErrNoImage)
	}
	return fmt.Errorf("podman %s: %s", verb, text)
}

// Tail keeps the last bytes written to it.
type Tail struct {
	mu    sync.Mutex
	limit int
	data  []byte
}

// NewTail keeps so many bytes.
func NewTail(limit int) *Tail { return &Tail{limit: limit} }

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - t.limit; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}

func (t *Tail) lastLine() string {
	lines := strings.Split(strings.TrimSpace(t.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
