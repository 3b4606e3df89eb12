package gitrepo

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/gitrepo/gitrepotest"
	"foundry/pkg/trust"
)

func TestCommit(t *testing.T) {
	w := gitrepotest.NewWorkshop(t)
	head := w.Commit("Grüße\x1b[31m \u202e!\n\nbody")
	got, err := fetchedMirror(t, w, head).Commit(background(t), head)
	if err != nil {
		t.Fatal(err)
	}
	want := Commit{
		Hash: head, Tree: w.Git("rev-parse", "HEAD^{tree}"),
		Author: "Ann Author", Email: "ann@example.org", Committer: "Cem Committer", CommitterEmail: "cem@example.org",
		Time: time.Date(2026, 11, 20, 12, 1, 0, 0, time.UTC), Subject: "Grüße [31m  !",
		Payload: []byte(w.Git("cat-file", "commit", head) + "\n"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVerifyCommit(t *testing.T) {
	w := gitrepotest.NewWorkshop(t)
	home := trusttest.GPGHome(t)
	tool := func(name string, args ...string) []byte {
		t.Helper()
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Fatalf("%s: %v (apt install gnupg openssh-client)", name, err)
		}
		return out
	}
	tool("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "Cem <cem@example.org>", "ed25519", "sign", "never")
	ring := filepath.Join(home, "public.asc")
	put(t, ring, string(tool("gpg", "--armor", "--export", "cem@example.org")))
	keyring, err := trust.ReadKeyring(ring)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := w.Commit("unsigned")
	w.Git("config", "user.signingKey", "cem@example.org")
	w.Git("commit", "--quiet", "--allow-empty", "-S", "-m", "signed")
	signed := w.Git("rev-parse", "HEAD")
	tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(home, "id"))
	w.Git("-c", "gpg.format=ssh", "-c", "user.signingKey="+filepath.Join(home, "id.pub"), "commit", "--quiet", "--allow-empty", "-S", "-m", "by ssh")
	ssh := w.Git("rev-parse", "HEAD")
	m := fetchedMirror(t, w, ssh)
	get := func(hash string) Commit {
		t.Helper()
		if err := m.Fetch(background(t), hash, "main"); err != nil {
			t.Fatal(err)
		}
		c, err := m.Commit(background(t), hash)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	fingerprint, err := VerifyCommit(keyring, get(signed))
	if err != nil || fingerprint != keyring.Fingerprints()[0] {
		t.Errorf("signed: %q, %v", fingerprint, err)
	}
	if _, err := VerifyCommit(keyring, get(unsigned)); !errors.Is(err, ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := VerifyCommit(keyring, get(ssh)); !errors.Is(err, ErrSignature) {
		t.Errorf("by ssh: %v", err)
	}
	altered := get(signed)
	altered.Payload = append(altered.Payload, '\n')
	if _, err := VerifyCommit(keyring, altered); err == nil {
		t.Error("an altered commit was believed")
	}
	swapped := get(unsigned)
	swapped.Signature = get(signed).Signature
	if _, err := VerifyCommit(keyring, swapped); err == nil {
		t.Error("the signature of another commit was believed")
	}
}

// TestParseCommitRefuses checks what cannot be a commit, or could hide a second signature.
func TestParseCommitRefuses(t *testing.T) {
	good := "tree " + someHash + "\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
	if _, err := parseCommit([]byte(good + "\nx\n")); err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{
		"", "\n\n", "tree x\n\n", good + "gpgsig a\ngpgsig b\n\nx\n",
		strings.Replace(good, "committer A <a@b> 1", "committer A <a@b> -1", 1) + "\nx",
		strings.Replace(good, "committer A <a@b> 1", "committer A <a@b> 99999999999999", 1) + "\nx",
		strings.Replace(good, "committer A <a@b> 1", "committer A 1", 1) + "\nx",
	} {
		if c, err := parseCommit([]byte(raw)); err == nil {
			t.Errorf("%q: %+v", raw, c)
		}
	}
}

// FuzzCommit checks that the payload and signature of a commit are disjoint parts of it.
func FuzzCommit(f *testing.F) {
	f.Add([]byte("tree " + someHash + "\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\ngpgsig x\n y\n\nsubject\n"))
	f.Add([]byte("tree " + someHash + "\n\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseCommit(raw)
		if err != nil {
			return
		}
		if len(c.Payload) > len(raw)+1 || c.Signature == "" && string(c.Payload) != string(raw) && string(c.Payload) != string(raw)+"\n" {
			t.Fatalf("payload %q of %q", c.Payload, raw)
		}
	})
}
