package podman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"foundry/pkg/environment"
)

// An Engine drives podman with a storage of its own. It may be used concurrently, and several
// processes of one user may use the same folder.
type Engine struct {
	binary  string // podman
	storage string // <cache>/containers
	state   string // podman's run-time state
	indexes string // <cache>/environments
	globals []string
	environ []string
	client  *http.Client

	mu    sync.Mutex
	probe *abilities // nil until the first instance
}

var (
	_ environment.Provisioner = (*Engine)(nil)
	_ environment.Runtime     = (*Engine)(nil)
)

// A SetupError says what is wrong with this host, and with Hint what mends it.
type SetupError struct {
	Problem string
	Fix     string
}

func (e *SetupError) Error() string { return e.Problem }

// Hint is what to do about it, one line.
func (e *SetupError) Hint() string { return e.Fix }

// Open prepares the folder cache for use and checks that podman is there and can be used by this
// user; what is missing is a *SetupError.
func Open(ctx context.Context, cache string) (*Engine, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, fmt.Errorf("open cache folder: %w", err)
	}
	if strings.ContainsAny(cache, ",:\n\"\\") {
		return nil, &SetupError{
			Problem: fmt.Sprintf("cache folder %q has a comma, colon or quote in its name, which podman cannot mount", cache),
			Fix:     "choose another cache folder",
		}
	}
	e := &Engine{
		storage: filepath.Join(cache, "containers"),
		indexes: filepath.Join(cache, "environments"),
		client:  newClient(),
	}
	if e.binary, err = findPodman(ctx); err != nil {
		return nil, err
	}
	if err := checkUser(); err != nil {
		return nil, err
	}
	if err := e.prepare(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// podman calls podman and returns its standard output.
func (e *Engine) podman(ctx context.Context, args ...string) ([]byte, error) {
	cmd := e.command(ctx, args...)
	var stdout bytes.Buffer
	stderr := &tail{limit: 8 << 10}
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	if err := cmd.Run(); err != nil {
		return nil, podmanError(ctx, args[0], err, stderr)
	}
	return stdout.Bytes(), nil
}

// command is a call of podman that sees this engine's storage and configuration and nothing else.
func (e *Engine) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, e.binary, append(append([]string(nil), e.globals...), args...)...)
	cmd.Env = e.environ
	cmd.Dir = e.storage
	return cmd
}

// podmanError makes an error of how podman ended and the last line it wrote.
func podmanError(ctx context.Context, verb string, err error, stderr *tail) error {
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

// tail keeps the last bytes written to it.
type tail struct {
	mu    sync.Mutex
	limit int
	data  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - t.limit; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}

func (t *tail) lastLine() string {
	lines := strings.Split(strings.TrimSpace(t.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// bootID tells one start of the host's system from the next.
func bootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// startTime is when the process started, in clock ticks since boot (proc(5), stat field 22); with
// it a process id is unique. It is os.ErrNotExist for a process that is gone.
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return 0, os.ErrNotExist
		}
		return 0, fmt.Errorf("read process state: %w", err)
	}
	// The name, in parentheses, may hold anything.
	rest := string(data[bytes.LastIndexByte(data, ')')+1:])
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return 0, fmt.Errorf("read state of process %d: %q is too short", pid, rest)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, os.ErrNotExist
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
