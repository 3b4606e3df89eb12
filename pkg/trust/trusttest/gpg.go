// Package trusttest gives tests what they need of GnuPG.
package trusttest

import (
	"os"
	"os/exec"
	"testing"
)

// GPGHome gives gpg an empty home of its own until the test ends, and returns it. Its path is short enough for
// the socket of gpg's agent, which is stopped in the end.
func GPGHome(t testing.TB) (home string) {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Fatal("gpg is not installed; run: apt-get install gnupg")
	}
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		if err := exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run(); err != nil {
			t.Errorf("stop gpg-agent: %v", err)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return home
}
