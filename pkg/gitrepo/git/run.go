package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxStderr is how much of a program's complaints is kept.
const maxStderr = 16 << 10

// A Run is one run of the git program.
type Run struct {
	Dir    string // GIT_DIR; empty for none
	Remote string // URL that the remote "origin" stands for; empty for a run that may not reach out
	Stdin  io.Reader
	Stdout io.Writer // nil: returned
	Lock   *os.File  // held by the program too, so that it outlives this process
	Args   []string
}

// Do runs git and returns its output. It is ended, with all that it has started, when ctx ends.
func (r Run) Do(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", r.Args...)
	cmd.Dir = "/"
	cmd.Env = r.environment(os.Environ())
	cmd.Stdin = r.Stdin
	var stdout bytes.Buffer
	cmd.Stdout = r.Stdout
	if r.Stdout == nil {
		cmd.Stdout = &stdout
	}
	stderr := &Limited{Limit: maxStderr}
	cmd.Stderr = stderr
	if r.Lock != nil {
		cmd.ExtraFiles = []*os.File{r.Lock}
	}
	// git leaves the talking to helpers, ssh among them: end the whole group. A session of their own
	// keeps them from asking at the terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return nil, &Error{Explain(ctx, err, stderr.String()), stderr.String(), err}
	}
	return stdout.Bytes(), nil
}

// An Error is a failed run of git: explained, with all that it wrote.
type Error struct {
	explained error
	Stderr    string
	cause     error
}

// Error is what it means for whoever uses the repository.
func (e *Error) Error() string { return e.explained.Error() }

// Unwrap returns a sentinel of this package, where one is known, and how the program ended.
func (e *Error) Unwrap() []error { return []error{e.explained, e.cause} }

// Exited tells whether err is git's exit with the given status.
func Exited(err error, status int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == status
}

// environment returns what git sees: what the operator has set, without what would point it to
// another repository, and settings that keep it from running, asking or cleaning anything.
func (r Run) environment(inherited []string) []string {
	env := make([]string, 0, len(inherited)+32)
	for _, kv := range inherited {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "GIT_SSH"), strings.HasPrefix(name, "GIT_SSL_"), strings.HasPrefix(name, "GIT_PROXY_"),
			name == "GIT_CONFIG_GLOBAL", name == "GIT_CONFIG_SYSTEM", name == "GIT_CONFIG_NOSYSTEM":
		case strings.HasPrefix(name, "GIT_"), name == "LANGUAGE", strings.HasPrefix(name, "LC_"), name == "SSH_ASKPASS":
			continue
		}
		env = append(env, kv)
	}
	dir := r.Dir
	if dir == "" {
		dir = os.DevNull // no repository, not even one that happens to be around
	}
	env = append(env, "LC_ALL=C", "GIT_DIR="+dir, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0", "GIT_ATTR_NOSYSTEM=1")
	config := []string{
		"core.hooksPath", os.DevNull,
		"core.attributesFile", os.DevNull,
		"core.logAllRefUpdates", "false",
		"core.fsmonitor", "false",
		"gc.auto", "0",
		"maintenance.auto", "false",
	}
	if r.Remote == "" {
		// Reading depends on nothing but the repository, and reaches out to nobody.
		env = append(env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_ALLOW_PROTOCOL=")
	} else {
		env = append(env, "GIT_ALLOW_PROTOCOL="+schemes)
		config = append(config, remoteConfig(r.Remote)...)
	}
	env = append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(config)/2))
	for i := 0; i < len(config); i += 2 {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i/2, config[i]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i/2, config[i+1]))
	}
	return env
}

// remoteConfig is the configuration by which git finds the remote. The credentials of an http URL
// travel as a header for that host, so that no argument of git or of its helpers shows them.
func remoteConfig(remote string) []string {
	config := []string{
		"remote.origin.url", Redact(remote),
		// A server that puts a large pack together sends next to nothing for minutes.
		"http.lowSpeedLimit", "1",
		"http.lowSpeedTime", "600",
		"protocol.version", "2",
	}
	if header := Credentials(remote); header != "" {
		config = append(config, "http."+Redact(remote)+".extraHeader", "Authorization: "+header)
	}
	return config
}

// Limited keeps the first Limit bytes of what is written to it.
type Limited struct {
	Limit int
	buf   bytes.Buffer
}

// Write keeps what there is room for, and never fails.
func (h *Limited) Write(p []byte) (int, error) {
	if room := h.Limit - h.buf.Len(); room > 0 {
		h.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// Bytes is what was kept.
func (h *Limited) Bytes() []byte { return h.buf.Bytes() }

// String is what was kept.
func (h *Limited) String() string { return h.buf.String() }
