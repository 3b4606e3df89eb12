package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/bots/internal/bottest"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
)

var publishes = flag.Int("publishes", 40, "how often to publish while clients look; 200 takes minutes")

// slowly forwards connections to the server at most so many bytes in a second, as a poor line does, and returns
// its URL.
func slowly(t *testing.T, server string, bytes int) string {
	t.Helper()
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				far, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
				if err != nil {
					return
				}
				defer far.Close()
				go func() { _, _ = io.Copy(far, near) }()
				const pieces = 20 // in a second
				for {
					if _, err := io.CopyN(near, far, int64(bytes/pieces)); err != nil {
						return
					}
					time.Sleep(time.Second / pieces)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// looker is a client that updates its lists again and again, and counts.
type looker struct {
	name    string
	client  *publishtest.Client
	updates atomic.Int64
	crossed atomic.Int64 // of these, during which something was published
}

// look updates until ctx ends; serial tells how much has been published.
func (l *looker) look(ctx context.Context, serial func() int64) error {
	for ctx.Err() == nil {
		before := serial()
		if _, err := l.client.Run("apt-get", "update"); err != nil {
			return fmt.Errorf("%s client, update %d: %w", l.name, l.updates.Load(), err)
		}
		l.updates.Add(1)
		if serial() > before {
			l.crossed.Add(1)
		}
	}
	return nil
}

// strict serves a folder and counts what is not there.
func strict(t *testing.T, dir string) (url string, missing *atomic.Int64) {
	t.Helper()
	missing = new(atomic.Int64)
	files := handler(openRoot(t, dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watcher{ResponseWriter: w}
		files.ServeHTTP(watched, r)
		if watched.status == http.StatusNotFound {
			t.Errorf("%s: not there", r.URL.Path)
			missing.Add(1)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, missing
}

// watcher remembers the status of an answer.
type watcher struct {
	http.ResponseWriter
	status int
}

func (w *watcher) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *watcher) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestClientsDuringPublishes has one client update as fast as it can and one over a poor line while packages are
// published, and bots are killed half-way and started again. Nobody sees a mismatch or misses a file.
func TestClientsDuringPublishes(t *testing.T) {
	if testing.Short() {
		t.Skip("publishes many times")
	}
	b := bottest.New(t, definition())
	f := &fixture{dist: &dist{trust: filepath.Join(b.State, "trust", "packages.asc")}, store: b.Ports.Store, signer: newKey(t), dir: t.TempDir()}
	f.trustKey(t, f.signer)
	args := []string{"--name", "test", "--codename", "bookworm", "--arch", "amd64", "--ack-wait", "1s"}
	first := spawn(t, b, args...)
	b.Await(say(b, f.signOf(t, "filler", "1.0-1", "amd64")))

	output := filepath.Join(b.State, "repo", "test")
	url, missing := strict(t, output)
	key := filepath.Join(output, "test.asc")
	fast := &looker{name: "fast", client: publishtest.NewClient(t, url, "bookworm", "amd64", key)}
	slow := &looker{name: "slow", client: publishtest.NewClient(t, slowly(t, url, 6000), "bookworm", "amd64", key)}

	var done atomic.Int64
	looking, stop := context.WithCancel(t.Context())
	group, looking := errgroup.WithContext(looking)
	for _, l := range []*looker{fast, slow} {
		group.Go(func() error { return l.look(looking, done.Load) })
	}
	bots := &mortal{t: t, b: b, args: args, cmd: first}
	for n := range *publishes {
		s := f.signOf(t, fmt.Sprintf("hello%d", n%17), fmt.Sprintf("1.0-%d", n+2), "amd64")
		id := say(b, s)
		if n%10 == 9 {
			bots.kill(time.Duration(rand.IntN(40)) * time.Millisecond)
		}
		if answer := b.Await(id); answer.Type() != message.TypeDist {
			t.Fatalf("answer: %+v", answer)
		}
		if looking.Err() != nil {
			break
		}
		done.Add(1)
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d publishes, %d kills; fast client: %d updates, %d of them crossed a publish; slow: %d, %d",
		done.Load(), bots.kills, fast.updates.Load(), fast.crossed.Load(), slow.updates.Load(), slow.crossed.Load())
	if fast.crossed.Load() == 0 || slow.crossed.Load() == 0 || missing.Load() > 0 {
		t.Errorf("nothing was published during an update, or files were missing")
	}
	fast.client.Must(t, "apt-get", "update")
	last := fmt.Sprintf("hello%d=1.0-%d", (*publishes-1)%17, *publishes+1)
	fast.client.Must(t, "apt-get", "download", last)
}

// mortal is a distbot that is killed and started again.
type mortal struct {
	t     *testing.T
	b     *bottest.Bench
	args  []string
	cmd   *exec.Cmd
	kills int
}

// kill kills the bot after a while, and starts another.
func (m *mortal) kill(after time.Duration) {
	m.t.Helper()
	time.Sleep(after) // so that it is anywhere in its work
	if err := m.cmd.Process.Kill(); err != nil {
		m.t.Fatal(err)
	}
	_ = m.cmd.Wait() // killed
	m.kills++
	m.cmd = spawn(m.t, m.b, m.args...)
}
