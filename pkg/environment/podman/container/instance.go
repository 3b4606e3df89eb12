package container

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Inside an instance the file descriptors 3 to 6 are pipes to this process: the log, events that
// the script announces, the lifeline, orders to the script.
const pipes = 4

// wrapper is process 1 of an instance; the script is its $0. It says how the script ended by an
// event that nothing the script starts can forge, and ends everything when the lifeline closes.
// What the script has left running ends with process 1. The script is run from a subshell, which
// takes the redirections: what the shell itself says of a process that was killed is not for the log.
const wrapper = `exec >&3 2>/dev/null 3>&-
(read -r end <&5; kill -KILL -1) </dev/null >/dev/null 2>&1 4>&- 6<&- &
exec 5<&-
`

// plainWrapper runs a script that is given nothing but the log.
const plainWrapper = wrapper + `(exec /bin/sh -e -c "$0" 2>&1 </dev/null 4>&- 6<&-)
echo "exit $?" >&4
`

// talkingWrapper runs a script that announces events on 4 and reads orders from 6.
const talkingWrapper = wrapper + `(exec /bin/sh -e -c "$0" 2>&1 </dev/null)
echo "exit $?" >&4
`

// GraceTime is how long an instance may take to end by itself once it has been told to.
const GraceTime = 15 * time.Second

// An instance is a container that runs.
type Instance struct {
	podman *Podman
	name   string
	cmd    *exec.Cmd
	stderr *Tail
	events *bufio.Reader
	orders *os.File
	life   *os.File
	output chan error // the log has been copied
	files  []*os.File
}

// start runs podman with the given arguments of its run command, image and script at the end.
func (p *Podman) start(name string, args []string, log io.Writer) (*Instance, error) {
	i := &Instance{podman: p, name: name, stderr: NewTail(8 << 10), output: make(chan error, 1)}
	theirs := make([]*os.File, pipes)
	ours := make([]*os.File, pipes)
	defer func() {
		for _, f := range theirs {
			if f != nil {
				f.Close()
			}
		}
	}()
	for n := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			i.files = ours
			i.Close()
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		if n < 2 { // log and events come from the instance
			ours[n], theirs[n] = r, w
		} else {
			ours[n], theirs[n] = w, r
		}
	}
	i.files = ours
	i.events, i.life, i.orders = bufio.NewReaderSize(&pipeReader{file: ours[1]}, 4096), ours[2], ours[3]
	// The context does not end podman itself: that would leave the container.
	i.cmd = p.command(context.Background(), append([]string{"run", fmt.Sprintf("--preserve-fds=%d", pipes)}, args...)...)
	i.cmd.Stderr = i.stderr
	i.cmd.ExtraFiles = theirs
	// An interrupt from the terminal is for this process, which decides what becomes of the job.
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := i.cmd.Start(); err != nil {
		i.Close()
		return nil, fmt.Errorf("start podman: %w", err)
	}
	go func() {
		_, err := io.Copy(log, &pipeReader{file: ours[0]})
		if err != nil {
			i.life.Close() // nobody takes the log: end the instance, then empty the pipe
			_, _ = io.Copy(io.Discard, ours[0])
		}
		i.output <- err
	}()
	return i, nil
}

// Close closes this process's ends of all pipes, which ends the instance if it still runs.
func (i *Instance) Close() {
	for _, f := range i.files {
		if f != nil {
			f.Close()
		}
	}
}

// Wait returns once podman has ended, everything in the instance is dead and the log is written.
// When ctx ends first, the instance is killed.
func (i *Instance) Wait(ctx context.Context) (podmanErr, logErr error) {
	done := make(chan error, 1)
	go func() { done <- i.cmd.Wait() }()
	select {
	case podmanErr = <-done:
	case <-ctx.Done():
		podmanErr = i.kill(done)
	}
	// Whoever still holds a pipe is not of the instance.
	for _, f := range i.files[:2] {
		_ = f.SetReadDeadline(time.Now().Add(2 * time.Second))
	}
	logErr = <-i.output
	return podmanErr, logErr
}

// End tells the instance to end at once. Wait says when it has.
func (i *Instance) End() { i.life.Close() }

// Order sends the script a line.
func (i *Instance) Order(line string) error {
	if _, err := i.orders.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("direct instance: %w", err)
	}
	return nil
}

// Name is that of the container.
func (i *Instance) Name() string { return i.name }

// Fault makes an error of how podman has ended.
func (i *Instance) Fault(ctx context.Context, err error) error {
	if err == nil {
		err = errors.New("it ended without a status")
	}
	return podmanError(ctx, "run", err, i.stderr)
}

// kill ends the instance: by its lifeline, or by force when that takes too long.
func (i *Instance) kill(done <-chan error) error {
	i.life.Close()
	select {
	case err := <-done:
		return err
	case <-time.After(GraceTime):
	}
	ctx, cancel := context.WithTimeout(context.Background(), GraceTime)
	defer cancel()
	_ = i.podman.Remove(ctx, i.name)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	_ = i.cmd.Process.Kill()
	return <-done
}

// A pipeReader reads a pipe to its end or, once a deadline is set and over, until it is empty.
type pipeReader struct {
	file *os.File
	over bool
}

func (r *pipeReader) Read(p []byte) (int, error) {
	for {
		n, err := r.file.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			if r.over {
				r.again()
			}
			return n, err
		}
		if r.over {
			return 0, io.EOF
		}
		r.over = true
		r.again()
	}
}

func (r *pipeReader) again() { _ = r.file.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) }

// Event returns the next line that the instance announces. At its end it is io.EOF.
func (i *Instance) Event() (string, error) {
	line, err := i.events.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(line)), nil
}

// Remove removes a container and its volumes, whatever its state.
func (p *Podman) Remove(ctx context.Context, name string) error {
	_, err := p.Call(ctx, "rm", "--force", "--ignore", "--time=0", "--volumes", name)
	return err
}

// Mount is a bind mount as podman's --mount option has it.
func Mount(source, target string, writable bool) (string, error) {
	fields := []string{"type=bind", "source=" + source, "destination=" + target}
	if !writable {
		fields = append(fields, "readonly=true")
	}
	if strings.ContainsAny(source, ",\"\n") {
		return "", fmt.Errorf("mount %q: a name with a comma or quote cannot be mounted", source)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write(fields); err != nil {
		return "", fmt.Errorf("mount %s: %w", source, err)
	}
	w.Flush()
	return "--mount=" + strings.TrimSpace(b.String()), nil
}

// unique makes a name that no other container has.
func unique(name string) string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return "foundry-" + name + "-" + hex.EncodeToString(b[:])
}
