package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"foundry/pkg/bot"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// parse parses flags as the program does.
func parse(t *testing.T, args ...string) (*options, error) {
	t.Helper()
	o, fs := new(options), pflag.NewFlagSet("provisionbot", pflag.ContinueOnError)
	o.declare(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o, o.check()
}

func TestSelf(t *testing.T) {
	other := environment.SourceList{URI: "http://x", Suite: "stable", Components: []string{"main"}}
	for _, test := range []struct {
		name string
		args []string
		want environment.SourceList
	}{
		{"Folder", []string{"--self", "/srv/repo/main/"}, environment.SourceList{
			URI: "file:///srv/repo/main", Components: []string{"main"}, Keyring: "/srv/repo/main/main.asc",
		}},
		{"Components", []string{"--self", "/srv/repo/main main extra"}, environment.SourceList{
			URI: "file:///srv/repo/main", Components: []string{"main", "extra"}, Keyring: "/srv/repo/main/main.asc",
		}},
		{"Keyring", []string{"--self", "/srv/repo", "--self-keyring", "/k.gpg"}, environment.SourceList{
			URI: "file:///srv/repo", Components: []string{"main"}, Keyring: "/k.gpg",
		}},
		{"URI", []string{"--self", "https://apt.example.org/debian", "--self-keyring", "/k.gpg"}, environment.SourceList{
			URI: "https://apt.example.org/debian", Components: []string{"main"}, Keyring: "/k.gpg",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := parse(t, append(test.args, "--repository", "http://x stable main", "--base", "acme=bookworm")...)
			if err != nil {
				t.Fatal(err)
			}
			source := &message.Source{Package: message.Package{Codename: "acme"}}
			r, err := (&provisioner{options: o}).request(source, new(message.Provision))
			// Of the package's codename, not the release that it is built in.
			test.want.Suite, test.want.Optional = "acme", true
			if diff := cmp.Diff([]environment.SourceList{other, test.want}, r.Sources); diff != "" || err != nil || r.Base.Release != "bookworm" {
				t.Errorf("%v, base %s (-want +got)\n%s", err, r.Base.Release, diff)
			}
		})
	}
}

func TestSelfRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--self", "repo/main"},
		{"--self", "ftp://x/debian", "--self-keyring", "/k"},
		{"--self", "https://apt.example.org/debian"},
		{"--self", "https://user:secret@apt.example.org/debian", "--self-keyring", "/k"},
		{"--self-keyring", "/k"},
		{"--self", "/srv/repo", "--self-keyring", "k"},
		{"--dependency-wait", "-1s"},
		{"--dependency-grace", "-1s"},
	} {
		if _, err := parse(t, args...); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestSelfWithoutKey has a hint when the key of the repository is not where it is looked for.
func TestSelfWithoutKey(t *testing.T) {
	o, err := parse(t, "--self", "/nonexistent/repo")
	if err != nil {
		t.Fatal(err)
	}
	_, missing := os.ReadFile("/nonexistent/repo/repo.asc")
	if err := o.hintSelf(missing); !strings.Contains(bot.HintOf(err), "--self-keyring") {
		t.Errorf("hint %q", bot.HintOf(err))
	}
	file := filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err = parse(t, "--self", "/nonexistent/repo", "--self-keyring", file); err != nil {
		t.Fatal(err)
	}
	if err := o.hintSelf(missing); bot.HintOf(err) != "" {
		t.Errorf("hint %q although the key is there", bot.HintOf(err))
	}
}
