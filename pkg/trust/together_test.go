package trust_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/trust"
)

func signer(t *testing.T, spec string) trust.Signer {
	t.Helper()
	s, err := trust.OpenSigner(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stub makes a key whose primary half gpg does not have, as when that is kept off-line, and whose signing
// subkey it has in the agent. A smartcard is to gpg the same with the subkey's half elsewhere too.
func stub(t *testing.T) trust.Signer {
	t.Helper()
	print := gpgKey(t, "Stub <stub@example.org>")
	run(t, nil, "gpg", "--batch", "--passphrase", "", "--quick-add-key", print, "ed25519", "sign", "2y")
	secret := run(t, nil, "gpg", "--batch", "--armor", "--export-secret-subkeys", print)
	trusttest.GPGHome(t)
	run(t, secret, "gpg", "--batch", "--quiet", "--import")
	list := string(run(t, nil, "gpg", "--batch", "--list-secret-keys", print))
	if !strings.Contains(list, "sec#") {
		t.Fatalf("gpg has the primary key still:\n%s", list)
	}
	return signer(t, print)
}

// three are signers with a key in a file, in gpg's agent, and in a subkey without its primary key.
func three(t *testing.T) []trust.Signer {
	t.Helper()
	trusttest.GPGHome(t)
	path := filepath.Join(t.TempDir(), "key.asc")
	if err := newKey(t, "file").Save(path); err != nil {
		t.Fatal(err)
	}
	last := stub(t)
	return []trust.Signer{signer(t, path), signer(t, gpgKey(t, "Agent <agent@example.org>")), last}
}

// goodSignatures counts the signatures that gpgv finds good with the keys given.
func goodSignatures(t *testing.T, keys []byte, files ...string) int {
	t.Helper()
	keyring := write(t, run(t, keys, "gpg", "--dearmor"))
	// gpgv ends with status 2 when it does not know one of the keys; apt looks at what it has said before.
	cmd := append([]string{"-c", `gpgv --status-fd 1 "$@" 2>/dev/null || [ $? = 2 ]`, "sh", "--keyring", keyring, "--output", os.DevNull}, files...)
	return strings.Count(string(run(t, nil, "sh", cmd...)), "[GNUPG:] VALIDSIG ")
}

func TestTogether(t *testing.T) {
	tool(t, "gpgv", "gpgv")
	tool(t, "sqv", "sqv")
	signers := three(t)
	all := trust.Together(signers...)
	sign := func(f func(context.Context, []byte) ([]byte, error)) string {
		t.Helper()
		signed, err := f(t.Context(), []byte(release))
		if err != nil {
			t.Fatal(err)
		}
		return write(t, signed)
	}
	inline, detached, binary, text := sign(all.Clearsign), sign(all.Detach), sign(all.DetachBinary), write(t, []byte(release))
	public, err := all.Public()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(public), "-----BEGIN"); n != 1 {
		t.Errorf("%d armored blocks of public keys: apt reads the first only", n)
	}
	var prints []string
	for _, s := range signers {
		prints = append(prints, s.Fingerprint())
		one, err := s.Public()
		if err != nil {
			t.Fatal(err)
		}
		if n := goodSignatures(t, one, inline); n != 1 {
			t.Errorf("InRelease: %d good signatures of %s", n, s.Fingerprint())
		}
		for _, f := range []string{detached, binary} {
			if n := goodSignatures(t, one, f, text); n != 1 {
				t.Errorf("Release.gpg: %d good signatures of %s", n, s.Fingerprint())
			}
			run(t, nil, "sqv", "--keyring", write(t, one), f, text)
		}
		plain, print, err := ring(t, one).VerifyClearsigned(read(t, inline))
		if err != nil || print != s.Fingerprint() || string(plain) != release {
			t.Errorf("key %s: %v", s.Fingerprint(), err)
		}
	}
	if n := goodSignatures(t, public, inline); n != len(signers) {
		t.Errorf("InRelease: %d good signatures of all keys", n)
	}
	if diff := cmp.Diff(prints, ring(t, public).Fingerprints()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(prints, trust.Fingerprints(all)); diff != "" {
		t.Error(diff)
	}
	if all.Fingerprint() != prints[0] {
		t.Error("not the fingerprint of the first")
	}
}

func TestAptBelievesEachOfSeveralSignatures(t *testing.T) {
	tool(t, "apt-get", "apt")
	signers := three(t)
	all := trust.Together(signers...)
	content := "Origin: example\nSuite: stable\nCodename: stable\nDate: Fri, 20 Nov 2020 23:15:01 UTC\n" +
		"Architectures: amd64\nComponents: main\nSHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages\n"
	inline, err := all.Clearsign(t.Context(), []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	detached, err := all.Detach(t.Context(), []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(signers, all) {
		public, err := s.Public()
		if err != nil {
			t.Fatal(err)
		}
		if err := aptUpdate(t, public, map[string]string{"InRelease": string(inline)}); err != nil {
			t.Errorf("InRelease: %v", err)
		}
		if err := aptUpdate(t, public, map[string]string{"Release": content, "Release.gpg": string(detached)}); err != nil {
			t.Errorf("Release.gpg: %v", err)
		}
	}
	if aptUpdate(t, public(t, newKey(t, "stranger")), map[string]string{"InRelease": string(inline)}) == nil {
		t.Error("a client that knows none of the keys believes")
	}
}

// broken is a signer whose card was pulled out.
type broken struct{ trust.Signer }

func (broken) Clearsign(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("card is not there")
}

func (broken) Detach(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("card is not there")
}

func (broken) DetachBinary(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("card is not there")
}

// other clearsigns another text than it was given.
type other struct{ trust.Signer }

func (o other) Clearsign(ctx context.Context, data []byte) ([]byte, error) {
	return o.Signer.Clearsign(ctx, append([]byte("Evil: yes\n"), data...))
}

func TestTogetherFailsWithOneOfItsSigners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.asc")
	if err := newKey(t, "file").Save(path); err != nil {
		t.Fatal(err)
	}
	good := signer(t, path)
	_, err := trust.Together(good, broken{good}).Clearsign(t.Context(), []byte(release))
	complains(t, err, "card is not there")
	_, err = trust.Together(good, broken{good}).Detach(t.Context(), []byte(release))
	complains(t, err, "card is not there")
	_, err = trust.Together(good, other{good}).Clearsign(t.Context(), []byte(release))
	complains(t, err, "different texts")
	_, err = trust.Together().Clearsign(t.Context(), []byte(release))
	complains(t, err, "no key")
}

// TestTogetherRefusesMixedHashes is about gpg, which checks the first of such signatures only.
func TestTogetherRefusesMixedHashes(t *testing.T) {
	trusttest.GPGHome(t)
	path := filepath.Join(t.TempDir(), "key.asc")
	if err := newKey(t, "file").Save(path); err != nil {
		t.Fatal(err)
	}
	good := signer(t, path)
	weak := hashed{good, gpgKey(t, "Card <card@example.org>")}
	_, err := trust.Together(good, weak).Detach(t.Context(), []byte(release))
	complains(t, err, "signs with SHA-512 and key")
	hints(t, err, "both must use SHA-512")
}

// hashed is a signer that can use SHA-256 only.
type hashed struct {
	trust.Signer
	key string
}

func (h hashed) DetachBinary(_ context.Context, data []byte) ([]byte, error) {
	return try(data, "gpg", "--batch", "--quiet", "--local-user", h.key, "--digest-algo", "SHA256", "--detach-sign")
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
