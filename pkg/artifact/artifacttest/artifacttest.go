// Package artifacttest holds the contract suite of package artifact: what every store guarantees.
package artifacttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"foundry/pkg/artifact"
)

// Opener is a store of the adapter under test that nothing else uses.
type Opener interface {
	// Open opens the store once more, as another program would.
	Open(t *testing.T) artifact.Store
	// Corrupt alters the bytes that are kept of a file, which has some.
	Corrupt(t *testing.T, digest artifact.Digest)
	// Truncate removes the end of what is kept of a file.
	Truncate(t *testing.T, digest artifact.Digest)
	// Leftovers counts what is kept beside whole files.
	Leftovers(t *testing.T) int
}

const patience = 2 * time.Minute

// Run runs the suite. open is called for each test, with the test's own t.
func Run(t *testing.T, open func(t *testing.T) Opener) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, o Opener)
	}{
		{"keeps files of any size", sizes},
		{"keeps a large file", large},
		{"does not have what was not put", missing},
		{"refuses other bytes than promised", mismatch},
		{"refuses what is no digest", malformed},
		{"puts a file once", twice},
		{"puts one file from many at once", race},
		{"notices altered bytes", corrupt},
		{"notices missing bytes", truncated},
		{"puts again what was deleted", deleted},
		{"goes on reading what another puts", readWhilePutting},
		{"stops when told to", canceled},
		{"lists", list},
		{"forgets a put that was killed", killed},
		{"fetches into a folder", fetch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// data makes n bytes that differ by seed.
func data(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func digestOf(b []byte) artifact.Digest {
	sum := sha256.Sum256(b)
	return artifact.Digest(hex.EncodeToString(sum[:]))
}

func put(t *testing.T, s artifact.Store, b []byte) artifact.Digest {
	t.Helper()
	digest := digestOf(b)
	if err := s.Put(testContext(t), digest, int64(len(b)), bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	return digest
}

func get(t *testing.T, s artifact.Store, digest artifact.Digest) ([]byte, error) {
	t.Helper()
	r, err := s.Open(testContext(t), digest)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return b, err
}

func expect(t *testing.T, s artifact.Store, want []byte) {
	t.Helper()
	got, err := get(t, s, digestOf(want))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes of %d, equal %t: %v", len(got), len(want), bytes.Equal(got, want), err)
	}
}

func expectMissing(t *testing.T, s artifact.Store, digest artifact.Digest) {
	t.Helper()
	if has, err := s.Has(testContext(t), digest); err != nil || has {
		t.Errorf("has it: %t, %v", has, err)
	}
	if _, err := s.Open(testContext(t), digest); !errors.Is(err, artifact.ErrNotFound) {
		t.Errorf("opened: %v", err)
	}
}

func sizes(t *testing.T, o Opener) {
	s := o.Open(t)
	for i, n := range []int{0, 1, 512<<10 - 1, 512 << 10, 512<<10 + 1, 4 << 20, 4<<20 + 1, 9 << 20} {
		b := data(uint64(i), n)
		digest := put(t, s, b)
		if has, err := s.Has(testContext(t), digest); err != nil || !has {
			t.Errorf("%d bytes: has it: %t, %v", n, has, err)
		}
		expect(t, o.Open(t), b)
	}
	if n := o.Leftovers(t); n != 0 {
		t.Errorf("%d leftovers", n)
	}
}

func large(t *testing.T, o Opener) {
	if testing.Short() {
		t.Skip("64 MiB")
	}
	b := data(1, 64<<20)
	put(t, o.Open(t), b)
	expect(t, o.Open(t), b)
}

func missing(t *testing.T, o Opener) {
	s := o.Open(t)
	expectMissing(t, s, digestOf([]byte("x")))
	if err := s.Delete(testContext(t), digestOf([]byte("x"))); err != nil {
		t.Errorf("delete: %v", err)
	}
}

var errBroken = errors.New("broken")

func mismatch(t *testing.T, o Opener) {
	s := o.Open(t)
	b := data(1, 6<<20)
	for name, r := range map[string]io.Reader{
		"shorter": bytes.NewReader(b[:len(b)-1]),
		"empty":   bytes.NewReader(nil),
		"longer":  io.MultiReader(bytes.NewReader(b), bytes.NewReader([]byte("x"))),
		"other":   bytes.NewReader(data(2, len(b))),
		"broken":  io.MultiReader(bytes.NewReader(b[:5<<20]), iotest.ErrReader(errBroken)),
	} {
		err := s.Put(testContext(t), digestOf(b), int64(len(b)), r)
		if err == nil || errors.Is(err, artifact.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "broken" && !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
		expectMissing(t, s, digestOf(b))
	}
	if n := o.Leftovers(t); n != 0 {
		t.Errorf("%d leftovers", n)
	}
	put(t, s, b)
	expect(t, s, b)
}

func malformed(t *testing.T, o Opener) {
	ctx, s := testContext(t), o.Open(t)
	for _, digest := range []artifact.Digest{
		"", "ab", "../../../../etc/passwd", ">", "*", digestOf(nil) + "0", digestOf(nil)[:63] + "G",
		"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
	} {
		if err := s.Put(ctx, digest, 0, bytes.NewReader(nil)); err == nil {
			t.Errorf("put %q: no error", digest)
		}
		if _, err := s.Open(ctx, digest); err == nil {
			t.Errorf("open %q: no error", digest)
		}
		if has, err := s.Has(ctx, digest); err == nil || has {
			t.Errorf("has %q: no error", digest)
		}
		if err := s.Delete(ctx, digest); err == nil {
			t.Errorf("delete %q: no error", digest)
		}
	}
}

func twice(t *testing.T, o Opener) {
	s := o.Open(t)
	b := data(1, 1<<20)
	put(t, s, b)
	// the second is done at once: it does not even read
	err := s.Put(testContext(t), digestOf(b), int64(len(b)), iotest.ErrReader(errBroken))
	if err != nil {
		t.Error(err)
	}
	expect(t, s, b)
}

func race(t *testing.T, o Opener) {
	b := data(1, 3<<20)
	var wait sync.WaitGroup
	for range 6 {
		s := o.Open(t)
		wait.Go(func() {
			if err := s.Put(testContext(t), digestOf(b), int64(len(b)), bytes.NewReader(b)); err != nil {
				t.Error(err)
			}
			expect(t, s, b)
		})
	}
	wait.Wait()
	if n := o.Leftovers(t); n != 0 {
		t.Errorf("%d leftovers", n)
	}
}

func corrupt(t *testing.T, o Opener) {
	s := o.Open(t)
	digest := put(t, s, data(1, 2<<20))
	o.Corrupt(t, digest)
	if _, err := get(t, o.Open(t), digest); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
	// it can be replaced
	if err := s.Delete(testContext(t), digest); err != nil {
		t.Fatal(err)
	}
	put(t, s, data(1, 2<<20))
	expect(t, s, data(1, 2<<20))
}

func truncated(t *testing.T, o Opener) {
	s := o.Open(t)
	digest := put(t, s, data(1, 2<<20))
	o.Truncate(t, digest)
	if _, err := get(t, s, digest); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
}

func deleted(t *testing.T, o Opener) {
	s := o.Open(t)
	b := data(1, 1<<20)
	for range 3 {
		digest := put(t, s, b)
		expect(t, s, b)
		if err := o.Open(t).Delete(testContext(t), digest); err != nil {
			t.Fatal(err)
		}
		expectMissing(t, s, digest)
	}
	if n := o.Leftovers(t); n != 0 {
		t.Errorf("%d leftovers", n)
	}
}

func readWhilePutting(t *testing.T, o Opener) {
	s := o.Open(t)
	b := data(1, 12<<20)
	put(t, s, b)
	r, err := s.Open(testContext(t), digestOf(b))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := make([]byte, 1<<20)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Fatal(err)
	}
	put(t, o.Open(t), b)
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(first, rest...), b) {
		t.Errorf("read %d bytes: %v", len(first)+len(rest), err)
	}
}

func canceled(t *testing.T, o Opener) {
	s := o.Open(t)
	b := data(1, 6<<20)
	ctx, cancel := context.WithCancel(testContext(t))
	r := io.MultiReader(bytes.NewReader(b[:5<<20]), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, nil
	}), bytes.NewReader(b[5<<20:]))
	if err := s.Put(ctx, digestOf(b), int64(len(b)), r); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	expectMissing(t, s, digestOf(b))
	if n := o.Leftovers(t); n != 0 {
		t.Errorf("%d leftovers", n)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func list(t *testing.T, o Opener) {
	s := o.Open(t)
	want := map[artifact.Digest]int64{}
	if err := s.List(testContext(t), func(artifact.Info) error { return errBroken }); err != nil {
		t.Errorf("list of nothing: %v", err)
	}
	for i := range 10 {
		b := data(uint64(i), i*1000)
		want[put(t, s, b)] = int64(len(b))
	}
	got := 0
	err := s.List(testContext(t), func(info artifact.Info) error {
		got++
		if size, ok := want[info.Digest]; !ok || size != info.Size || time.Since(info.Stored).Abs() > time.Hour {
			t.Errorf("lists %+v", info)
		}
		return nil
	})
	if err != nil || got != len(want) {
		t.Errorf("lists %d of %d: %v", got, len(want), err)
	}
	if err := s.List(testContext(t), func(artifact.Info) error { return errBroken }); !errors.Is(err, errBroken) {
		t.Errorf("list returned %v, not the error of its function", err)
	}
}

// Sweeper is a store that cleans up after puts that were killed.
type Sweeper interface {
	Sweep(ctx context.Context, age time.Duration) (int, error)
}

// killed leaves a put where a program that is killed would leave it: without a word.
func killed(t *testing.T, o Opener) {
	s := o.Open(t)
	b := data(1, 6<<20)
	kept := put(t, s, data(2, 1000))
	hang, release := make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r := io.MultiReader(bytes.NewReader(b[:5<<20]), readerFunc(func([]byte) (int, error) {
			close(hang)
			<-release
			return 0, errBroken
		}))
		_ = s.Put(t.Context(), digestOf(b), int64(len(b)), r)
	}()
	<-hang
	expectMissing(t, s, digestOf(b))
	if n := o.Leftovers(t); n == 0 {
		t.Error("nothing is under way")
	}
	put(t, o.Open(t), b)
	expect(t, s, b)
	sweeper := o.Open(t).(Sweeper)
	if n, err := sweeper.Sweep(testContext(t), time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d that may be under way: %v", n, err)
	}
	if n, err := sweeper.Sweep(testContext(t), 0); n != 1 || err != nil {
		t.Errorf("swept %d: %v", n, err)
	}
	if n := o.Leftovers(t); n != 0 {
		t.Errorf("%d leftovers", n)
	}
	expect(t, s, b)
	if _, err := get(t, s, kept); err != nil {
		t.Error(err)
	}
	close(release)
	<-ended
}
