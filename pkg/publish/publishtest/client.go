package publishtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A Client is a machine's apt, with all its folders below one of the test.
type Client struct {
	root string
	uri  string
	env  []string
}

// NewClient makes a client of the given architecture whose only source is the suite at uri,
// verified with the armored key in the file.
func NewClient(t testing.TB, uri, codename, arch, key string) *Client {
	t.Helper()
	c := &Client{root: t.TempDir(), uri: uri}
	for _, dir := range []string{"etc/sources.list.d", "etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial", "log"} {
		if err := os.MkdirAll(filepath.Join(c.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(c.root, "status"), "")
	c.Source(t,
		fmt.Sprintf("Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n", uri, codename, key))
	config := fmt.Sprintf(`Dir::Etc "%[1]s/etc"; Dir::State "%[1]s/state"; Dir::State::status "%[1]s/status"; Dir::Cache "%[1]s/cache"; Dir::Log "%[1]s/log";
APT::Architecture "%[2]s"; APT::Architectures { "%[2]s"; }; APT::Sandbox::User "root"; Acquire::Languages "en"; Acquire::http::Proxy "false"; APT::Update::Error-Mode "any";
`, c.root, arch)
	write(t, filepath.Join(c.root, "apt.conf"), config)
	c.env = append(os.Environ(), "APT_CONFIG="+filepath.Join(c.root, "apt.conf"), "LC_ALL=C.UTF-8", "http_proxy=")
	return c
}

// Source makes text, in deb822 style, the client's only source list.
func (c *Client) Source(t testing.TB, text string) {
	t.Helper()
	write(t, filepath.Join(c.root, "etc", "sources.list.d", "test.sources"), text)
}

// Dir is the folder in which the client's programs run, and where they leave what they download.
func (c *Client) Dir() string { return filepath.Join(c.root, "cache") }

// Run runs apt-get or apt-cache and returns what it says; a warning is an error too.
func (c *Client) Run(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = c.env, c.Dir()
	out, err := cmd.CombinedOutput()
	if err == nil {
		for line := range bytes.Lines(out) {
			if bytes.HasPrefix(line, []byte("W:")) || bytes.HasPrefix(line, []byte("Err:")) || bytes.HasPrefix(line, []byte("E:")) {
				err = fmt.Errorf("%s", bytes.TrimSpace(line))
			}
		}
	}
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w:\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Must is Run for what must not go wrong.
func (c *Client) Must(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := c.Run(program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// client serves the repository over http and returns a client of it.
func (f *fixture) client(t testing.TB, codename, arch string) *Client {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(f.Output(f.dir))))
	t.Cleanup(server.Close)
	return NewClient(t, server.URL, codename, arch, f.Key(f.dir))
}

// dearmor writes an armored public key as gpgv wants it.
func dearmor(t testing.TB, key, to string) {
	t.Helper()
	_, body, _ := strings.Cut(string(read(t, key)), "\n\n")
	body, _, _ = strings.Cut(body, "\n-----END")
	if i := strings.LastIndex(body, "\n="); i >= 0 {
		body = body[:i] // the checksum
	}
	data, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
