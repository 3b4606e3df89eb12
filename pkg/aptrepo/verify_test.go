package aptrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/trust"
)

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v (apt-get install apt-utils dpkg-dev xz-utils)", name, strings.Join(args, " "), err)
	}
	return out
}

const (
	dists    = "dists/stable/"
	binaries = dists + "main/binary-amd64/"
	hello    = "pool/hello_1.0_amd64.deb"
)

// fixture is a signed repository made by apt-ftparchive.
type fixture struct {
	dir    string
	signer trust.Signer
	ring   *trust.Keyring
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir()}
	key := filepath.Join(t.TempDir(), "key")
	if _, _, err := trust.LoadOrCreate(key, "test"); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.signer, err = trust.OpenSigner(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	public, err := f.signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	if f.ring, err = trust.ParseKeyring(public); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	write(t, filepath.Join(tree, "DEBIAN/control"), []byte("Package: hello\nVersion: 1.0\nArchitecture: amd64\nMaintainer: A <a@example.org>\nDescription: a\n"))
	write(t, filepath.Join(f.dir, hello), nil)
	run(t, f.dir, "dpkg-deb", "--root-owner-group", "--build", tree, hello)
	list := run(t, f.dir, "apt-ftparchive", "packages", "pool")
	f.index(t, list, "")
	return f
}

// index writes the indexes and signs them.
func (f *fixture) index(t *testing.T, list []byte, fields string) {
	t.Helper()
	plain := filepath.Join(f.dir, binaries, "Packages")
	write(t, plain, list)
	run(t, f.dir, "xz", "--keep", "--force", plain)
	f.release(t, fields)
}

// release writes and signs Release, and the indexes by hash.
func (f *fixture) release(t *testing.T, fields string) {
	t.Helper()
	for _, name := range []string{"Release", "InRelease", "Release.gpg", "main/binary-amd64/by-hash"} {
		if err := os.RemoveAll(filepath.Join(f.dir, dists, name)); err != nil {
			t.Fatal(err)
		}
	}
	text := run(t, filepath.Join(f.dir, dists), "apt-ftparchive", "-o", "APT::FTPArchive::Release::Codename=stable", "-o", "APT::FTPArchive::Release::Acquire-By-Hash=yes", "release", ".")
	f.sign(t, append([]byte(fields), text...))
	r, err := ParseRelease(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Indexes() {
		for _, form := range x.Forms {
			write(t, filepath.Join(f.dir, dists, byHash(form)), read(t, filepath.Join(f.dir, dists, form.Path)))
		}
	}
}

func (f *fixture) sign(t *testing.T, text []byte) {
	t.Helper()
	inline, err := f.signer.Clearsign(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	detached, err := f.signer.Detach(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"Release": text, "InRelease": inline, "Release.gpg": detached} {
		write(t, filepath.Join(f.dir, dists, name), data)
	}
}

// flip alters one byte of a file.
func (f *fixture) flip(t *testing.T, name string) {
	t.Helper()
	data := bytes.Clone(read(t, filepath.Join(f.dir, name)))
	data[len(data)/2] ^= 1
	write(t, filepath.Join(f.dir, name), data)
}

func (f *fixture) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(f.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// listed is the list of packages with a text in place of another.
func (f *fixture) listed(t *testing.T, before, after string) {
	t.Helper()
	list := read(t, filepath.Join(f.dir, binaries, "Packages"))
	if !bytes.Contains(list, []byte(before)) {
		t.Fatalf("no %q in the list", before)
	}
	f.index(t, bytes.ReplaceAll(list, []byte(before), []byte(after)), "")
}

func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		name     string
		spoil    func(t *testing.T, f *fixture)
		severity Severity
		want     string // in what a finding says, or empty for none
	}{
		{"whole", func(*testing.T, *fixture) {}, "", ""},
		{"InRelease altered", func(t *testing.T, f *fixture) { f.flip(t, dists+"InRelease") }, Error, "InRelease"},
		{"Release altered", func(t *testing.T, f *fixture) { f.flip(t, dists+"Release") }, Error, "other things than Release"},
		{"Release.gpg altered", func(t *testing.T, f *fixture) { f.flip(t, dists+"Release.gpg") }, Error, ""},
		{"no Release.gpg", func(t *testing.T, f *fixture) { f.remove(t, dists+"Release.gpg") }, Warning, "not there"},
		{"unsigned", func(t *testing.T, f *fixture) { f.remove(t, dists+"InRelease"); f.remove(t, dists+"Release.gpg") }, Error, "Release.gpg"},
		{"expired", func(t *testing.T, f *fixture) { f.release(t, "Valid-Until: Mon, 03 Feb 2020 10:00:00 UTC\n") }, Error, "valid until"},
		{"soon expired", func(t *testing.T, f *fixture) {
			f.release(t, "Valid-Until: "+time.Now().Add(time.Hour).UTC().Format(time.RFC1123)+"\n")
		}, Warning, "less than a day"},
		{"index altered", func(t *testing.T, f *fixture) { f.flip(t, binaries+"Packages.xz") }, Error, "SHA-256"},
		{"plain index altered", func(t *testing.T, f *fixture) { f.flip(t, binaries+"Packages") }, Error, "SHA-256"},
		{"index truncated", func(t *testing.T, f *fixture) {
			write(t, filepath.Join(f.dir, binaries, "Packages.xz"), read(t, filepath.Join(f.dir, binaries, "Packages.xz"))[:40])
		}, Error, "40 bytes"},
		{"plain index not served", func(t *testing.T, f *fixture) { f.remove(t, binaries+"Packages") }, "", ""},
		{"index in no form", func(t *testing.T, f *fixture) {
			f.remove(t, binaries+"Packages")
			f.remove(t, binaries+"Packages.xz")
		}, Error, "in no form"},
		{"no by-hash", func(t *testing.T, f *fixture) { f.remove(t, binaries+"by-hash") }, Error, "by its hash"},
		{"forms differ", func(t *testing.T, f *fixture) {
			list := read(t, filepath.Join(f.dir, binaries, "Packages"))
			write(t, filepath.Join(f.dir, binaries, "Packages"), bytes.Replace(list, []byte("hello"), []byte("other"), 1))
			f.release(t, "")
		}, Error, "decompressed"},
		{"bomb", func(t *testing.T, f *fixture) {
			write(t, filepath.Join(f.dir, binaries, "Packages"), make([]byte, 64<<20))
			run(t, f.dir, "xz", "--keep", "--force", binaries+"Packages")
			write(t, filepath.Join(f.dir, binaries, "Packages"), []byte("x"))
			f.release(t, "")
		}, Error, "larger than it may"},
		{"monster stanza", func(t *testing.T, f *fixture) {
			f.index(t, append([]byte("Package: "), bytes.Repeat([]byte("x"), 5<<20)...), "")
		}, Error, "a stanza of more than"},
		{"package altered", func(t *testing.T, f *fixture) { f.flip(t, hello) }, Error, "SHA-256"},
		{"package missing", func(t *testing.T, f *fixture) { f.remove(t, hello) }, Error, "no such file"},
		{"package is a folder", func(t *testing.T, f *fixture) {
			f.remove(t, hello)
			write(t, filepath.Join(f.dir, hello, "x"), nil)
		}, Error, "not a file"},
		{"path traversal", func(t *testing.T, f *fixture) { f.listed(t, "pool/hello", "../../etc/hello") }, Error, "leads out"},
		{"absolute path", func(t *testing.T, f *fixture) { f.listed(t, "pool/hello", "/pool/hello") }, Error, "leads out"},
		{"other version in the index", func(t *testing.T, f *fixture) { f.listed(t, "Version: 1.0", "Version: 9.0") }, Error, "Version is"},
		{"no SHA256", func(t *testing.T, f *fixture) { f.listed(t, "SHA256:", "SHA999:") }, Error, "weaker hashes"},
		{"file of the pool that nobody lists", func(t *testing.T, f *fixture) { write(t, filepath.Join(f.dir, "pool/x"), nil) }, Warning, "no index lists"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			tt.spoil(t, f)
			report, err := Verify(t.Context(), f.dir, Options{Keyring: f.ring}, VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if tt.severity == "" {
				if len(report.Findings) > 0 || report.Packages != 1 || report.Files != 1 || len(report.Signers) != 1 {
					t.Errorf("report %+v", report)
				}
				return
			}
			for _, found := range report.Findings {
				if found.Severity == tt.severity && strings.Contains(found.What, tt.want) {
					return
				}
			}
			t.Errorf("no %s with %q among %+v", tt.severity, tt.want, report.Findings)
		})
	}
}

// TestOpenRefuses has repositories that apt would not believe.
func TestOpenRefuses(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	for _, tt := range []struct {
		name    string
		options Options
		want    string // empty: it is believed
	}{
		{"key", Options{Keyring: f.ring}, ""},
		{"other key", Options{Keyring: other.ring}, "InRelease"},
		{"no key", Options{}, "no keyring"},
		{"allowed", Options{AllowUnsigned: true}, ""},
		{"unknown suite", Options{Keyring: f.ring, Suites: []string{"sid"}}, "no such file"},
		{"suite elsewhere", Options{Keyring: f.ring, Suites: []string{"../.."}}, "leads out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), f.dir, tt.options)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestWeb reads from servers that behave and that do not.
func TestWeb(t *testing.T) {
	f := newFixture(t)
	files := http.FileServer(http.Dir(f.dir))
	broken := false
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		want  string // in the error or the findings; empty for none
	}{
		{"good", files.ServeHTTP, ""},
		{"cyclic redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "redirects"},
		{"breaks off once", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".deb") && !broken {
				broken = true
				w.Header().Set("Content-Length", "700")
				_, _ = w.Write(read(t, filepath.Join(f.dir, hello))[:200])
				return
			}
			files.ServeHTTP(w, r)
		}, ""},
		{"stands still", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "sends nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.serve)
			t.Cleanup(server.Close)
			r, err := find(server.URL, Options{Keyring: f.ring, Suites: []string{"stable"}})
			if err != nil {
				t.Fatal(err)
			}
			r.origin.(*web).stall = 300 * time.Millisecond
			err = fetchAll(t.Context(), r, t.TempDir())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if !broken {
		t.Error("the server has not broken off")
	}
}

// fetchAll fetches all packages of the suite "stable".
func fetchAll(ctx context.Context, r *Repository, dir string) error {
	s, err := r.openSuite(ctx, "stable")
	if err != nil {
		return err
	}
	n := 0
	for p, err := range s.Packages(ctx) {
		if err != nil {
			return err
		}
		n++
		if err := r.Fetch(ctx, p.Files[0], filepath.Join(dir, p.FileName())); err != nil {
			return err
		}
	}
	if n != 1 {
		return fmt.Errorf("%d packages", n)
	}
	return nil
}

func FuzzParseRelease(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add([]byte("Codename: x\nDate: Sat, 21 Nov 2026 08:00:00 UTC\nSHA256:\n " + sum + " 12 main/binary-amd64/Packages.xz\n"))
	f.Add([]byte("SHA256:\n " + sum + " 1 ../x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRelease(data)
		if err != nil {
			return
		}
		for _, x := range r.Indexes() {
			for _, form := range x.Forms {
				if !filepath.IsLocal(form.Path) || !filepath.IsLocal(byHash(form)) || form.Size < 0 || !isSHA256(form.SHA256) {
					t.Errorf("believes %+v", form)
				}
			}
		}
	})
}

func FuzzPackages(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add([]byte("Package: a\nVersion: 1\nArchitecture: all\nFilename: ./a.deb\nSize: 1\nSHA256: "+sum+"\n\n"), false)
	f.Add([]byte("Package: a\nVersion: 1\nDirectory: pool\nChecksums-Sha256:\n "+sum+" 1 a_1.dsc\n\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, source bool) {
		x := &Index{Kind: Packages}
		if source {
			x.Kind = Sources
		}
		for stanza, err := range stanzas(bytes.NewReader(data)) {
			if err != nil {
				return
			}
			p, err := parsePackage(x, stanza)
			if err != nil {
				continue
			}
			for _, file := range p.Files {
				if !filepath.IsLocal(file.Path) || file.Size < 0 || !isSHA256(file.SHA256) {
					t.Errorf("believes %+v", file)
				}
			}
			if strings.Contains(p.FileName(), "/") {
				t.Errorf("file name %q", p.FileName())
			}
		}
	})
}
