package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// many returns a file of so many stanzas.
func many(n int) *File {
	r := rand.New(rand.NewPCG(7, 7))
	changes := make([]Change, n)
	for i := range changes {
		changes[i] = stanza(r, i, 0)
	}
	return New(100).With(changes)
}

// news is how many segments of b are not in a.
func news(a, b *File) (n int) {
	known := map[*segment]bool{}
	for _, s := range a.segments {
		known[s] = true
	}
	for _, s := range b.segments {
		if !known[s] {
			n++
		}
	}
	return n
}

// TestChangesStayLocal changes records of a large file one by one: all but a few segments are those of the
// file before.
func TestChangesStayLocal(t *testing.T) {
	f := many(5000)
	r := rand.New(rand.NewPCG(3, 4))
	changed, most := 0, 0
	const changes = 300
	for i := range changes {
		c := stanza(r, r.IntN(6000), 1+i)
		if i%3 == 0 {
			c.Text = nil
		}
		next := f.With([]Change{c})
		n := news(f, next)
		changed, most = changed+n, max(most, n)
		f = next
	}
	if changed > 2*changes || most > 6 {
		t.Errorf("%d changes made %d segments, one of them %d", changes, changed, most)
	}
	same, _ := f.Get(string(f.segments[3].last()))
	if f.With(nil) != f || f.With([]Change{{"no such key", nil}, {string(f.segments[3].last()), same}}) != f {
		t.Error("changes that change nothing made another file")
	}
}

// TestOldFilesStay changes a file and builds both: the old one is what it was.
func TestOldFilesStay(t *testing.T) {
	f := many(500)
	before := build(t, f, all...)
	next := f.With([]Change{{"package-000250", nil}, {"zzz", []byte("last\n\n")}})
	build(t, next, all...)
	after := build(t, many(500), all...)
	for _, form := range all {
		if before[form] != after[form] || build(t, f, form)[form] != before[form] {
			t.Errorf("%q is not what it was", form)
		}
	}
	build(t, f.With([]Change{{"zzz", []byte("another\n\n")}}), all...)
}

// TestConcurrentUse changes and builds one file from several goroutines.
func TestConcurrentUse(t *testing.T) {
	f := many(600)
	var group sync.WaitGroup
	results := make([]map[Form]string, 8)
	for i := range results {
		group.Go(func() {
			build(t, f.With([]Change{{fmt.Sprintf("package-%06d", i*50), nil}}), all...)
			results[i] = build(t, f, all...)
		})
	}
	group.Wait()
	for i := range results {
		for _, form := range all {
			if results[i][form] != results[0][form] {
				t.Errorf("%q differs from goroutine to goroutine", form)
			}
		}
	}
}

// TestAdopt starts anew with the xz form of an earlier process, which has served other records in two
// places. No xz is there, but for these.
func TestAdopt(t *testing.T) {
	served := build(t, many(3000), Xz)[Xz]
	again := many(3000)
	if err := again.Adopt([]byte(served)); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(9, 9))
	next := again.With([]Change{stanza(r, 100, 9), stanza(r, 2000, 9)})
	want := build(t, next, Xz)[Xz]
	other := many(3000).With([]Change{stanza(r, 1500, 8)})
	if err := other.Adopt([]byte(want)); err != nil {
		t.Fatal(err)
	}
	if n := len(unknown(Xz, []*File{other})); n == 0 || n > 6 {
		t.Errorf("%d segments are to be made, want those of three changes", n)
	}
	if got := build(t, other, Xz, Plain); decoded(t, Xz, got[Xz]) != got[Plain] {
		t.Error("with adopted blocks the file is another")
	}
	t.Setenv("PATH", t.TempDir())
	if got := build(t, again, Xz)[Xz]; got != served {
		t.Error("the file is not what has been served")
	}
	if _, err := many(10).Build(t.Context(), []Form{Xz}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("without xz: %v", err)
	}
}

// TestAdoptsNothingElse gives bytes that are no stream, or one that nothing is to be taken of.
func TestAdoptsNothingElse(t *testing.T) {
	f := many(50)
	good := build(t, many(50), Xz)[Xz]
	for name, data := range map[string]string{
		"nothing": "", "text": "Package: hello\n\n", "short": good[:len(good)-1], "longer": good + "\x00\x00\x00\x00",
		"two streams": good + good, "damaged index": good[:len(good)-20] + "xxxx" + good[len(good)-16:],
		"gzip": build(t, f, Gzip)[Gzip],
	} {
		if err := f.Adopt([]byte(data)); !errors.Is(err, errXz) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.Adopt([]byte(build(t, many(49), Xz)[Xz])); err != nil || len(unknown(Xz, []*File{f})) != len(f.segments) {
		t.Errorf("blocks of other records were taken: %v", err)
	}
}

// TestCanceled cancels building and builds again.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := many(1000)
	if _, err := f.Build(ctx, all); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if _, err := f.Build(t.Context(), []Form{".bz2"}); err == nil || !strings.Contains(err.Error(), `".bz2"`) {
		t.Errorf("unknown form: %v", err)
	}
	got := build(t, f, all...)
	if decoded(t, Xz, got[Xz]) != got[Plain] {
		t.Error("built after that it is another file")
	}
}

// TestEnvironment sets variables that change what xz makes.
func TestEnvironment(t *testing.T) {
	want := build(t, many(300), Xz)[Xz]
	t.Setenv("XZ_OPT", "-9e --check=sha256")
	t.Setenv("XZ_DEFAULTS", "--memlimit-compress=1MiB")
	if got := build(t, many(300), Xz)[Xz]; got != want {
		t.Error("variables of the environment change the bytes")
	}
}

// TestSize compares with what xz and gzip make of the whole.
func TestSize(t *testing.T) {
	f := many(4000)
	made := build(t, f, Plain, Gzip, Xz)
	for form, program := range map[Form]string{Gzip: "gzip", Xz: "xz"} {
		cmd := exec.Command(program, "-1", "--stdout")
		cmd.Stdin = strings.NewReader(made[Plain])
		whole, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if len(made[form])*100 > len(whole)*115 {
			t.Errorf("%s: %d bytes, in one piece %d", program, len(made[form]), len(whole))
		}
	}
}

// TestMemory holds lines of Contents and looks what they need besides their text.
func TestMemory(t *testing.T) {
	const records = 200_000
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	f := New(1000)
	for first := 0; first < records; first += 20_000 {
		changes := make([]Change, 20_000)
		for i := range changes {
			path := fmt.Sprintf("usr/share/doc/package-%07d/changelog.Debian.gz", first+i)
			changes[i] = Change{path, fmt.Appendf(nil, "%-55s utils/package-%d\n", path, first+i)}
		}
		f = f.With(changes)
	}
	if used := heap() - before; used > f.Size()*5/4 {
		t.Errorf("%d bytes of text take %d", f.Size(), used)
	}
	runtime.KeepAlive(f)
}
