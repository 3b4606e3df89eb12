package trust_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"foundry/pkg/trust/trusttest"

	"foundry/pkg/trust"
)

func TestKeyIsSavedAndLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "bot", "buildbot.asc")
	key := newKey(t, "buildbot")
	if err := key.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := trust.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Fingerprint() != key.Fingerprint() || len(key.Fingerprint()) != 40 {
		t.Errorf("loaded key %s, saved %s", loaded.Fingerprint(), key.Fingerprint())
	}
	if _, err := ring(t, public(t, key)).Verify([]byte("x"), sign(t, loaded, []byte("x"))); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): fs.ModeDir | 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %s is %v, want %v", name, info.Mode(), want)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files beside the key, want none", len(entries)-1)
	}
}

func TestGenerateRefusesNames(t *testing.T) {
	for _, name := range []string{"", " ", "a<b", "a\x00b", "(x)"} {
		if _, err := trust.Generate(name); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	trusttest.GPGHome(t)
	key := newKey(t, "signbot")
	path := filepath.Join(t.TempDir(), "key")
	if err := key.Save(path); err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := newKey(t, "other")
	if err := other.Save(path); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	run(t, nil, "gpg", "--batch", "--quiet", "--passphrase", "secret", "--pinentry-mode", "loopback",
		"--quick-generate-key", "locked", "ed25519", "sign", "0")
	locked := run(t, nil, "gpg", "--batch", "--armor", "--passphrase", "secret", "--pinentry-mode", "loopback",
		"--export-secret-keys", "locked")
	tests := map[string]struct {
		data []byte
		mode fs.FileMode
		want string
	}{
		"read by group":   {private, 0o640, "others may use the private key"},
		"read by others":  {private, 0o604, "others may use the private key"},
		"written by all":  {private, 0o622, "others may use the private key"},
		"empty":           {nil, 0o600, "no key in the file"},
		"garbage":         {[]byte("hello\n"), 0o600, "no key in the file"},
		"binary garbage":  {bytes.Repeat([]byte{0xff}, 100), 0o600, "load key"},
		"half written":    {private[:len(private)/2], 0o600, "armored block without end"},
		"two keys":        {append(bytes.Clone(private), second...), 0o600, "2 keys"},
		"public":          {public(t, key), 0o600, "public key only"},
		"with passphrase": {locked, 0o600, "has a passphrase"},
		"huge":            {bytes.Repeat([]byte("x"), 17<<20), 0o600, "larger than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := write(t, tt.data)
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := trust.Load(path)
			complains(t, err, tt.want)
			complains(t, err, path)
		})
	}
	_, err = trust.Load(write(t, locked))
	hints(t, err, "let gpg-agent keep it")
	_, err = trust.Load(filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	_, err = trust.Load(t.TempDir())
	complains(t, err, "not a regular file")
}

func TestLoadOrCreateIsSafeInARace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "buildbot.asc")
	const racers = 8
	prints := make([]string, racers)
	created := make([]bool, racers)
	var group sync.WaitGroup
	for i := range racers {
		group.Go(func() {
			key, made, err := trust.LoadOrCreate(path, "buildbot")
			if err != nil {
				t.Error(err)
				return
			}
			prints[i], created[i] = key.Fingerprint(), made
		})
	}
	group.Wait()
	makers := 0
	for i := range racers {
		if prints[i] != prints[0] {
			t.Errorf("keys %s and %s", prints[0], prints[i])
		}
		if created[i] {
			makers++
		}
	}
	if makers != 1 {
		t.Errorf("%d created the key, want 1", makers)
	}
}

func TestLoadOrCreateDoesNotReplaceABadKey(t *testing.T) {
	path := write(t, []byte("half a key"))
	if _, _, err := trust.LoadOrCreate(path, "buildbot"); err == nil {
		t.Error("no error")
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "half a key" {
		t.Errorf("file is %q, %v", data, err)
	}
}

func TestGpgImportsKeys(t *testing.T) {
	trusttest.GPGHome(t)
	path := filepath.Join(t.TempDir(), "key")
	key := newKey(t, "packages of example")
	if err := key.Save(path); err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	run(t, private, "gpg", "--batch", "--quiet", "--import")
	list := run(t, nil, "gpg", "--batch", "--with-colons", "--list-secret-keys", key.Fingerprint())
	if !strings.Contains(string(list), "packages of example <packages-of-example@") {
		t.Errorf("gpg lists:\n%s", list)
	}
	exported := run(t, nil, "gpg", "--batch", "--armor", "--export-secret-keys", key.Fingerprint())
	again, err := trust.Load(write(t, exported))
	if err != nil {
		t.Fatal(err)
	}
	if again.Fingerprint() != key.Fingerprint() {
		t.Errorf("key came back as %s", again.Fingerprint())
	}
}

func BenchmarkSign(b *testing.B) {
	key := newKey(b, "buildbot")
	payload := bytes.Repeat([]byte("x"), 1500)
	for b.Loop() {
		if _, err := key.Sign(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func TestLooseErrorSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.asc")
	if err := newKey(t, "a").Save(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := trust.Load(path)
	var loose *trust.LooseError
	if !errors.As(err, &loose) || loose.Hint() != "chmod 600 "+path {
		t.Errorf("got error %v, want a LooseError whose hint is chmod 600 %s", err, path)
	}
}
