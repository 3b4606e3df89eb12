package s3

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/publish/target"
	"foundry/pkg/trust"
)

// copied opens a repository that is copied to the target with each publish, and returns its public key too.
func copied(t *testing.T, to target.Target) (archive publish.Archive, key string) {
	t.Helper()
	dir := t.TempDir()
	key = filepath.Join(dir, "public.asc")
	private := filepath.Join(dir, "key.asc")
	if _, _, err := trust.LoadOrCreate(private, "test repository"); err != nil {
		t.Fatal(err)
	}
	signer, err := trust.OpenSigner(t.Context(), private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := signer.Public()
	if err := errors.Join(err, os.WriteFile(key, public, 0o644)); err != nil {
		t.Fatal(err)
	}
	output, state := filepath.Join(dir, "output"), filepath.Join(dir, "state")
	repo, err := aptly.Open(t.Context(), publish.Options{
		Dir: state, Output: output, Archive: "test", Suites: publishtest.Suites(), Signer: signer, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	return target.Wrap(repo, output, filepath.Join(state, "targets"), []target.Target{to}, zerolog.Nop()), key
}

// TestApt updates a client from the bucket all the time while packages are published.
func TestApt(t *testing.T) {
	const publishes = 25
	s := serve(t)
	archive, key := copied(t, s.open(t, "/debian"))
	packages := t.TempDir()
	version := func(n int) string { return fmt.Sprintf("1.0+git%d~rc1", n) }
	include := func(n int) {
		t.Helper()
		deb := publishtest.MakeDeb(t, packages, publishtest.Binary{Name: "libhello++", Version: version(n), Arch: "amd64", Content: version(n)})
		upload := publish.Upload{
			Package:      message.Package{Source: "libhello++", Version: version(n), Codename: "alpha"},
			Architecture: "amd64", Files: []string{deb},
		}
		if _, err := archive.Include(t.Context(), upload); err != nil {
			t.Fatal(err)
		}
	}
	include(0)
	client := publishtest.NewClient(t, s.endpoint+"/"+s.bucket+"/debian", "alpha", "amd64", key)
	done, updates := make(chan struct{}), 0
	var updating sync.WaitGroup
	updating.Go(func() {
		for {
			if _, err := client.Run("apt-get", "update"); err != nil {
				t.Error(err)
				return
			}
			updates++
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for n := 1; n <= publishes; n++ {
		include(n)
	}
	close(done)
	updating.Wait()
	t.Logf("%d publishes, %d updates", publishes, updates)
	if updates < 3 {
		t.Errorf("%d updates only", updates)
	}
	client.Must(t, "apt-get", "update")
	client.Must(t, "apt-get", "download", "libhello++")
	got, err := filepath.Glob(filepath.Join(client.Dir(), "*.deb"))
	if err != nil || len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("git%d", publishes)) {
		t.Errorf("downloaded %q, %v", got, err)
	}
}
