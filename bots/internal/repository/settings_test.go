package repository

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"foundry/bots/internal/bottest"
	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

func TestFlags(t *testing.T) { bottest.Flags(t, "distbot", (*Settings).Declare) }

// example are settings with defaults but for what makes them whole.
func example(change func(*Settings)) *Settings {
	s := new(Settings)
	s.Declare(pflag.NewFlagSet("", pflag.ContinueOnError))
	s.Codenames, s.Arches = []string{"trixie=stable", "trixie-backports", "sid"}, []string{"amd64"}
	change(s)
	return s
}

func TestSuites(t *testing.T) {
	s := example(func(s *Settings) {
		s.Components, s.ComponentRules, s.DebugComponent = []string{"main", "contrib"}, []string{"a*=contrib", "*=main"}, "debug"
		s.NotAutomatic, s.ButAutomatic = []string{"sid"}, []string{"*-backports"}
		s.AllowDowngrade = []string{"true"}
		s.Keep, s.ReleaseVersions = []string{"sid=3", "2"}, []string{"trixie*=13", "trixie=13.1"}
		s.Origin, s.Zstd = "Us", true
	})
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	got, err := s.Suites()
	if err != nil {
		t.Fatal(err)
	}
	common := publish.Suite{
		Architectures: []string{"amd64"}, Component: "main", Components: []string{"contrib"}, DebugComponent: "debug",
		Rules:  []publish.Rule{{Source: "a*", Component: "contrib"}, {Source: "*", Component: "main"}},
		Origin: "Us", Label: "main", Keep: 2, AllowDowngrade: true, Zstd: true,
	}
	want := []publish.Suite{common, common, common}
	want[0].Codename, want[0].Suite, want[0].Version = "trixie", "stable", "13.1"
	want[1].Codename, want[1].Version, want[1].NotAutomatic, want[1].ButAutomaticUpgrades = "trixie-backports", "13", true, true
	want[2].Codename, want[2].NotAutomatic, want[2].Keep = "sid", true, 3
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s = example(func(s *Settings) { s.AllowDowngrade, s.NotAutomatic = []string{"false"}, []string{"*"} })
	got, err = s.Suites()
	if err != nil || got[0].AllowDowngrade || !got[0].NotAutomatic || got[0].ButAutomaticUpgrades || got[0].Component != "main" || got[0].Keep != 0 {
		t.Errorf("%v, %+v", err, got[0])
	}
}

// TestSaved: settings come back as they were, without secrets, and what is wrong with them is told.
func TestSaved(t *testing.T) {
	state := t.TempDir()
	save := func(name string) *Settings {
		t.Helper()
		s := example(func(s *Settings) {
			s.Name, s.Keep, s.Keys, s.Output = name, []string{"sid=3"}, []string{"0123456789ABCDEF"}, "out"
		})
		if err := errors.Join(os.MkdirAll(Dir(state, name), 0o755), s.Resolve(state), s.Save(state)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := save("main")
	got, err := Load(state, "main")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !filepath.IsAbs(got.Output) || !filepath.IsAbs(got.PackageKeys) {
		t.Errorf("paths are not whole: %+v", got)
	}
	save("other")
	if err := os.Mkdir(Dir(state, "nothing"), 0o755); err != nil {
		t.Fatal(err)
	}
	names, err := Names(state)
	if diff := cmp.Diff([]string{"main", "other"}, names); diff != "" || err != nil {
		t.Errorf("%v, names (-want +got):\n%s", err, diff)
	}
	file := filepath.Join(Dir(state, "other"), savedFile)
	for text, hint := range map[string]string{
		"": "start distbot once", "{": "start distbot once", "[]": "start distbot once", `{"codename":["../x"],"arch":["amd64"]}`: "start distbot once",
		`{"valid_for":1,"codename":["x"],"arch":["amd64"]}`: "start distbot once",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err := Load(state, "other"); err == nil || !strings.Contains(bot.HintOf(err), hint) {
			t.Errorf("%q: %+v, %v (%s)", text, s, err, bot.HintOf(err))
		}
	}
	// What another version has not written has its default, and the key of the state folder is not made.
	if err := os.WriteFile(file, []byte(`{"codename":["x"],"arch":["amd64"],"later":1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err = Load(state, "other")
	if err != nil || got.Snapshots != publish.DefaultSnapshots || got.Name != "other" {
		t.Fatalf("%v, %+v", err, got)
	}
	b := &bot.Bot{Log: zerolog.Nop(), Settings: bot.Settings{State: state}}
	if _, err := got.Options(t.Context(), b); err == nil || !strings.Contains(err.Error(), "repository.asc") {
		t.Errorf("%v, want that there is no key", err)
	}
	if _, err := Load(state, "mian"); err == nil || !strings.Contains(bot.HintOf(err), `did you mean "main"?`) {
		t.Errorf("%v (%s)", err, bot.HintOf(err))
	}
	if _, err := Load(t.TempDir(), "main"); err == nil || !strings.Contains(bot.HintOf(err), "start distbot once to make it") {
		t.Errorf("%v (%s)", err, bot.HintOf(err))
	}
}

// TestUnrecorded keeps word of changes over several commands; what cannot be read is passed over.
func TestUnrecorded(t *testing.T) {
	state := t.TempDir()
	if list, err := ReadUnrecorded(state, "main"); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	if err := os.MkdirAll(Dir(state, "main"), 0o755); err != nil {
		t.Fatal(err)
	}
	listed := func(source string) []publish.Listed {
		return []publish.Listed{{Source: source, Component: "main"}, {Source: source, Component: "contrib"}}
	}
	if err := noteChanged(state, "main", []publish.Changed{{Codename: "sid", Added: listed("a"), Removed: listed("b")}, {Codename: "trixie", Removed: listed("a")}}); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(Dir(state, "main"), unrecordedFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("{\"codename\":\n\x00\n"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), noteChanged(state, "main", []publish.Changed{{Codename: "sid", Added: listed("c")}})); err != nil {
		t.Fatal(err)
	}
	list, err := ReadUnrecorded(state, "main")
	if diff := cmp.Diff([]Unrecorded{{"sid", "a"}, {"sid", "b"}, {"trixie", "a"}, {"sid", "c"}}, list); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for range 2 {
		if err := ForgetUnrecorded(state, "main"); err != nil {
			t.Error(err)
		}
	}
}
