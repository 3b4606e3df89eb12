package rsync

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/publish/target"
	"foundry/pkg/publish/target/targettest"
)

// side is the other side: where its files are, and the URL of a folder there.
type side struct {
	root string
	url  func(folder string) string
}

func open(t testing.TB, spec string) *Target {
	t.Helper()
	u, err := url.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	to, err := Open(u)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// contract runs the contract suite against folders of the other side.
func contract(t *testing.T, s side) {
	var folder string
	targettest.Run(t, targettest.Adapter{
		Open: func(t testing.TB) target.Target {
			folder = "repo/" + strings.ReplaceAll(t.Name(), "/", "-")
			return open(t, s.url(folder))
		},
		Read: func(_ testing.TB, name string) ([]byte, bool) {
			content, err := os.ReadFile(filepath.Join(s.root, folder, filepath.FromSlash(name)))
			return content, err == nil
		},
		Refuse: func(t testing.TB) func() {
			// Also root cannot put a file where a folder with something in it is.
			path := filepath.Join(s.root, folder, "dists", "x", "InRelease")
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o755); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := errors.Join(os.RemoveAll(path), os.Rename(path+".away", path)); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
}

func TestFolder(t *testing.T) {
	root := t.TempDir()
	contract(t, side{root, func(folder string) string { return "file://" + root + "/" + folder }})
}

// program finds one that tests need.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; run: scripts/setup --test", err)
	}
	return path
}

// address is one that nobody listens on.
func address(t testing.TB) (host, port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	host, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// daemon starts a program and waits until it listens.
func daemon(t *testing.T, host, port, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, said.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", name, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestDaemon(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	host, port := address(t)
	config := filepath.Join(dir, "rsyncd.conf")
	write(t, filepath.Join(dir, "secrets"), "builder:open sesame\n", 0o600)
	// The folder of the module is made by the first push.
	write(t, config, fmt.Sprintf("use chroot = no\nlog file = %s/log\npid file = %s/pid\n[apt]\npath = %s\nread only = no\nuid = %d\ngid = %d\nauth users = builder\nsecrets file = %s/secrets\n",
		dir, dir, root, os.Getuid(), os.Getgid(), dir), 0o644)
	daemon(t, host, port, program(t, "rsync"), "--daemon", "--no-detach", "--address="+host, "--port="+port, "--config="+config)
	t.Setenv("RSYNC_PASSWORD", "open sesame")
	contract(t, side{root, func(folder string) string {
		return fmt.Sprintf("rsync://builder@%s:%s/apt/%s", host, port, folder)
	}})
	t.Run("wrong password", func(t *testing.T) {
		t.Setenv("RSYNC_PASSWORD", "wrong")
		_, err := open(t, fmt.Sprintf("rsync://builder@%s:%s/apt/x", host, port)).List(t.Context())
		hinted, ok := err.(interface{ Hint() string })
		if !ok || !strings.Contains(hinted.Hint(), "password") {
			t.Errorf("%v", err)
		}
	})
}

func TestSSH(t *testing.T) {
	if testing.Short() {
		t.Skip("each run of rsync over ssh takes a third of a second")
	}
	dir, root := t.TempDir(), t.TempDir()
	host, port := address(t)
	for _, name := range []string{"host", "user", "stranger"} {
		out, err := exec.Command(program(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	key, err := os.ReadFile(filepath.Join(dir, "user.pub"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "authorized"), string(key), 0o600)
	hostKey, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "known"), fmt.Sprintf("[%s]:%s %s", host, port, hostKey), 0o644)
	write(t, filepath.Join(dir, "config"), fmt.Sprintf("ListenAddress %s:%s\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPasswordAuthentication no\nPermitRootLogin yes\nStrictModes no\nPidFile none\nUsePAM no\n",
		host, port, dir, dir), 0o644)
	if os.Getuid() == 0 { // where sshd puts its unprivileged half
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	daemon(t, host, port, program(t, "sshd"), "-D", "-e", "-f", filepath.Join(dir, "config"))
	spec := func(folder, identity, known string) string {
		return fmt.Sprintf("ssh://%s:%s%s/%s?identity=%s/%s&known-hosts=%s/%s", host, port, root, folder, dir, identity, dir, known)
	}
	contract(t, side{root, func(folder string) string { return spec(folder, "user", "known") }})
	for _, tt := range []struct{ name, identity, known, hint string }{
		{"stranger", "stranger", "known", "let the other side know"},
		{"unknown host", "user", "absent", "ssh-keyscan"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, spec("x", tt.identity, tt.known)).List(t.Context())
			hinted, ok := err.(interface{ Hint() string })
			if !ok || !strings.Contains(hinted.Hint(), tt.hint) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for spec, want := range map[string]string{
		"ssh://host":                                "no folder",
		"ssh://-oProxyCommand=x/path":               "no host",
		"ssh://user:secret@host/path":               "a password stands in the URL",
		"ssh://host/path?colour=red":                "unknown",
		"ssh://host/path?identity=/x%20-oProxy%3Dy": "blanks",
		"rsync://host/module?identity=/x":           "unknown",
		"file:///":                                  "no folder",
	} {
		u, err := url.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(u); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
}
