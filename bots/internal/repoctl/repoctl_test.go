package repoctl_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"foundry/bots/internal/repoctl"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// archive is a publish.Archive that answers what the test wants.
type archive struct {
	publish.Archive
	err     error
	panics  bool
	asked   any
	release chan struct{} // Change waits for it, if it is set
	begun   chan struct{}
	ended   chan error // why the context of Change has ended
}

func (a *archive) Include(_ context.Context, u publish.Upload) (publish.Publication, error) {
	a.asked = u
	return publish.Publication{Packages: []message.Published{{Package: u.Source, Size: 1 << 40}}, Key: "K"}, a.err
}

func (a *archive) Sources(codename string) (map[string]string, error) {
	a.asked = codename
	return map[string]string{"hello": "1:1.0-1"}, a.err
}

func (a *archive) Refresh(_ context.Context, within time.Duration) error {
	a.asked = within
	return a.err
}

func (a *archive) Snapshots(_ context.Context, codename string) ([]publish.Snapshot, error) {
	if a.panics {
		panic("record cannot be read")
	}
	if codename == "empty" {
		return nil, a.err
	}
	return []publish.Snapshot{{Codename: codename, Serial: 1 << 60, Time: time.Unix(1, 2).UTC(), Current: true}}, a.err
}

func (a *archive) Packages(_ context.Context, codename string, serial uint64) ([]publish.Listed, error) {
	return []publish.Listed{{Published: message.Published{Package: "hello"}, Source: codename, SourceVersion: fmt.Sprint(serial)}}, a.err
}

func (a *archive) Change(ctx context.Context, c publish.Change) ([]publish.Changed, error) {
	a.asked = c
	if a.release != nil {
		close(a.begun)
		select {
		case <-ctx.Done():
			a.ended <- ctx.Err()
			return nil, ctx.Err()
		case <-a.release:
		}
	}
	return []publish.Changed{{Codename: c.Codename, Serial: 7}}, a.err
}

func (a *archive) Resign(_ context.Context, codename string) error {
	a.asked = codename
	return a.err
}

var about = repoctl.About{Name: "test", Codenames: []string{"bookworm"}, Suites: map[string]string{"bookworm": "stable"}, PID: 7}

// serve serves a until the returned function is called or the test ends.
func serve(t *testing.T, a *archive, path string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := repoctl.Listen(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- repoctl.Serve(ctx, listener, a, about) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, path string) *repoctl.Client {
	t.Helper()
	c, err := repoctl.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestMethods asks for each method: what is asked and answered arrives whole.
func TestMethods(t *testing.T) {
	a, path := new(archive), repoctl.Path(t.TempDir(), "test")
	serve(t, a, path)
	c := dial(t, path)
	ctx := t.Context()
	if diff := cmp.Diff(about, c.About); diff != "" {
		t.Errorf("about (-want +got):\n%s", diff)
	}
	upload := publish.Upload{
		Package:      message.Package{Source: "hello", Version: "1:1.0-1", Codename: "bookworm"},
		Architecture: "amd64", Changes: "/c", Files: []string{"/a.deb", "/ü b.deb"}, Dsc: "/d", SourceFiles: []string{"/s"}, Buildinfo: []string{"/i"}, Owned: true,
	}
	change := publish.Change{
		Kind: publish.Promote, Codename: "bookworm", Serial: 1<<64 - 1, From: "sid", AllowDowngrade: true, DryRun: true, Reason: "why <not>",
		Select: []publish.Select{{Name: "hello", Version: "1.0-1", Architecture: "amd64", Binary: true}},
	}
	for _, m := range []struct {
		name        string
		call        func() (any, error)
		asked, want any
	}{
		{"include", func() (any, error) { return c.Include(ctx, upload) }, upload, publish.Publication{Packages: []message.Published{{Package: "hello", Size: 1 << 40}}, Key: "K"}},
		{"sources", func() (any, error) { return c.Sources("bookworm") }, "bookworm", map[string]string{"hello": "1:1.0-1"}},
		{"refresh", func() (any, error) { return nil, c.Refresh(ctx, time.Nanosecond) }, time.Nanosecond, nil},
		{"snapshots", func() (any, error) { return c.Snapshots(ctx, "x") }, nil, []publish.Snapshot{{Codename: "x", Serial: 1 << 60, Time: time.Unix(1, 2).UTC(), Current: true}}},
		{"no snapshots", func() (any, error) { return c.Snapshots(ctx, "empty") }, nil, []publish.Snapshot(nil)},
		{"packages", func() (any, error) { return c.Packages(ctx, "x", 1<<64-1) }, nil, []publish.Listed{{Published: message.Published{Package: "hello"}, Source: "x", SourceVersion: "18446744073709551615"}}},
		{"change", func() (any, error) { return c.Change(ctx, change) }, change, []publish.Changed{{Codename: "bookworm", Serial: 7}}},
		{"resign", func() (any, error) { return nil, c.Resign(ctx, "") }, "", nil},
	} {
		a.asked = nil
		got, err := m.call()
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if diff := cmp.Diff(m.want, got); diff != "" {
			t.Errorf("%s answers (-want +got):\n%s", m.name, diff)
		}
		if diff := cmp.Diff(m.asked, a.asked); diff != "" {
			t.Errorf("%s asks (-want +got):\n%s", m.name, diff)
		}
	}
}

// TestErrors lets errors keep what they say and what they are.
func TestErrors(t *testing.T) {
	a, path := new(archive), repoctl.Path(t.TempDir(), "test")
	serve(t, a, path)
	c := dial(t, path)
	refused := &publish.RefusedError{File: "hello_1.deb", Reason: "no", Hint: "do"}
	for _, want := range []struct {
		err  error
		is   error
		hint string
	}{
		{fmt.Errorf("codename x: %w", publish.ErrUnknownCodename), publish.ErrUnknownCodename, ""},
		{fmt.Errorf("serial 4: %w", publish.ErrUnknownSnapshot), publish.ErrUnknownSnapshot, ""},
		{bot.Hint(fmt.Errorf("package x: %w", publish.ErrUnknownPackage), "see list"), publish.ErrUnknownPackage, "see list"},
		{bot.Hint(errors.New("disk is full"), "buy one"), nil, "buy one"},
		{fmt.Errorf("change: %w", refused), nil, "do"},
	} {
		a.err = want.err
		_, err := c.Change(t.Context(), publish.Change{})
		if err == nil || err.Error() != want.err.Error() || bot.HintOf(err) != want.hint || want.is != nil && !errors.Is(err, want.is) {
			t.Errorf("%v (%q), want %v (%q)", err, bot.HintOf(err), want.err, want.hint)
		}
		var got *publish.RefusedError
		if is := errors.As(err, &got); is != errors.As(want.err, new(*publish.RefusedError)) || is && *got != *refused {
			t.Errorf("%v: refusal %+v", err, got)
		}
	}
	a.err, a.panics = nil, true
	if _, err := c.Snapshots(t.Context(), "x"); err == nil || err.Error() != "panic: record cannot be read" {
		t.Errorf("%v, want the panic", err)
	}
	if _, err := c.Include(t.Context(), publish.Upload{Dsc: "x.dsc"}); err == nil || !strings.Contains(err.Error(), `file "x.dsc": not the whole path`) {
		t.Errorf("%v, want a refusal of the path", err)
	}
}

// TestWrongRequests are answered in the form of answers.
func TestWrongRequests(t *testing.T) {
	path := repoctl.Path(t.TempDir(), "test")
	serve(t, new(archive), path)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	for _, c := range []struct {
		method, url, body string
		status            int
		words             string
	}{
		{"POST", "/v1/snapshots", `{"codename":"x"}`, 200, `"result":[{"codename":"x"`},
		{"POST", "/v1/snapshots", ``, 400, "read request: EOF"},
		{"POST", "/v1/snapshots", `{"codenames":"x"}`, 400, "unknown field"},
		{"POST", "/v1/snapshots", `{"codename":"x"} {}`, 400, "more than one value"},
		{"POST", "/v1/snapshots", `{"codename":"` + strings.Repeat("x", 17<<20) + `"}`, 400, "too large"},
		{"POST", "/v1/packages", `{"codename":"x","serial":-1}`, 400, "cannot unmarshal"},
		{"POST", "/v1/packages", strings.Repeat("[", 20000), 400, "read request"},
		{"GET", "/v1/snapshots", "", 405, ""},
		{"POST", "/v1/close", "{}", 404, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://distbot"+c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != c.status || !strings.Contains(string(text), c.words) {
			t.Errorf("%s %s %.40s: %v, %s, %.300s", c.method, c.url, c.body, err, response.Status, text)
		}
		_ = response.Body.Close()
	}
}

// TestSocket looks at the file: for this user only, in place of one that a killed process has left, gone afterwards,
// and also where its name is longer than a socket's may be.
func TestSocket(t *testing.T) {
	for name, state := range map[string]string{"short": t.TempDir(), "long": filepath.Join(t.TempDir(), strings.Repeat("x", 100), strings.Repeat("y", 100))} {
		t.Run(name, func(t *testing.T) {
			path := repoctl.Path(state, "test")
			if _, err := repoctl.Dial(t.Context(), path); !errors.Is(err, repoctl.ErrNotRunning) {
				t.Errorf("%v, want %v", err, repoctl.ErrNotRunning)
			}
			left, err := repoctl.Listen(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			kept := filepath.Join(filepath.Dir(path), "kept")
			if err := errors.Join(os.Rename(path, kept), left.Close(), os.Rename(kept, path)); err != nil {
				t.Fatal(err)
			}
			if _, err := repoctl.Dial(t.Context(), path); !errors.Is(err, repoctl.ErrNotRunning) {
				t.Errorf("%v, want %v", err, repoctl.ErrNotRunning)
			}
			stop := serve(t, new(archive), path)
			info, err := os.Stat(path)
			if err != nil || info.Mode() != os.ModeSocket|0o600 {
				t.Fatalf("%v, mode %v", err, info.Mode())
			}
			if c := dial(t, path); c.About.Name != "test" {
				t.Errorf("about %+v", c.About)
			}
			stop()
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) > 0 {
				t.Errorf("%v, left: %v", err, entries)
			}
		})
	}
}

// TestWaiting tells a client that its request is worked on, and lets it finish when the server is to end. One whose
// client goes away ends.
func TestWaiting(t *testing.T) {
	a := &archive{release: make(chan struct{}), begun: make(chan struct{}), ended: make(chan error, 1)}
	path := repoctl.Path(t.TempDir(), "test")
	stop := serve(t, a, path)
	c := dial(t, path)
	waited := make(chan time.Duration, 100)
	c.Waiting = func(since time.Duration) { waited <- since }
	done := make(chan error, 1)
	go func() {
		_, err := c.Change(t.Context(), publish.Change{})
		done <- err
	}()
	if since := <-waited; since < time.Second {
		t.Errorf("waits since %s", since)
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(a.release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-stopped

	a = &archive{release: make(chan struct{}), begun: make(chan struct{}), ended: make(chan error, 1)}
	serve(t, a, path)
	ctx, cancel := context.WithCancel(t.Context())
	c = dial(t, path)
	go func() {
		_, err := c.Change(ctx, publish.Change{})
		done <- err
	}()
	<-a.begun
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-a.ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestOtherServers: what answers in another way, or not at all, is trouble with a hint.
func TestOtherServers(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "no http": "220 mail\r\n", "no json": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"half": "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"waiting\":1}\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "socket")
			listener, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = http.ReadRequest(bufio.NewReader(conn))
					_, _ = io.WriteString(conn, answer)
					_ = conn.Close()
				}
			}()
			if _, err := repoctl.Dial(t.Context(), path); err == nil || errors.Is(err, repoctl.ErrNotRunning) || bot.HintOf(err) == "" {
				t.Errorf("%v (%q)", err, bot.HintOf(err))
			}
		})
	}
}

// TestOtherUser may not open the socket of another.
func TestOtherUser(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Log("only root can try as another user")
		return
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "socket")
	listener, err := repoctl.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		// The thread is thrown away with its user.
		runtime.LockOSThread()
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			done <- errno
			return
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
			_ = unix.Close(fd)
		}
		done <- err
	}()
	if err := <-done; !errors.Is(err, unix.EACCES) {
		t.Errorf("%v, want %v", err, unix.EACCES)
	}
}
