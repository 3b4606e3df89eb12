// Package rsync is a target on another host, or in a folder, that the program rsync reaches: through ssh, as an rsync
// daemon, or directly.
//
// Rsync writes each file beside its place and renames it, so clients see it whole or as it was.
package rsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"foundry/pkg/publish/target"
)

// Target is a folder that rsync writes to.
type Target struct {
	name  string
	place string // as rsync wants it, with a slash at its end
	shell string // of ssh, or empty
}

var _ target.Target = (*Target)(nil)

// timeout is after how many seconds without any progress a transfer is given up.
const timeout = "60"

// Open opens the target of ssh://[USER@]HOST[:PORT]/PATH[?identity=FILE&known-hosts=FILE], rsync://HOST[:PORT]/MODULE/PATH
// or file:///PATH. Of ssh only keys are used and hosts that are known; nobody is asked. The password of a daemon
// comes from RSYNC_PASSWORD.
func Open(spec *url.URL) (*Target, error) {
	if _, err := exec.LookPath("rsync"); err != nil {
		return nil, &hinted{errors.New("rsync is not installed"), "apt-get install rsync"}
	}
	if _, secret := spec.User.Password(); secret {
		return nil, &hinted{errors.New("a password stands in the URL"), "use a key of ssh, or RSYNC_PASSWORD"}
	}
	folder := strings.Trim(spec.Path, "/")
	t := &Target{name: spec.Scheme + "://" + spec.Host + spec.Path}
	known := map[string]bool{}
	switch {
	case folder == "":
		return nil, &hinted{errors.New("no folder"), "name one, as in ssh://host/srv/apt, rsync://host/module or file:///srv/apt"}
	case spec.Scheme == "file":
		t.place = "/" + folder + "/"
	case spec.Host == "" || strings.HasPrefix(spec.Host, "-") || strings.HasPrefix(spec.User.Username(), "-"):
		return nil, &hinted{errors.New("no host"), "name one, as in ssh://host/srv/apt"}
	case spec.Scheme == "rsync":
		t.place = "rsync://" + spec.Host + "/" + folder + "/"
		if user := spec.User.Username(); user != "" {
			t.place = "rsync://" + user + "@" + spec.Host + "/" + folder + "/"
		}
	default:
		t.place = spec.Hostname() + ":/" + folder + "/"
		if strings.Contains(spec.Hostname(), ":") {
			t.place = "[" + spec.Hostname() + "]:/" + folder + "/"
		}
		if user := spec.User.Username(); user != "" {
			t.place = user + "@" + t.place
		}
		t.shell = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20"
		if port := spec.Port(); port != "" {
			t.shell += " -p " + port
		}
		known["identity"], known["known-hosts"] = true, true
	}
	for name, values := range spec.Query() {
		if !known[name] || strings.ContainsAny(values[0], " '\"\\") {
			return nil, fmt.Errorf("option %s=%q: unknown, or with blanks or quotes", name, values[0])
		}
		t.shell += map[string]string{"identity": " -o IdentitiesOnly=yes -i ", "known-hosts": " -o UserKnownHostsFile="}[name] + values[0]
	}
	return t, nil
}

// String is the target without its options.
func (t *Target) String() string { return t.name }

// run runs rsync with the names, paths below its source, on standard input.
func (t *Target) run(ctx context.Context, names []string, args ...string) ([]byte, error) {
	all := []string{"--timeout=" + timeout, "--no-motd", "--no-human-readable"}
	if t.shell != "" {
		all = append(all, "--rsh="+t.shell, "--protect-args")
	}
	cmd := exec.CommandContext(ctx, "rsync", append(all, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if names != nil {
		cmd.Stdin = strings.NewReader(strings.Join(names, "\x00") + "\x00")
	}
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, explain(err, problem.String())
	}
	return out, nil
}

// Put sends files. They are put together in a folder of links, since rsync knows one name of each only.
func (t *Target) Put(ctx context.Context, files []target.File) error {
	dir, err := os.MkdirTemp("", "foundry-push-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
		link := filepath.Join(dir, filepath.FromSlash(f.Name))
		if _, err := os.Stat(f.Path); err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink(f.Path, link)); err != nil {
			return err
		}
	}
	_, err = t.run(ctx, names, "--copy-links", "--times", "--ignore-times", "--whole-file", "--chmod=D0755,F0644", "--mkpath", "--files-from=-", "--from0", "--", dir+"/", t.place)
	return err
}

// Remove removes files, and leaves their folders.
func (t *Target) Remove(ctx context.Context, names []string) error {
	dir, err := os.MkdirTemp("", "foundry-push-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	_, err = t.run(ctx, names, "--delete-missing-args", "--mkpath", "--files-from=-", "--from0", "--", dir+"/", t.place)
	var ended *exitError
	if errors.As(err, &ended) && ended.code == vanished {
		return nil // there is none of them here, which is how rsync is told to remove them
	}
	return err
}

// List asks for all files below the folder. One that is not there yet has none.
func (t *Target) List(ctx context.Context) (map[string]int64, error) {
	out, err := t.run(ctx, nil, "--recursive", "--list-only", "--8-bit-output", "--", t.place)
	var ended *exitError
	if errors.As(err, &ended) && ended.absent() {
		return map[string]int64{}, nil
	}
	if err != nil {
		return nil, err
	}
	there := map[string]int64{}
	for line := range strings.Lines(string(out)) {
		// -rw-r--r--          1,234 2026/11/20 23:15:01 pool/main/h/hello/hello_1.0_amd64.deb
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "-") {
			continue
		}
		rest := strings.TrimLeft(line[10:], " ")
		words := strings.SplitN(rest, " ", 4)
		if len(words) < 4 {
			return nil, fmt.Errorf("list files: rsync says %q", line)
		}
		size, err := strconv.ParseInt(strings.ReplaceAll(words[0], ",", ""), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("list files: rsync says %q", line)
		}
		there[words[3]] = size
	}
	return there, nil
}
