package bot

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"foundry/pkg/message"
)

// testbot has one flag of each kind.
type testFlags struct {
	Arch string
	List []string
	Yes  bool
}

func testDefinition(f *testFlags) Definition {
	return Definition{
		Name: "sourcebot", Watch: message.Commits, Publish: message.Sources,
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&f.Arch, "arch", "amd64", "")
			fs.StringArrayVar(&f.List, "codename", []string{"default"}, "")
			fs.BoolVar(&f.Yes, "allow-unsigned", false, "")
		},
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foundry.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// resolve configures a program as Main does.
func resolve(t *testing.T, env map[string]string, args ...string) (testFlags, Settings, error) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	var f testFlags
	p := &program{d: testDefinition(&f), out: new(bytes.Buffer), err: new(bytes.Buffer)}
	cmd := p.command(args)
	if err := cmd.ParseFlags(args); err != nil {
		return f, p.s, err
	}
	err := p.configure(cmd)
	return f, p.s, err
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "ack-wait = \"7s\"\n[[sourcebot]]\narch = \"file\"\ncodename = [\"a\", \"b\"]\njobs = 3\nallow-unsigned = true\n")
	common := map[string]string{"FOUNDRY_ARCH": "common"}
	own := map[string]string{"FOUNDRY_ARCH": "common", "FOUNDRY_SOURCEBOT_ARCH": "own"}
	for _, test := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"default", nil, nil, "amd64"},
		{"file", nil, []string{"--config", file}, "file"},
		{"common variable over file", common, []string{"--config", file}, "common"},
		{"own variable over common", own, []string{"--config", file}, "own"},
		{"flag over all", own, []string{"--config", file, "--arch", "flag"}, "flag"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, _, err := resolve(t, test.env, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			if f.Arch != test.want {
				t.Errorf("arch %q, want %q", f.Arch, test.want)
			}
		})
	}
	f, s, err := resolve(t, nil, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testFlags{Arch: "file", List: []string{"a", "b"}, Yes: true}, f); diff != "" {
		t.Errorf("flags from the file (-want +got):\n%s", diff)
	}
	if s.Jobs != 3 || s.AckWait != 7*time.Second {
		t.Errorf("jobs %d, ack-wait %s; want 3 and 7s", s.Jobs, s.AckWait)
	}
}

// TestEveryFlagEverywhere ties each flag to its variables and its key in the file.
func TestEveryFlagEverywhere(t *testing.T) {
	other := map[string]string{
		"string": "text", "int": "5", "bool": "true", "duration": "9s", "count": "2", "stringArray": "one\ntwo",
	}
	special := map[string]string{"endpoint": "pub/x", "watch": "builds", "publish-to": "signs", "from": "new", "store": "folder:/x", "state": "/x/state", "cache": "/x/cache"}
	var f testFlags
	p := &program{d: testDefinition(&f)}
	p.command(nil).Flags().VisitAll(func(flag *pflag.Flag) {
		for _, no := range notConfigurable {
			if flag.Name == no {
				return
			}
		}
		value, ok := special[flag.Name]
		if !ok {
			value, ok = other[flag.Value.Type()]
		}
		if !ok {
			t.Fatalf("flag %s: no test value for type %s", flag.Name, flag.Value.Type())
		}
		name := strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		want := strings.ReplaceAll(value, "\n", ",")
		for _, variable := range []string{"FOUNDRY_" + name, "FOUNDRY_SOURCEBOT_" + name} {
			t.Run(variable, func(t *testing.T) { checkFlag(t, flag.Name, want, map[string]string{variable: value}, "") })
		}
		t.Run("file "+flag.Name, func(t *testing.T) {
			quoted := `"` + value + `"`
			switch flag.Value.Type() {
			case "int", "bool", "count":
				quoted = value
			case "stringArray":
				quoted = `["one", "two"]`
			}
			checkFlag(t, flag.Name, want, nil, "[[sourcebot]]\n"+flag.Name+" = "+quoted+"\n")
		})
	})
}

func checkFlag(t *testing.T, name, want string, env map[string]string, file string) {
	t.Helper()
	for variable, value := range env {
		t.Setenv(variable, value)
	}
	var f testFlags
	p := &program{d: testDefinition(&f), out: new(bytes.Buffer), err: new(bytes.Buffer)}
	cmd := p.command(nil)
	if file != "" {
		p.s.Config = writeFile(t, file)
	}
	if err := p.configure(cmd); err != nil {
		t.Fatal(err)
	}
	if got := strings.Trim(cmd.Flags().Lookup(name).Value.String(), "[]"); got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

func TestBadConfiguration(t *testing.T) {
	for _, test := range []struct{ name, text, problem, hint string }{
		{"unknown key", "[[sourcebot]]\nalow-unsigned = true\n", `unknown key "alow-unsigned" in [[sourcebot]]`, `did you mean "allow-unsigned"?`},
		{"unknown table", "[[sorcebot]]\n", `unknown key "sorcebot"`, `did you mean "sourcebot"?`},
		{"unknown key of the bus", "[bus]\nulr = \"x\"\n", `unknown key "ulr" in [bus]`, `did you mean "url"?`},
		{"action as key", "[[sourcebot]]\nlist = true\n", `unknown key "list" in [[sourcebot]]`, ""},
		{"not TOML", "[[sourcebot\n", "line", "TOML"},
		{"one table", "[sourcebot]\njobs = 1\n", "not a list of tables", "[[sourcebot]]"},
		{"bad value", "[[sourcebot]]\njobs = \"many\"\n", `jobs: bad value "many"`, ""},
		{"table as value", "[[sourcebot]]\njobs = {a=1}\n", "takes no value of this kind", ""},
		{"several for one", "[[sourcebot]]\narch = [\"a\", \"b\"]\n", "takes one value, not 2", ""},
		{"several entries", "[[sourcebot]]\n[[sourcebot]]\n", "several [[sourcebot]] entries", "--endpoint"},
		{"bus is text", "bus = \"nats://x\"\n", "not a table", "[bus]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := resolve(t, nil, "--config", writeFile(t, test.text))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error %q lacks %q", err, test.problem)
			}
			if !strings.Contains(HintOf(err), test.hint) {
				t.Errorf("hint %q lacks %q", HintOf(err), test.hint)
			}
			if status := Report(new(bytes.Buffer), "x", err); status != ExitUsage {
				t.Errorf("exit status %d, want %d", status, ExitUsage)
			}
		})
	}
	if _, err := ReadConfig(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(HintOf(err), "foundry init") {
		t.Errorf("missing file: %v, hint %q", err, HintOf(err))
	}
}

func TestBusOfTheFile(t *testing.T) {
	file := writeFile(t, "[bus]\nurl = \"nats://a:1\"\nnkey = \"/k\"\n")
	_, s, err := resolve(t, nil, "--config", file)
	if err != nil || s.Bus != "nats://a:1" || s.BusNKey != "/k" {
		t.Errorf("bus %q, nkey %q, %v", s.Bus, s.BusNKey, err)
	}
	if _, s, err = resolve(t, nil, "--config", file, "--bus", "nats://b:2"); err != nil || s.Bus != "nats://b:2" {
		t.Errorf("bus %q, %v; want the flag's", s.Bus, err)
	}
}

func TestBadSettings(t *testing.T) {
	for _, args := range [][]string{
		{"--endpoint", "a.b"},
		{"--endpoint", "a b"},
		{"--endpoint", "/"},
		{"--jobs", "0"},
		{"--from", "yesterday"},
		{"--from", "-1h"},
		{"--ack-wait", "1ms"},
		{"--watch", "comits"},
		{"--publish-to", ""},
	} {
		if _, _, err := resolve(t, nil, args...); err == nil {
			t.Errorf("%q: no error", args)
		} else if status := Report(new(bytes.Buffer), "x", err); status != ExitUsage {
			t.Errorf("%q: exit status %d, want %d", args, status, ExitUsage)
		}
	}
}

func TestEntryByEndpoint(t *testing.T) {
	file := writeFile(t, "[[sourcebot]]\nendpoint = \"pub/a\"\narch = \"one\"\n[[sourcebot]]\nendpoint = \"pub/b\"\narch = \"two\"\n")
	f, _, err := resolve(t, nil, "--config", file, "--endpoint", "pub/b")
	if err != nil || f.Arch != "two" {
		t.Errorf("by endpoint: arch %q, %v; want two", f.Arch, err)
	}
	f, _, err = resolve(t, nil, "--config", file, "--entry", "0")
	if err != nil || f.Arch != "one" {
		t.Errorf("by number: arch %q, %v; want one", f.Arch, err)
	}
	if _, _, err = resolve(t, nil, "--config", file, "--entry", "2"); err == nil {
		t.Error("entry that is not there: no error")
	}
}

func TestStateOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	if err := PrepareState(dir); err != nil {
		t.Fatal(err)
	}
	if err := PrepareState(dir); err != nil {
		t.Errorf("second time: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := PrepareState(dir)
	if err == nil || !strings.Contains(err.Error(), "has version 99") || HintOf(err) == "" {
		t.Errorf("state of version 99: %v, hint %q", err, HintOf(err))
	}
}

func TestReport(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"none", nil, ExitOK, ""},
		{"plain", errors.New("open x: denied"), ExitFailure, "p: open x: denied\n"},
		{"hint", Hint(errors.New("a"), "b"), ExitFailure, "p: a\nhint: b\n"},
		{"usage", Usage("a", "b"), ExitUsage, "p: a\nhint: b\n"},
		{"shown already", Exit(1), ExitFailure, ""},
		{"said by another", Said("q: a\n", 2), ExitUsage, "q: a\n"},
		{"escape", errors.New("a\x1b[2J"), ExitFailure, "p: a?[2J\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var w bytes.Buffer
			if status := Report(&w, "p", test.err); status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if diff := cmp.Diff(test.want, w.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add("[bus]\nurl = \"x\"\n[[buildbot]]\njobs = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := ReadConfig(path); (c == nil) == (err == nil) {
			t.Errorf("configuration %v and error %v", c, err)
		}
	})
}
