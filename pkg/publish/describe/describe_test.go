package describe_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/publish"
	"foundry/pkg/publish/describe"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

// TestSourceListIsEnough gives apt nothing but the source list that is served.
func TestSourceListIsEnough(t *testing.T) {
	next := filepath.Join(t.TempDir(), "next.asc")
	public(t, openKey(t, keyFile(t, "next")), next)
	f := newFixture(t, func(o *describe.Options) { o.NextKeys = []string{next} })
	f.describe(t)
	for _, codename := range []string{"bookworm", "trixie"} {
		client := publishtest.NewClient(t, f.options.URI, codename, "amd64", "/nonexistent")
		list := strings.Replace(f.file(t, "test-"+codename+".sources"), "Types: deb deb-src", "Types: deb", 1) // the shelf has no sources
		client.Source(t, list)
		client.Must(t, "apt-get", "update")
		if out := client.Must(t, "apt-cache", "policy", "test-archive-keyring"); !strings.Contains(out, "Candidate: 20") {
			t.Errorf("%s: %s", codename, out)
		}
	}
	keyring := filepath.Join(f.options.Output, "test.gpg")
	run(t, "gpgv", "--keyring", keyring, filepath.Join(f.options.Output, "dists/bookworm/InRelease"))
	armored, err := trust.ReadKeyring(filepath.Join(f.options.Output, "test.asc"))
	if err != nil {
		t.Fatal(err)
	}
	binary, err := trust.ReadKeyring(keyring)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(armored.Fingerprints(), binary.Fingerprints()); diff != "" || len(binary.Fingerprints()) != 2 {
		t.Errorf("the keyrings differ, or the next key is not in them: %s", diff)
	}
}

// state returns times and sizes of all files of what is served and of the state folder.
func state(t *testing.T, f *fixture) string {
	t.Helper()
	var all strings.Builder
	for _, root := range []string{f.options.Output, f.options.Dir} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil {
				fmt.Fprintln(&all, path, info.ModTime().UnixNano(), info.Size())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestWritesWhatChanged describes twice, and again after each thing that changes.
func TestWritesWhatChanged(t *testing.T) {
	f := newFixture(t, nil)
	f.describe(t)
	first, before, pushed := f.file(t, "index.html"), state(t, f), f.pushed
	if len(f.included) != 2 || pushed == 0 {
		t.Fatalf("included: %v, pushed %d times", f.included, pushed)
	}
	f.describe(t)
	if diff := cmp.Diff(before, state(t, f)); diff != "" {
		t.Errorf("something was written though nothing had changed:\n%s", diff)
	}
	if f.pushed != pushed || len(f.included) != 2 {
		t.Errorf("pushed %d times, included %v", f.pushed-pushed, f.included)
	}
	if err := os.Remove(filepath.Join(f.options.Output, "test.gpg")); err != nil {
		t.Fatal(err)
	}
	f.describe(t)
	if got := state(t, f); got == before || f.pushed != pushed+1 {
		t.Error("what was lost is not there again")
	}
	packages := openKey(t, keyFile(t, "packages"))
	public(t, packages, f.options.PackageKeys)
	f.describe(t)
	if len(f.included) != 4 || f.versions["bookworm"]["test-archive-keyring"] != f.versions["trixie"]["test-archive-keyring"] {
		t.Errorf("after a package key has come: %v", f.included)
	}
	policies := func() []string {
		found, err := filepath.Glob(filepath.Join(f.options.Output, "debsig", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := policies(); len(got) != 2 {
		t.Errorf("policies: %v", got)
	}
	if err := os.Remove(f.options.PackageKeys); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(f.options.Output, "debsig", "0123456789ABCDEF", "other.pol")
	if err := errors.Join(os.Mkdir(filepath.Dir(foreign), 0o755), os.WriteFile(foreign, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	f.describe(t)
	if err := os.Remove(foreign); err != nil {
		t.Errorf("a policy of somebody else: %v", err)
	}
	if got := policies(); len(got) != 0 {
		t.Errorf("policies of a key that is trusted no more: %v", got)
	}
	if f.file(t, "index.html") != first {
		t.Error("the page is not what it was at first")
	}
}

// TestFollows runs beside publishing, and looks what it does after a signal.
func TestFollows(t *testing.T) {
	f := newFixture(t, nil)
	told := make(chan error, 10)
	f.options.Note = func(err error) { told <- err }
	f.refuse = &publish.RefusedError{File: "x", Reason: "lower version"}
	d := describe.New(f.options, f.shelf)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); d.Run(ctx) }()
	if err := <-told; !strings.Contains(err.Error(), "include keyring package in bookworm: refuse x: lower version") {
		t.Errorf("told: %v", err)
	}
	if !strings.Contains(f.file(t, "index.html"), "1234") {
		t.Error("no page although nothing but the keyring package was refused")
	}
	f.mu.Lock()
	f.refuse = errors.New("no space left on device")
	f.mu.Unlock()
	public(t, openKey(t, keyFile(t, "packages")), f.options.PackageKeys) // what the package brings changes
	for range 100 {
		d.Published() // does not wait
	}
	if err := <-told; !strings.Contains(err.Error(), "no space left") {
		t.Errorf("told: %v", err)
	}
	cancel()
	<-over
}

// TestChanged brings the package of keys back where a rollback or a removal has taken it out.
func TestChanged(t *testing.T) {
	f := newFixture(t, nil)
	d := describe.New(f.options, f)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); d.Run(ctx) }()
	defer func() { cancel(); <-over }()
	await := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			f.mu.Lock()
			got := len(f.included)
			f.mu.Unlock()
			if got == n {
				return
			}
			if got > n || time.Now().After(deadline) {
				t.Fatalf("included %d times, want %d", got, n)
			}
		}
	}
	await(2)
	f.mu.Lock()
	clear(f.versions["trixie"])
	f.mu.Unlock()
	d.Changed()
	await(3)
}

// TestPage reads the page of a repository whose every name is hostile.
func TestPage(t *testing.T) {
	evil := `<script>alert("1")</script>&amp;'`
	f := newFixture(t, func(o *describe.Options) {
		o.URI = "https://example.org/" + evil
		o.Signer = openKey(t, keyFile(t, `evil & "co"`))
		o.Suites[0].Description, o.Suites[0].Origin, o.Suites[0].Version = evil, evil, "12.1"
		o.Suites[0].ButAutomaticUpgrades, o.Suites[0].NotAutomatic = true, true
	})
	public(t, openKey(t, keyFile(t, "packages")), f.options.PackageKeys)
	f.describe(t)
	text := f.file(t, "index.html")
	elements := wellFormed(t, text)
	for _, name := range []string{"script", "b", "img", "link", "iframe", "object"} {
		if elements[name] > 0 {
			t.Errorf("the page has an element <%s>", name)
		}
	}
	if strings.Contains(text, "http:") || regexp.MustCompile(`(src|href)="https?:`).MatchString(text) {
		t.Error("the page needs something from elsewhere")
	}
	for _, want := range []string{
		"bookworm", "(stable)", "12.1", "trixie", "main", "amd64", "1234", "2026-11-21 07:00 UTC", "test.asc", "test.gpg", "test-bookworm.sources",
		"sudo apt update &amp;&amp; sudo apt install test-archive-keyring", "/usr/share/keyrings/test-archive-keyring.gpg", "never",
		"signs the repository", "signs packages", "prefers-color-scheme: dark", "and upgrades them then",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if until := time.Now().UTC().AddDate(0, 0, 10).Format(time.DateOnly); !strings.Contains(text, until) {
		t.Errorf("the page does not have Valid-Until, %s", until)
	}
}

// wellFormed counts the elements of a page; each must have its end, and each attribute its quotes.
func wellFormed(t *testing.T, text string) map[string]int {
	t.Helper()
	elements := map[string]int{}
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
}

// TestComponents names all components that packages can have, each once.
func TestComponents(t *testing.T) {
	f := newFixture(t, func(o *describe.Options) {
		o.Suites[0].Components, o.Suites[0].DebugComponent = []string{"contrib", "non-free"}, "debug"
		o.Suites[0].Rules = []publish.Rule{{Source: "x", Component: "contrib"}}
	})
	f.describe(t)
	if list := f.file(t, "test-bookworm.sources"); !strings.Contains(list, "\nComponents: main contrib non-free debug\n") {
		t.Errorf("source list:\n%s", list)
	}
}

// TestOddName describes a repository whose name cannot be that of a package, nor of a file that apt reads.
func TestOddName(t *testing.T) {
	f := newFixture(t, func(o *describe.Options) { o.Archive, o.KeyringSources = "My_repo+x~1", true })
	f.describe(t)
	if page := f.file(t, "index.html"); !strings.Contains(page, "/etc/apt/sources.list.d/My_repo-x-1.sources") {
		t.Errorf("page:\n%s", page)
	}
	found, err := filepath.Glob(filepath.Join(f.options.Output, "pool", "bookworm", "my-repo+x-1-archive-keyring_*_all.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages: %v, %v", found, err)
	}
	if out := run(t, "dpkg-deb", "--contents", found[0]); !strings.Contains(out, "./etc/apt/sources.list.d/My_repo-x-1.sources\n") ||
		!strings.Contains(out, "./usr/share/keyrings/my-repo+x-1-archive-keyring.gpg\n") {
		t.Error(out)
	}
}

// TestWithoutURI has no commands to give, and no source lists.
func TestWithoutURI(t *testing.T) {
	f := newFixture(t, func(o *describe.Options) { o.URI, o.KeyringPackage = "", false })
	f.describe(t)
	text := f.file(t, "index.html")
	wellFormed(t, text)
	if strings.Contains(text, "Set it up") || strings.Contains(text, "archive-keyring") || len(f.included) > 0 {
		t.Errorf("included %v, page:\n%s", f.included, text)
	}
	if lists, _ := filepath.Glob(filepath.Join(f.options.Output, "*.sources")); len(lists) > 0 {
		t.Errorf("source lists without a URI: %v", lists)
	}
}
