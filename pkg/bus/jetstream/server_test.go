package jetstream

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// plainServer is a NATS server without JetStream.
func plainServer(t *testing.T) (url string) {
	t.Helper()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	if !ns.ReadyForConnections(testPatience) {
		t.Fatal("server does not start")
	}
	return ns.ClientURL()
}

func TestStartServerErrors(t *testing.T) {
	t.Parallel()
	running := newTestServer(t)
	users := []User{{NKey: running.public, Role: Role{All: true}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		options ServerOptions
		want    string
	}{
		"port taken":      {ServerOptions{Dir: t.TempDir(), Port: taken, Users: users}, "port " + strconv.Itoa(taken) + " is taken"},
		"no such port":    {ServerOptions{Dir: t.TempDir(), Port: 70000, Users: users}, "invalid port"},
		"foreign address": {ServerOptions{Dir: t.TempDir(), Host: "192.0.2.1", Users: users}, "192.0.2.1"},
		"store in use":    {ServerOptions{Dir: running.dir, Users: users}, "another is running there"},
		"no store":        {ServerOptions{Users: users}, "no folder"},
		"store is a file": {ServerOptions{Dir: file, Users: users}, "not a directory"},
		"no users":        {ServerOptions{Dir: t.TempDir()}, "nobody may connect"},
		"malformed user":  {ServerOptions{Dir: t.TempDir(), Users: []User{{NKey: "UABC"}}}, "not the public nkey"},
	} {
		s, err := StartServer(test.options)
		if err == nil {
			s.Shutdown()
			t.Errorf("%s: started", name)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// what failed has left nothing locked
	if err := running.connect(t).Publish(t.Context(), build(1)); err != nil {
		t.Error(err)
	}
}

func TestServerDurable(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	if !s.server.ns.JetStreamConfig().SyncAlways {
		t.Error("what is kept is not synced")
	}
	if status := s.server.ns.Healthz(nil); status.Status != "ok" {
		t.Errorf("%s: %s", status.Status, status.Error)
	}
	info, err := os.Stat(s.dir)
	if err != nil || info.Mode().Perm()&0o022 != 0 {
		t.Errorf("mode of the store: %v, %v", info.Mode(), err)
	}
}

func TestLoadOrCreateNKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "deep", "nkey")
	found := make(chan string, 8)
	var wait sync.WaitGroup
	for range cap(found) {
		wait.Go(func() {
			public, err := LoadOrCreateNKey(path)
			if err != nil {
				t.Error(err)
			}
			found <- public
		})
	}
	wait.Wait()
	close(found)
	first := <-found
	for other := range found {
		if other != first {
			t.Errorf("two programs have %s and %s", first, other)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for name, content := range map[string]string{"empty": "", "garbage": "SUxyz\n", "half": "SUAGC", "account": "SAAB"} {
		bad := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateNKey(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	var help *Error
	if _, err := LoadOrCreateNKey(path); !errors.As(err, &help) || !strings.Contains(help.Hint(), "chmod 600 "+path) {
		t.Errorf("file that others can read: %v", err)
	}
}
