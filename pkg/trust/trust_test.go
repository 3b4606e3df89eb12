package trust_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/trust"
)

// tool fails the test when program is not installed.
func tool(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is not installed; run: apt-get install %s", program, pkg)
	}
	return path
}

// run runs a program and returns what it writes to standard output.
func run(t testing.TB, input []byte, program string, args ...string) []byte {
	t.Helper()
	out, err := try(input, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func try(input []byte, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(input)
	var out bytes.Buffer
	problems := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = &out, problems
	if err := cmd.Run(); err != nil {
		return nil, &exec.Error{Name: program + " " + strings.Join(args, " ") + ": " + problems.String(), Err: err}
	}
	return out.Bytes(), nil
}

// gpgKey makes a key in gpg's home and returns its fingerprint.
func gpgKey(t testing.TB, user string, args ...string) string {
	t.Helper()
	generate := append([]string{"--batch", "--quiet", "--passphrase", "", "--status-fd", "1"}, args...)
	status := run(t, nil, "gpg", append(generate, "--quick-generate-key", user, "ed25519", "sign", "0")...)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[1] == "KEY_CREATED" {
			return fields[3]
		}
	}
	t.Fatalf("gpg made no key: %s", status)
	return ""
}

func newKey(t testing.TB, name string) *trust.Key {
	t.Helper()
	key, err := trust.Generate(name)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func public(t testing.TB, key *trust.Key) []byte {
	t.Helper()
	data, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func ring(t testing.TB, keys ...[]byte) *trust.Keyring {
	t.Helper()
	r, err := trust.ReadKeyring(write(t, bytes.Join(keys, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(t testing.TB, key *trust.Key, payload []byte) []byte {
	t.Helper()
	signature, err := key.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// complains checks that err is there and says what is wanted.
func complains(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

// hints checks that err tells a person what to do.
func hints(t testing.TB, err error, want string) {
	t.Helper()
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), want) {
		t.Errorf("got error %v, want one whose hint has %q", err, want)
	}
}
