package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"foundry/bots/internal/bottest"
	"foundry/pkg/environment"
	"foundry/pkg/environment/podman"
	"foundry/pkg/trust"
)

// machine does on a fresh machine what its owner would. Between the phases the repository changes: another key
// signs too, then that one alone.
const machine = `
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
ring=/usr/share/keyrings/test-archive-keyring.gpg
/usr/lib/apt/apt-helper download-file "$URL/test.gpg" $ring
cp $ring /etc/first.gpg
cat > /etc/apt/sources.list.d/test.sources <<END
Types: deb deb-src
URIs: $URL
Suites: stable
Components: main
Signed-By: $ring
END
cd /tmp
await() { echo "phase $1 is done"; until [ -e /in/$1 ]; do sleep 0.05; done; }
export DEBIAN_FRONTEND=noninteractive

apt-get update --error-on=any
apt-get install --yes hello test-archive-keyring
test "$(dpkg-query -W -f '${Version}' hello)" = 1.0-1
apt-cache show hello | grep -x ' more about it'
apt-get source --download-only hello
test -e hello_1.0-1.dsc
apt-get download hello
debsig-verify hello_1.0-1_amd64.deb
/usr/lib/apt/apt-helper download-file "$URL/dists/stable/InRelease" InRelease
gpgv --keyring $ring --output Release InRelease
apt-file update
apt-file search --fixed-string /usr/share/hello/content | grep -x 'hello: /usr/share/hello/content'
mkdir -p lists/partial
apt-get update --error-on=any -o Dir::State::Lists=/tmp/lists -o Acquire::CompressionTypes::Order::=zst
apt-cache show hello | grep -x 'Version: 1.0-1'
await 1

apt-get update --error-on=any
apt-get upgrade --yes
test "$(gpg --show-keys --with-colons < $ring | grep -c ^pub)" = 2
await 2

apt-get update --error-on=any
apt-get upgrade --yes
test "$(dpkg-query -W -f '${Version}' hello)" = 1.0-2
apt-get download hello
debsig-verify hello_1.0-2_amd64.deb
cp $ring /etc/last.gpg
cp /etc/first.gpg $ring
if apt-get update --error-on=any > refused 2>&1; then echo "a machine that knows the first key only believes the last"; exit 1; fi
grep NO_PUBKEY refused || grep 'Missing key' refused
echo "phase 3 is done"
`

// TestMachines takes fresh machines of two releases through installing, a rotation of keys and upgrades.
func TestMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("runs containers")
	}
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) { t.Parallel(); runMachine(t, release) })
	}
}

func runMachine(t *testing.T, release string) {
	engine, err := podman.Open(t.Context(), bottest.Cache(t))
	if err != nil {
		t.Fatal(err)
	}
	said := &transcript{heard: make(chan struct{}, 1)}
	image, err := engine.Provision(t.Context(), environment.Request{
		Base: environment.Base{Release: release, Mirror: "http://deb.debian.org/debian"}, Architecture: "amd64",
		Depends: "apt-file, debsig-verify, gpg, gpgv, ca-certificates",
	}, said)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	f, old, fresh := newRotation(t)
	asked := new(paths)
	url := noting(t, f.output, asked)
	inputs := t.TempDir()
	ended := make(chan error, 1)
	go func() {
		status, err := engine.Run(t.Context(), environment.Run{
			Name: "foundry-test-" + release + "-" + filepath.Base(filepath.Dir(inputs)), Image: image, Script: machine, Inputs: inputs, Env: []string{"URL=" + url},
			Network: true, Writable: true, Log: said, Limits: environment.Limits{Time: 3 * time.Minute},
		})
		if err == nil && status != 0 {
			err = fmt.Errorf("exit status %d", status)
		}
		ended <- err
	}()
	said.await(t, "phase 1 is done", ended)
	for _, path := range asked.list() {
		if strings.Contains(path, "/dists/") && !strings.Contains(path, "/by-hash/SHA256/") && !strings.HasSuffix(path, "/InRelease") {
			t.Errorf("%s was asked for, and not by its hash", path)
		}
	}
	if sum := sumOf(t, f.output, "main/binary-amd64/Packages.zst"); !slices.Contains(asked.list(), "/dists/stable/main/binary-amd64/by-hash/SHA256/"+sum) {
		t.Errorf("nobody has asked for what zstd has compressed: %v", asked.list())
	}
	f.reopen(t, old, fresh)
	goOn(t, inputs, "1")
	said.await(t, "phase 2 is done", ended)
	f.reopen(t, fresh)
	if _, err := f.run(t, f.sign(t, "1.0-2")); err != nil {
		t.Fatal(err)
	}
	goOn(t, inputs, "2")
	if err := <-ended; err != nil || !strings.Contains(said.String(), "phase 3 is done") {
		t.Errorf("%v:\n%s", err, said)
	}
}

// sumOf is the SHA-256 of an index as the Release file of bookworm has it.
func sumOf(t *testing.T, output, index string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(output, "dists/bookworm/Release"))
	if err != nil {
		t.Fatal(err)
	}
	_, sums, _ := strings.Cut(string(text), "\nSHA256:")
	for line := range strings.Lines(sums) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] == index {
			return fields[0]
		}
	}
	t.Fatalf("Release has no %s", index)
	return ""
}

// newRotation is a repository that the first of two keys signs, and that has hello.
func newRotation(t *testing.T) (f *fixture, old, fresh string) {
	t.Helper()
	f = newFixture(t)
	dir := t.TempDir()
	old, fresh = filepath.Join(dir, "old.asc"), filepath.Join(dir, "fresh.asc")
	for _, path := range []string{old, fresh} {
		if _, _, err := trust.LoadOrCreate(path, "repository"); err != nil {
			t.Fatal(err)
		}
	}
	f.settings.Codenames, f.settings.Zstd = []string{"bookworm=stable"}, true
	f.reopen(t, old)
	if _, err := f.run(t, f.sign(t, "1.0-1")); err != nil {
		t.Fatal(err)
	}
	return f, old, fresh
}

// goOn lets the machine begin what follows phase n.
func goOn(t *testing.T, inputs, n string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(inputs, n), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// transcript is what a machine says.
type transcript struct {
	mu    sync.Mutex
	text  bytes.Buffer
	heard chan struct{}
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.heard <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the machine has said something.
func (s *transcript) await(t *testing.T, text string, ended chan error) {
	t.Helper()
	for !strings.Contains(s.String(), text) {
		select {
		case err := <-ended:
			t.Fatalf("%v before %q:\n%s", err, text, s)
		case <-s.heard:
		}
	}
}

// paths are what was asked for.
type paths struct {
	mu  sync.Mutex
	all []string
}

func (p *paths) list() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// noting serves a folder and notes what is asked for.
func noting(t *testing.T, dir string, p *paths) (url string) {
	t.Helper()
	files := handler(openRoot(t, dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.all = append(p.all, r.URL.Path)
		p.mu.Unlock()
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
