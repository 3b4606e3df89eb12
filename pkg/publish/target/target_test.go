package target_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/pkg/publish"
	"foundry/pkg/publish/target"
)

// keeper stands for a repository that publishes a package more with each call.
type keeper struct {
	publish.Archive
	mu        sync.Mutex
	shop      *shop
	published func() // called after each publish
}

func (k *keeper) Include(context.Context, publish.Upload) (publish.Publication, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shop.publish()
	k.published()
	return publish.Publication{}, nil
}

func (k *keeper) Refresh(context.Context, time.Duration) error { return nil }

func (k *keeper) Resign(context.Context, string) error { return errors.New("no key") }

type world struct {
	*target.Archive
	shop   *shop
	folder *folder
	state  string
	keeper *keeper
}

func newWorld(t testing.TB) *world {
	w := &world{shop: newShop(t), folder: &folder{root: t.TempDir()}, state: t.TempDir()}
	w.restart()
	return w
}

// restart is another process.
func (w *world) restart() {
	w.keeper = &keeper{shop: w.shop, published: func() {}}
	w.Archive = target.Wrap(w.keeper, w.shop.root, w.state, []target.Target{w.folder}, zerolog.Nop())
}

func (w *world) include(t testing.TB) {
	t.Helper()
	if _, err := w.Include(t.Context(), publish.Upload{}); err != nil {
		t.Fatal(err)
	}
}

func place(name string) int {
	switch {
	case strings.HasPrefix(name, "-"):
		return 5
	case !strings.HasPrefix(name, "dists/"):
		return 0
	case strings.Contains(name, "/by-hash/"):
		return 1
	case strings.HasSuffix(name, "/InRelease"):
		return 4
	case strings.HasSuffix(name, "/Release"), strings.HasSuffix(name, "/Release.gpg"):
		return 3
	}
	return 2
}

func TestPush(t *testing.T) {
	w := newWorld(t)
	w.include(t)
	first := w.folder.done()
	for _, want := range []string{"index.html", "debsig/ABCD/shop.pol", "pool/main/p/p/p_1_all.deb", "dists/alpha/main/source/Sources", "dists/stable/InRelease"} {
		if !slices.Contains(first, want) {
			t.Errorf("%s was not sent: %q", want, first)
		}
	}
	w.include(t)
	second := w.folder.done()
	if !slices.IsSortedFunc(second, func(a, b string) int { return place(a) - place(b) }) || !slices.IsSortedFunc(first, func(a, b string) int { return place(a) - place(b) }) {
		t.Errorf("order: %q", second)
	}
	if slices.Contains(second, "index.html") || slices.Contains(second, "pool/main/p/p/p_1_all.deb") || slices.Contains(second, "dists/alpha/main/source/Sources") {
		t.Errorf("what is there was sent again: %q", second)
	}
	for _, codename := range []string{"alpha", "stable"} {
		if got := w.shop.whole(w.folder, codename); got != "package 2" {
			t.Errorf("%s shows %q", codename, got)
		}
	}
	w.restart()
	if err := w.Refresh(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if again := w.folder.done(); len(again) > 0 {
		t.Errorf("sent without need: %q", again)
	}
	if err := w.Resign(t.Context(), "alpha"); err == nil || len(w.folder.done()) > 0 {
		t.Errorf("a change that failed was pushed: %v", err)
	}
}

// TestRemoval removes from the target what the folder has no longer, and nothing else.
func TestRemoval(t *testing.T) {
	w := newWorld(t)
	w.include(t)
	foreign := filepath.Join(w.folder.root, "pool", "main", "foreign.deb")
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.shop.root, "pool/main/p/p/p_1_all.deb")); err != nil {
		t.Fatal(err)
	}
	w.folder.done()
	w.restart()
	w.include(t)
	if list := w.folder.done(); list[len(list)-1] != "-pool/main/p/p/p_1_all.deb" || place(list[len(list)-2]) == 5 {
		t.Errorf("%q", list)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a foreign file: %v", err)
	}
}

// TestLost restores what a target has lost.
func TestLost(t *testing.T) {
	w := newWorld(t)
	w.include(t)
	lost := []string{"pool/main/p/p/p_1_all.deb", "dists/alpha/InRelease"}
	for _, name := range lost {
		if err := os.Remove(filepath.Join(w.folder.root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.state, "damaged"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.folder.done()
	w.restart()
	if err := w.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lost, w.folder.done()); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	lists, err := filepath.Glob(filepath.Join(w.state, "*.json"))
	if err != nil || len(lists) != 1 {
		t.Fatalf("%q, %v", lists, err)
	}
	for _, text := range []string{"", "{", "null"} {
		if err := os.WriteFile(lists[0], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		w.restart()
		if err := w.Push(t.Context()); err != nil {
			t.Fatalf("with the list %q: %v", text, err)
		}
		w.shop.whole(w.folder, "alpha")
	}
}

// TestStopped stops a push before each of its writes: clients see the old state or the new, and the next push ends it.
func TestStopped(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		w.include(t)
		w.folder.done()
		stop := errors.New("stopped")
		left := n
		w.folder.before = func(string) error {
			if left--; left < 0 {
				return stop
			}
			return nil
		}
		_, err := w.Include(t.Context(), publish.Upload{})
		if err == nil {
			return
		}
		if !errors.Is(err, stop) || !strings.Contains(err.Error(), "push to folder ") {
			t.Fatal(err)
		}
		for _, codename := range []string{"alpha", "stable"} {
			if got := w.shop.whole(w.folder, codename); got != "package 1" && got != "package 2" {
				t.Errorf("stopped before write %d: %s shows %q", n, codename, got)
			}
		}
		w.folder.before = nil
		if n%2 == 0 {
			w.restart()
		}
		if err := w.Push(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.shop.whole(w.folder, "alpha"); got != "package 2" {
			t.Errorf("stopped before write %d, after the next push: %q", n, got)
		}
	}
}

// TestOvertaken publishes while a push is under way, so that its generation goes away.
func TestOvertaken(t *testing.T) {
	w := newWorld(t)
	overtakes := 3
	w.folder.before = func(name string) error {
		if strings.HasSuffix(name, "alpha/main/binary-all/Packages") && overtakes > 0 {
			overtakes--
			w.shop.publish()
		}
		return nil
	}
	w.include(t)
	if got, want := w.shop.whole(w.folder, "alpha"), fmt.Sprint("package ", w.shop.serial); got != want || w.shop.serial < 4 {
		t.Errorf("%q after %d publishes", got, w.shop.serial)
	}
}

// TestShared lets many wait for a push: what comes while one is under way shares the next.
func TestShared(t *testing.T) {
	w := newWorld(t)
	w.include(t)
	var pushes atomic.Int32
	begun, release := make(chan struct{}), make(chan struct{})
	var published sync.WaitGroup
	published.Add(22)
	w.keeper.published = published.Done
	w.folder.before = func(name string) error {
		if name == "dists/alpha/InRelease" && pushes.Add(1) == 1 {
			close(begun)
			<-release
		}
		return nil
	}
	var group sync.WaitGroup
	include := func(ctx context.Context) {
		if _, err := w.Include(ctx, publish.Upload{}); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
	group.Go(func() { include(t.Context()) })
	<-begun
	gone, leave := context.WithCancel(t.Context())
	for range 20 {
		group.Go(func() { include(t.Context()) })
	}
	group.Go(func() { include(gone) })
	leave()
	published.Wait()
	close(release)
	group.Wait()
	// One that is held up and finds its generation gone, and one for all others.
	if n := pushes.Load(); n > 2 {
		t.Errorf("%d pushes", n)
	}
	if got := w.shop.whole(w.folder, "stable"); got != fmt.Sprint("package ", w.shop.serial) {
		t.Errorf("%q after %d publishes", got, w.shop.serial)
	}
}
