package trust_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/trust"
)

func TestReadKeyring(t *testing.T) {
	trusttest.GPGHome(t)
	a, b := newKey(t, "a"), newKey(t, "b")
	both := []string{a.Fingerprint(), b.Fingerprint()}
	run(t, append(public(t, a), public(t, b)...), "gpg", "--batch", "--quiet", "--import")
	tests := map[string]struct {
		data []byte
		want []string
	}{
		"one":              {public(t, a), both[:1]},
		"blocks":           {append(public(t, a), public(t, b)...), both},
		"twice":            {append(public(t, a), public(t, a)...), both[:1]},
		"text around":      {append([]byte("key of a:\n"), append(public(t, a), "\nend\n"...)...), both[:1]},
		"carriage returns": {bytes.ReplaceAll(public(t, a), []byte("\n"), []byte("\r\n")), both[:1]},
		"binary":           {run(t, nil, "gpg", "--export", both[0], both[1]), both},
		"one block of two": {run(t, nil, "gpg", "--armor", "--export", both[0], both[1]), both},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ring(t, tt.data).Fingerprints()
			if name == "binary" || name == "one block of two" { // gpg has an order of its own
				got, tt.want = sorted(got), sorted(tt.want)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadKeyringRefuses(t *testing.T) {
	key := newKey(t, "a")
	path := filepath.Join(t.TempDir(), "key")
	if err := key.Save(path); err != nil {
		t.Fatal(err)
	}
	_, err := trust.ReadKeyring(path)
	complains(t, err, "is a private key")
	_, err = trust.ReadKeyring(path + ".none")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	data := public(t, key)
	for name, bad := range map[string][]byte{
		"empty": nil, "garbage": []byte("x"), "half": data[:len(data)/2], "signature": armoredSignature(t, key),
		"bad armor": bytes.Replace(data, []byte("\n\nx"), []byte("\n\n!"), 1),
	} {
		if _, err := trust.ReadKeyring(write(t, bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func armoredSignature(t *testing.T, key *trust.Key) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := key.Save(path); err != nil {
		t.Fatal(err)
	}
	signer, err := trust.OpenSigner(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Detach(t.Context(), []byte("text\n"))
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func TestVerifyRefuses(t *testing.T) {
	key, other := newKey(t, "a"), newKey(t, "b")
	r := ring(t, public(t, key))
	text := []byte("text\n")
	good := sign(t, key, text)
	if print, err := r.Verify(text, good); err != nil || print != key.Fingerprint() {
		t.Fatalf("good signature: %s, %v", print, err)
	}
	if _, err := r.Verify(text, armoredSignature(t, key)); err != nil {
		t.Fatalf("armored signature: %v", err)
	}
	if _, err := r.Verify(text, append(sign(t, other, text), good...)); err != nil {
		t.Fatalf("second of two signatures: %v", err)
	}
	tests := map[string]struct {
		text, signature []byte
		want            string
	}{
		"altered text":       {[]byte("Text\n"), good, "does not match"},
		"line ends":          {[]byte("text\r\n"), good, "does not match"},
		"longer":             {append(bytes.Clone(text), 0), good, "does not match"},
		"no signature":       {text, nil, "no signature"},
		"unknown key":        {text, sign(t, other, text), "unknown key"},
		"garbage":            {text, []byte("\xff\xff\xff"), "malformed"},
		"text for signature": {text, text, "malformed"},
		"cut":                {text, good[:len(good)-1], "malformed"},
		"followed by more":   {text, append(bytes.Clone(good), 1, 2, 3), "malformed"},
		"a key":              {text, public(t, key), "malformed"},
		"far too many":       {text, bytes.Repeat(sign(t, other, text), 17), "malformed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := r.Verify(tt.text, tt.signature)
			complains(t, err, tt.want)
			if untrusted := new(trust.UntrustedError); !errors.As(err, &untrusted) {
				t.Errorf("%T is no *UntrustedError", err)
			}
		})
	}
}

func TestVerifyJudgesKeysOfGpg(t *testing.T) {
	trusttest.GPGHome(t)
	text := []byte("text\n")
	print := gpgKey(t, "signer <signer@example.org>")
	detach := func(args ...string) []byte {
		return run(t, text, "gpg", append([]string{"--batch", "--quiet", "--local-user", print}, append(args, "--detach-sign")...)...)
	}
	export := func() *trust.Keyring { return ring(t, run(t, nil, "gpg", "--export", print)) }
	r := export()
	if got, err := r.Verify(text, detach()); err != nil || got != print {
		t.Fatalf("good signature: %s, %v", got, err)
	}
	_, err := r.Verify(text, detach("--digest-algo", "SHA1"))
	complains(t, err, "weak hash")
	_, err = r.Verify(text, detach("--textmode"))
	complains(t, err, "wrong kind")
	_, err = r.Verify(text, detach("--faked-system-time", "20380101T000000"))
	complains(t, err, "in the future")
	signature := detach()
	revocation, err := os.ReadFile(filepath.Join(os.Getenv("GNUPGHOME"), "openpgp-revocs.d", print+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	run(t, bytes.Replace(revocation, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1), "gpg", "--batch", "--quiet", "--import")
	_, err = export().Verify(text, signature)
	complains(t, err, "has been revoked")
}

func TestVerifyRefusesExpiredKey(t *testing.T) {
	trusttest.GPGHome(t)
	text := []byte("text\n")
	past := []string{"--batch", "--quiet", "--passphrase", "", "--faked-system-time", "20200101T000000"}
	run(t, nil, "gpg", append(past, "--quick-generate-key", "old", "ed25519", "sign", "1y")...)
	signature := run(t, text, "gpg", append(past, "--detach-sign")...)
	_, err := ring(t, run(t, nil, "gpg", "--export", "old")).Verify(text, signature)
	complains(t, err, "has expired")
}

func TestVerifyClearsigned(t *testing.T) {
	trusttest.GPGHome(t)
	print := gpgKey(t, "signer <signer@example.org>")
	text := "Origin: example\n- dashed\n-----BEGIN PGP SIGNATURE-----\n\nFrom here  \nend\n"
	signed := run(t, []byte(text), "gpg", "--batch", "--quiet", "--clear-sign")
	r := ring(t, run(t, nil, "gpg", "--export", print))
	plain, got, err := r.VerifyClearsigned(signed)
	if err != nil || got != print {
		t.Fatalf("good signature: %s, %v", got, err)
	}
	want := "Origin: example\n- dashed\n-----BEGIN PGP SIGNATURE-----\n\nFrom here\nend\n"
	if diff := cmp.Diff(want, string(plain)); diff != "" {
		t.Error(diff)
	}
	stranger := newKey(t, "stranger")
	_, _, err = ring(t, public(t, stranger)).VerifyClearsigned(signed)
	complains(t, err, "unknown key")
	tests := map[string][]byte{
		"empty":        nil,
		"unsigned":     []byte(text),
		"altered":      bytes.Replace(signed, []byte("example"), []byte("Example"), 1),
		"text before":  append([]byte("Package: evil\n"), signed...),
		"text after":   append(bytes.Clone(signed), "Package: evil\n"...),
		"two blocks":   append(bytes.Clone(signed), signed...),
		"line added":   bytes.Replace(signed, []byte("Origin"), []byte("Evil: yes\nOrigin"), 1),
		"no signature": signed[:bytes.LastIndex(signed, []byte("-----BEGIN PGP SIGNATURE"))],
		"half":         signed[:len(signed)-60],
		"header added": bytes.Replace(signed, []byte("Hash:"), []byte("Evil: yes\nHash:"), 1),
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			plain, _, err := r.VerifyClearsigned(bad)
			if err == nil || plain != nil {
				t.Errorf("believed:\n%s", plain)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	key := newKey(f, "fuzz")
	text := []byte("text\n")
	r := ring(f, public(f, key))
	f.Add([]byte("text"), sign(f, key, text))
	f.Add([]byte("text\r\n"), []byte("-----BEGIN PGP SIGNATURE-----\n\n"))
	f.Fuzz(func(t *testing.T, data, signature []byte) {
		if _, err := r.Verify(data, signature); err == nil && !bytes.Equal(data, text) {
			t.Errorf("altered text %q was believed", data)
		}
		if _, _, err := r.VerifyClearsigned(data); err == nil {
			t.Errorf("unsigned text %q was believed", data)
		}
	})
}
