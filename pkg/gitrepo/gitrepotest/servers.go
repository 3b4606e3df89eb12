package gitrepotest

import (
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// SmartServer serves the repositories below root with git http-backend; old ones speak version 0 only. A
// password, if given, is asked of user "ann".
func SmartServer(t testing.TB, root, password string, old bool) *httptest.Server {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, given, _ := r.BasicAuth(); password != "" && (user != "ann" || given != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if old {
			r.Header.Del("Git-Protocol")
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// CountingServer serves like a SmartServer and counts what it answers.
func CountingServer(t testing.TB, root string) (server *httptest.Server, sent *Counter) {
	t.Helper()
	behind := SmartServer(t, root, "", false)
	sent = new(Counter)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent.requests.Add(1)
		behind.Config.Handler.ServeHTTP(countingWriter{w, sent}, r)
	}))
	t.Cleanup(server.Close)
	return server, sent
}

// A Counter counts the bytes and requests of a server.
type Counter struct{ bytes, requests atomic.Int64 }

// Take returns what was counted since the last call.
func (c *Counter) Take() (bytes, requests int64) { return c.bytes.Swap(0), c.requests.Swap(0) }

type countingWriter struct {
	http.ResponseWriter
	counter *Counter
}

func (w countingWriter) Write(p []byte) (int, error) {
	w.counter.bytes.Add(int64(len(p)))
	return w.ResponseWriter.Write(p)
}

// DumbServer serves files.
func DumbServer(t testing.TB, root string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(root)))
	t.Cleanup(server.Close)
	return server
}

// Daemon serves the repositories below root with git daemon and returns the URL of root.
func Daemon(t testing.TB, root string) string {
	t.Helper()
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
				cmd := exec.Command("git", "daemon", "--inetd", "--export-all", "--base-path="+root)
				cmd.Stdout = conn
				stdin, err := cmd.StdinPipe() // which Run would wait for, and the client may keep open
				if err != nil {
					return
				}
				go func() {
					defer stdin.Close()
					_, _ = io.Copy(stdin, conn)
				}()
				_ = cmd.Run()
			}()
		}
	}()
	return "git://" + listener.Addr().String()
}
