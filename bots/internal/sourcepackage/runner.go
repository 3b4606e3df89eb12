package sourcepackage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxFileSize is how many bytes a file may have that a program run on the package writes.
const MaxFileSize = 16 << 30

// maxMemory is how many bytes of memory each of these programs may take.
const maxMemory = 4 << 30

// endWait is how long the output of a program that has ended may stay open.
const endWait = 5 * time.Second

// A Runner runs programs on one package: with nothing of this program's environment, bounded in memory
// and size of files, and so that nothing that they start outlives them.
type Runner struct {
	home  string    // empty folder
	temp  string    // folder for temporary files
	epoch time.Time // SOURCE_DATE_EPOCH
	log   io.Writer // of what programs write
}

// NewRunner returns a runner that keeps home and temporary files in dir.
func NewRunner(dir string, epoch time.Time, log io.Writer) (*Runner, error) {
	t := &Runner{home: filepath.Join(dir, "home"), temp: filepath.Join(dir, "tmp"), epoch: epoch, log: log}
	for _, d := range []string{t.home, t.temp} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
	}
	return t, nil
}

// Temp returns the folder for temporary files. It is there as long as the runner is of use.
func (t *Runner) Temp() string { return t.temp }

// Log returns what the programs' output is written to, and what a person is told of the package besides.
func (t *Runner) Log() io.Writer { return t.log }

// A Call is one run of a program.
type Call struct {
	Dir    string
	Env    []string // beside what all get
	Stdin  io.Reader
	Stdout io.Writer // nil: the log
	Output io.Writer // gets what the log gets too; nil for none
	Args   []string  // with the program's name
}

// Run runs a program and all that it starts until it ends or ctx does. Whose fault an error is, ToolFault
// decides.
func (t *Runner) Run(ctx context.Context, c Call) error {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + t.home, "TMPDIR=" + t.temp, "LC_ALL=C.UTF-8", "TZ=UTC",
		"DPKG_COLORS=never", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", max(t.epoch.Unix(), 1)),
	}, c.Env...)
	last := &tellingLine{}
	cmd.Stdin = c.Stdin
	cmd.Stderr = io.MultiWriter(t.log, last)
	if c.Output != nil {
		cmd.Stderr = io.MultiWriter(t.log, last, c.Output)
	}
	cmd.Stdout = c.Stdout
	if c.Stdout == nil {
		cmd.Stdout = cmd.Stderr
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = endWait
	if err := cmd.Start(); err != nil {
		return &toolError{c.Args[0], "", err}
	}
	limit(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		return &toolError{c.Args[0], last.String(), err}
	}
	return nil
}

// limit bounds what a program may take, for hostile archives and deltas unpack to any size. A process
// that has ended already, or a host that allows less, needs no limit.
func limit(pid int) {
	for resource, value := range map[int]uint64{unix.RLIMIT_FSIZE: MaxFileSize, unix.RLIMIT_AS: maxMemory, unix.RLIMIT_CORE: 0} {
		_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil)
	}
}

// Output runs a program and returns what it writes, at most limit bytes.
func (t *Runner) Output(ctx context.Context, limit int, c Call) (string, error) {
	out := &bounded{limit: limit}
	c.Stdout = out
	if err := t.Run(ctx, c); err != nil {
		return "", err
	}
	if out.over {
		return "", fmt.Errorf("run %s: more than %d bytes of output", c.Args[0], limit)
	}
	return out.text.String(), nil
}

type bounded struct {
	text  strings.Builder
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.limit {
		b.over = true
		return 0, errors.New("too much output")
	}
	return b.text.Write(p)
}
