package remote

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/gitrepotest"
)

// TestHeads lists the heads over everything that can be spoken.
func TestHeads(t *testing.T) {
	w, head := gitrepotest.Standard(t)
	first := w.Git("rev-parse", "v1")
	w.Git("update-server-info")
	root := filepath.Dir(w.Dir)
	want := []Head{
		{"debian/sid", first, false},
		{"main", head, true},
		{"pristine-tar", first, false},
		{"upstream", first, false},
		{"tags/v1", first, false},
		{"tags/v2", head, false},
	}
	for _, test := range []struct{ name, url string }{
		{"path", w.Dir},
		{"file", "file://" + w.Dir},
		{"smart", gitrepotest.SmartServer(t, root, "", false).URL + "/hello/.git"},
		{"smart version 0", gitrepotest.SmartServer(t, root, "", true).URL + "/hello/.git"},
		{"smart with password", strings.Replace(gitrepotest.SmartServer(t, root, "s3cret", false).URL, "//", "//ann:s3cret@", 1) + "/hello/.git/"},
		{"dumb", gitrepotest.DumbServer(t, root).URL + "/hello/.git"},
		{"daemon", gitrepotest.Daemon(t, root) + "/hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			heads, err := Heads(t.Context(), test.url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, heads); diff != "" {
				t.Errorf("heads (-want +got):\n%s", diff)
			}
			if strings.HasPrefix(test.url, "http") {
				if _, err := httpRefs(t.Context(), test.url); err != nil {
					t.Errorf("git had to be asked: %v", err)
				}
			}
		})
	}
}

// FuzzListing checks that answers of servers do no harm.
func FuzzListing(f *testing.F) {
	f.Add([]byte(someHash + "\trefs/heads/main\nref: refs/heads/main\tHEAD\n"))
	f.Add([]byte("000eversion 2\n0000"))
	f.Add([]byte("003d" + someHash + " refs/heads/main\n0000"))
	f.Add([]byte("001e# service=git-upload-pack\n0000" + "0000"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		_, _, _ = readCapabilities(answer)
		for _, parse := range []func([]byte) (*refList, error){parseListing, decodeLsRefs, decodeAdvertisement} {
			refs, err := parse(answer)
			if err != nil {
				continue
			}
			for _, h := range refs.heads() {
				if !git.IsHash(h.Commit) || !git.ValidName(strings.TrimPrefix(h.Name, "tags/")) && !git.ValidName(h.Name) {
					t.Fatalf("head %+v", h)
				}
			}
		}
	})
}
