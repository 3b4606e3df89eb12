package gitrepo

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

// A run is one run of the git program.
type run struct {
	dir    string // GIT_DIR; empty for none
	remote string // URL that the remote "origin" stands for; empty for a run that may not reach out
	stdin  io.Reader
	stdout io.Writer // nil: returned
	lock   *os.File  // held by the program too, so that it outlives this process
	args   []string
}

// do runs git and returns its output. It is ended, with all that it has started, when ctx ends.
func (r run) do(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", r.args...)
	cmd.Dir = "/"
	cmd.Env = r.environment(os.Environ())
	cmd.Stdin = r.stdin
	var stdout bytes.Buffer
	cmd.Stdout = r.stdout
	if r.stdout == nil {
		cmd.Stdout = &stdout
	}
	stderr := &head{limit: maxStderr}
	cmd.Stderr = stderr
	if r.lock != nil {
		cmd.ExtraFiles = []*os.File{r.lock}
	}
	// git leaves the talking to helpers, ssh among them: end the whole group. A session of their own
	// keeps them from asking at the terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return nil, &runError{explain(ctx, err, stderr.String()), stderr.String(), err}
	}
	return stdout.Bytes(), nil
}

// A runError is a failed run of git: explained, with all that it wrote.
type runError struct {
	explained error
	stderr    string
	cause     error
}

func (e *runError) Error() string   { return e.explained.Error() }
func (e *runError) Unwrap() []error { return []error{e.explained, e.cause} }

// exited tells whether err is git's exit with the given status.
func exited(err error, status int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == status
}

// environment returns what git sees: what the operator has set, without what would point it to
// another repository, and settings that keep it from running, asking or cleaning anything.
func (r run) environment(inherited []string) []string {
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
	dir := r.dir
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
		"tar.umask", "0022",
	}
	if r.remote == "" {
		// Reading depends on nothing but the repository, and reaches out to nobody.
		env = append(env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_ALLOW_PROTOCOL=")
	} else {
		env = append(env, "GIT_ALLOW_PROTOCOL="+schemes)
		config = append(config, remoteConfig(r.remote)...)
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
		"http.lowSpeedLimit", "1000",
		"http.lowSpeedTime", "60",
		"protocol.version", "2",
	}
	if header := credentials(remote); header != "" {
		config = append(config, "http."+Redact(remote)+".extraHeader", "Authorization: "+header)
	}
	return config
}

// head keeps the beginning of what is written to it.
type head struct {
	buf   bytes.Buffer
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	if room := h.limit - h.buf.Len(); room > 0 {
		h.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (h *head) String() string { return h.buf.String() }
