package gitrepo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
)

// sshKey makes a key of ssh in dir and returns it.
func sshKey(t *testing.T, dir, name string) ssh.Signer {
	t.Helper()
	path := filepath.Join(dir, name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s (apt install openssh-client)", err, out)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(content)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// sshServer lets the user git, with the given key, run git-upload-pack below root, and returns its address.
func sshServer(t *testing.T, root string, host ssh.Signer, user ssh.PublicKey) string {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(about ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if about.User() != "git" || !bytes.Equal(key.Marshal(), user.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, channels, requests, err := ssh.NewServerConn(conn, config)
				if err != nil {
					return
				}
				go ssh.DiscardRequests(requests)
				for fresh := range channels {
					if channel, asked, err := fresh.Accept(); err == nil {
						go sshSession(channel, asked, root)
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// sshSession runs the one program that a client asks for.
func sshSession(channel ssh.Channel, requests <-chan *ssh.Request, root string) {
	defer channel.Close()
	env := append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	for r := range requests {
		switch r.Type {
		case "env":
			var kv struct{ Name, Value string }
			if ssh.Unmarshal(r.Payload, &kv) == nil && kv.Name == "GIT_PROTOCOL" {
				env = append(env, kv.Name+"="+kv.Value)
			}
			_ = r.Reply(true, nil)
		case "exec":
			_ = r.Reply(true, nil)
			var line struct{ Command string }
			_ = ssh.Unmarshal(r.Payload, &line)
			status := uint32(1)
			if strings.HasPrefix(line.Command, "git-upload-pack ") {
				cmd := exec.Command("sh", "-c", line.Command)
				cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, env, channel, channel.Stderr()
				stdin, err := cmd.StdinPipe() // which Run would wait for, and the client may keep open
				if err == nil {
					go func() { _, _ = io.Copy(stdin, channel); stdin.Close() }()
					err = cmd.Run()
				}
				if err == nil {
					status = 0
				}
			}
			_, _ = channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, status))
			return
		default:
			_ = r.Reply(false, nil)
		}
	}
}

// TestSSH lists and fetches with the real ssh, configured as an operator does, and tells what is wrong with keys.
func TestSSH(t *testing.T) {
	root, app, _, _ := family(t)
	head := app.Commit("app")
	dir := t.TempDir()
	host, user := sshKey(t, dir, "host"), sshKey(t, dir, "id")
	sshKey(t, dir, "other")
	address := sshServer(t, root, host, user.PublicKey())
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(dir, "known_hosts")
	put(t, known, fmt.Sprintf("[127.0.0.1]:%s %s", port, ssh.MarshalAuthorizedKey(host.PublicKey())))
	config := func(key string) {
		t.Helper()
		put(t, filepath.Join(dir, "config"), fmt.Sprintf("Host forge 127.0.0.1\n\tHostName 127.0.0.1\n\tPort %s\n\tUser git\n\tIdentitiesOnly yes\n\tIdentityFile %s\n\tUserKnownHostsFile %s\n\tGlobalKnownHostsFile /dev/null\n",
			port, filepath.Join(dir, key), known))
	}
	t.Setenv("GIT_SSH_COMMAND", "ssh -F "+filepath.Join(dir, "config"))
	t.Setenv("SSH_AUTH_SOCK", "")
	config("id")
	for _, url := range []string{"forge:app/.git", "git@forge:app/.git", "ssh://git@127.0.0.1:" + port + root + "/app/.git"} {
		ctx := background(t)
		heads, err := remote.Heads(ctx, url, remote.Options{})
		if err != nil || len(heads) != 1 || heads[0].Commit != head {
			t.Fatalf("%s: %v, %v", url, heads, err)
		}
		m := mirrorOf(t, url)
		branch, commit, err := m.DefaultBranch(ctx)
		if err != nil || branch != "main" || commit != head {
			t.Errorf("%s: %s, %s, %v", url, branch, commit, err)
		}
		found, err := m.Submodules(ctx, head)
		if err != nil || len(found) != 4 {
			t.Errorf("%s: submodules %v, %v", url, found, err)
		}
	}
	expect := func(what string, want error) {
		t.Helper()
		if err := mirrorOf(t, "forge:app/.git").Fetch(background(t), head, "main"); !errors.Is(err, want) || git.Hint(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := mirrorOf(t, "forge:none").Fetch(background(t), head, "main"); !errors.Is(err, git.ErrNoRepository) {
		t.Errorf("no such repository: %v", err)
	}
	config("other")
	expect("unknown key", git.ErrAuth)
	config("id")
	put(t, known, fmt.Sprintf("[127.0.0.1]:%s %s", port, ssh.MarshalAuthorizedKey(user.PublicKey())))
	expect("other host key", git.ErrAuth)
	put(t, known, "")
	expect("unknown host", git.ErrAuth)
}
