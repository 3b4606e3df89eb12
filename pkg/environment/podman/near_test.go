package podman

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/index"
	"foundry/pkg/message"
)

func TestMentioned(t *testing.T) {
	const relations = "hello, libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0, g++-12:any\nfoo, , \nbar+x,0ad\n"
	want := []string{"0ad", "bar+x", "debconf", "debconf-2.0", "foo", "g++-12", "hello", "libc6"}
	if diff := cmp.Diff(want, mentioned(relations)); diff != "" {
		t.Error(diff)
	}
}

// archive is an apt repository as its own builds see it.
type archive struct {
	t   *testing.T
	dir string
}

// publish puts a state of the archive in place and returns the hash of its Release file.
func (a archive) publish(state, packages string) string {
	a.t.Helper()
	dists := filepath.Join(a.dir, "dists")
	target := filepath.Join(dists, ".acme", state, "main", "binary-amd64")
	link := filepath.Join(dists, "acme")
	release := "Codename: acme\nState: " + state + "\n"
	for _, err := range []error{
		os.MkdirAll(target, 0o755),
		os.WriteFile(filepath.Join(target, "Packages"), []byte(packages), 0o644),
		os.WriteFile(filepath.Join(dists, ".acme", state, "InRelease"), []byte(release), 0o644),
		os.RemoveAll(link),
		os.Symlink(filepath.Join(".acme", state), link),
	} {
		if err != nil {
			a.t.Fatal(err)
		}
	}
	sum := sha256.Sum256([]byte(release))
	return hex.EncodeToString(sum[:])
}

const (
	liba  = "Package: liba\nVersion: 1\nDescription: x\n Package: trap\n"
	liba2 = "Package: liba\nVersion: 2\n"
	mta   = "Version: 1\nPackage: exim\nProvides: mail-transport-agent (= 1), mta\n"
	other = "Package: other\nVersion: 1\nDepends: liba\n"
)

// TestNearAnswer: an environment is used again while an archive changes in what has no bearing on it, and only then.
func TestNearAnswer(t *testing.T) {
	a := archive{t, t.TempDir()}
	folder, err := index.Open(t.TempDir(), answers, mentions, nears)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{index: folder}
	image := message.Image{Key: "k", ID: "sha256:1"}
	if err := folder.Save(mentions, image.Key, mention{image.ID, []string{"liba"}}); err != nil {
		t.Fatal(err)
	}
	at := func(release string) *plan {
		list := environment.SourceList{URI: "file:" + a.dir, Suite: "acme", Components: []string{"main"}, Optional: true}
		return &plan{
			near: "n", own: []ownArchive{{list, release}},
			Request: environment.Request{Architecture: "amd64", Depends: "default-mta | mail-transport-agent"},
		}
	}
	known := func(p *plan) string {
		t.Helper()
		var n nearAnswer
		if !folder.Load(nears, p.near, &n) {
			t.Fatal("nothing is remembered")
		}
		now, ok := p.bearing(n.Names)
		switch {
		case !ok:
			return "unknown"
		case now == n.Bearing:
			return "same"
		}
		return "changed"
	}
	absent := at("")
	if err := e.rememberNear(absent, image); err != nil {
		t.Fatal(err)
	}
	if got := known(absent); got != "same" {
		t.Errorf("an archive that is not there is %s", got)
	}
	if got := known(at(a.publish("0", other))); got != "same" {
		t.Errorf("with another package, after there was none, the archive is %s", got)
	}
	if err := e.rememberNear(at(a.publish("1", liba+"\n"+other)), image); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, packages, want string }{
		{"another package", liba + "\n" + other + "\nPackage: trap\nVersion: 1\n", "same"},
		{"another order of others", "Package: aaa\nVersion: 1\n\n" + liba + "\n", "same"},
		{"a new version", liba2 + "\n" + other, "changed"},
		{"one version more", liba + "\n" + liba2 + "\n" + other, "changed"},
		{"gone", other, "changed"},
		{"what the request may depend on is provided", liba + "\n" + mta, "changed"},
	} {
		p := at(a.publish(test.name, test.packages))
		if got := known(p); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		a.publish("later", liba+"\n"+other)
		if got := known(p); got != "unknown" {
			t.Errorf("%s: %s although the archive has changed since", test.name, got)
		}
	}
	elsewhere := at("")
	elsewhere.own[0].list.URI = "http://apt.example.org"
	if got := known(elsewhere); got != "unknown" {
		t.Errorf("an archive that cannot be read is %s", got)
	}
}
