package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/schemas"
)

const whole = `# everything
enable = true
codenames = ["trixie", "stable:bookworm"]
architectures = ["amd64", "any-arm64"]
network = true
timeout = "90m"
profiles = ["nocheck", "nodoc", "nocheck"]
options = ["nocheck", "terse"]
allow-committers = ["0123 4567 89ab cdef 0123  4567 89AB CDEF 0123 4567", "Alice@Example.org"]
outputs = ["=report.xml", "%logs/*.log", "!logs/tmp*"]
`

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want *Policy
	}{
		"empty":    {"", &Policy{Enable: true}},
		"comment":  {"# nothing\n", &Policy{Enable: true}},
		"disabled": {"enable = false", &Policy{}},
		"whole": {whole, &Policy{
			Enable: true, Codenames: Routes{{"", "trixie"}, {"stable", "bookworm"}}, Architectures: []string{"amd64", "any-arm64"},
			Network: true, Timeout: 90 * time.Minute, Profiles: []string{"nocheck", "nodoc"}, Options: []string{"nocheck", "terse"},
			AllowCommitters: []string{"0123456789ABCDEF0123456789ABCDEF01234567", "alice@example.org"},
			Outputs:         []string{"=report.xml", "%logs/*.log", "!logs/tmp*"},
		}},
		"seconds":     {"timeout = 3600", &Policy{Enable: true, Timeout: time.Hour}},
		"empty lists": {"profiles = []\noptions = []\noutputs = []", &Policy{Enable: true}},
		"wildcards":   {`architectures = ["any", "linux-any", "any-i386"]`, &Policy{Enable: true, Architectures: []string{"any", "linux-any", "any-i386"}}},
	} {
		got, err := Parse([]byte(test.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", name, diff)
		}
	}
}

// TestErrors: whatever is wrong is told in one line that names the key, with a hint.
func TestErrors(t *testing.T) {
	many := func(n int) string { return `["` + strings.Join(slices.Repeat([]string{"x"}, n), `","`) + `"]` }
	for name, test := range map[string]struct{ text, reason, hint string }{
		"unknown key":          {"netwrok = true", `unknown key "netwrok"`, `did you mean "network"?`},
		"other case":           {"Enable = true", `unknown key "Enable"`, `"enable"`},
		"underscore":           {`allow_committers = ["a@b"]`, `unknown key "allow_committers"`, `"allow-committers"`},
		"far off":              {"zzzzzz = 1", `unknown key "zzzzzz"`, "known are allow-committers,"},
		"table":                {"[build]\nnetwork = true", `unknown key "build"`, ""},
		"dotted":               {"network.enable = true", `key "network": is a table`, "without quotes"},
		"long key":             {strings.Repeat("k", 5000) + " = 1", "…", ""},
		"no TOML":              {"enable: true\n", "line 1:", "TOML"},
		"half":                 {"network = true\ncodenames = [\"a\"", "line 2:", "TOML"},
		"twice":                {"network = true\nnetwork = false", "line 2:", "TOML"},
		"not UTF-8":            {"# J\xf6rg\n", "not UTF-8", "iconv"},
		"null byte":            {"enable = true\x00", "line 1:", "TOML"},
		"huge":                 {strings.Repeat("#", maxFile+1), "8193 bytes", "shorten"},
		"flag as text":         {`network = "yes"`, `key "network": is text, not true or false`, "without quotes"},
		"flag as number":       {`enable = 1`, `key "enable": is a number`, "without quotes"},
		"flag as date":         {`enable = 2026-11-20`, `key "enable": is a date`, "without quotes"},
		"timeout fraction":     {`timeout = 1.5`, `key "timeout": is a number, neither text nor whole seconds`, `"2h"`},
		"timeout flag":         {`timeout = true`, `key "timeout": is true or false, neither`, `"2h"`},
		"timeout number zero":  {`timeout = 0`, "0 seconds is not between", ""},
		"timeout number minus": {`timeout = -60`, "-60 seconds is not between", ""},
		"timeout number huge":  {`timeout = 9223372036854775807`, "9223372036854775807 seconds is not between", ""},
		"timeout words":        {`timeout = "two hours"`, `"two hours" is not a duration`, `"2h"`},
		"timeout zero":         {`timeout = "0s"`, "0s is not between", ""},
		"timeout negative":     {`timeout = "-1h"`, "-1h is not between", ""},
		"timeout endless":      {`timeout = "10000h"`, "10000h is not between", ""},
		"list as text":         {`codenames = "trixie"`, `key "codenames": is text, not a list`, "list of texts"},
		"list of numbers":      {`profiles = ["a", 1]`, "number 2 of the list is a number", "list of texts"},
		"list of lists":        {`profiles = [["a"]]`, "number 1 of the list is a list", "list of texts"},
		"no codenames":         {`codenames = []`, `key "codenames": the list is empty`, "enable = false"},
		"bad codename":         {`codenames = ["../x"]`, `"../x" is not a codename`, "branch:codename"},
		"empty codename":       {`codenames = ["main:"]`, `"" is not a codename`, "branch:codename"},
		"empty branch":         {`codenames = [":trixie"]`, `"" is not a branch`, "branch:codename"},
		"codename twice":       {`codenames = ["trixie", "trixie"]`, "given twice", "once"},
		"no architectures":     {`architectures = []`, `key "architectures": the list is empty`, "leave the key out"},
		"unknown architecture": {`architectures = ["amd46"]`, `"amd46" is neither an architecture nor a wildcard`, `did you mean "amd64"?`},
		"wildcard of nothing":  {`architectures = ["any-foo"]`, `"any-foo" is neither`, ""},
		"all":                  {`architectures = ["all"]`, `"all" is no architecture`, "one of them"},
		"negated":              {`architectures = ["!i386"]`, `"!i386" is neither`, `"i386"`},
		"profile":              {`profiles = ["<!nocheck>"]`, `"<!nocheck>" is not a build profile`, "nocheck"},
		"option":               {`options = ["a b"]`, `"a b" is not one word`, "nocheck"},
		"parallel":             {`options = ["parallel=64"]`, `the buildbot says how many`, "leave"},
		"too many":             {`profiles = ` + many(33), "33 entries, more than 32", "shorten"},
		"nobody":               {`allow-committers = []`, `key "allow-committers": the list is empty`, "leave the key out"},
		"key id":               {`allow-committers = ["89abcdef01234567"]`, "is a key id", "gpg --fingerprint"},
		"person":               {`allow-committers = ["Alice <a@example.org>"]`, "neither a fingerprint nor", "address alone"},
		"output without sign":  {`outputs = ["report.xml"]`, "none of the signs = % ! stands before \"report.xml\"", "=GLOB"},
		"output empty":         {`outputs = [""]`, "none of the signs", "=GLOB"},
		"output sign alone":    {`outputs = ["="]`, "no pattern", "path in"},
		"output malformed":     {`outputs = ["=[a"]`, "no pattern", "path in"},
		"output part":          {`outputs = ["=[a/b]"]`, "no pattern", "path in"},
		"output absolute":      {`outputs = ["=/etc/passwd"]`, "leads out", "path in"},
		"output climbs":        {`outputs = ["%a/../../x"]`, "leads out", "path in"},
		"output control":       {`outputs = ["=a\u0007"]`, "do not print", "?"},
		"output long":          {`outputs = ["=` + strings.Repeat("x", 256) + `"]`, "too long", "?"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.reason) || !strings.Contains(bot.HintOf(err), test.hint) {
				t.Errorf("%v (%s)\nwant %s (%s)", err, bot.HintOf(err), test.reason, test.hint)
			}
			if bot.HintOf(err) == "" || strings.Contains(err.Error()+bot.HintOf(err), "\n") || len(err.Error()) > 400 {
				t.Errorf("%q, hint %q: one short line each", err, bot.HintOf(err))
			}
		})
	}
}

func TestFor(t *testing.T) {
	operator, err := ParseRoutes([]string{"stable:bookworm", "main:trixie", "main:sid"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		codenames, branch, want string
	}{
		{"", "main", "[trixie sid]"},
		{"", "other", "[]"},
		{"trixie", "main", "[trixie]"},
		{"trixie", "stable", `key "codenames": nothing of trixie is for branch stable`},
		{"trixie", "other", `key "codenames": nothing of trixie is for branch other`},
		{"main:bookworm", "main", "[bookworm]"},
		{"main:bookworm", "stable", `key "codenames": nothing of main:bookworm is for branch stable`},
		{"main:sid main:bookworm sid", "main", "[sid bookworm]"},
		{"feature/*:sid trixie", "feature/x", "[sid]"},
		{"feature/*:sid trixie", "main", "[trixie]"},
		{"trixie forky", "main", `key "codenames": forky is not among what is built here`},
	} {
		p := Default()
		if p.Codenames, err = ParseRoutes(strings.Fields(test.codenames)); err != nil {
			t.Fatal(err)
		}
		codenames, err := p.For(test.branch, operator)
		got := fmt.Sprint(codenames)
		if err != nil {
			got = err.Error()
			if bot.HintOf(err) == "" {
				t.Errorf("%v: no hint", test)
			}
		}
		if got != test.want {
			t.Errorf("%q for %s is %s, want %s", test.codenames, test.branch, got, test.want)
		}
	}
}

func TestAllows(t *testing.T) {
	const alice = "0123456789ABCDEF0123456789ABCDEF01234567"
	for _, test := range []struct {
		list []string
		want bool
	}{
		{nil, true},
		{[]string{alice}, true},
		{[]string{"b@example.org", "alice@example.org"}, true},
		{[]string{"b@example.org"}, false},
		{[]string{alice[1:] + "0"}, false},
	} {
		p := &Policy{AllowCommitters: test.list}
		if p.Allows(alice, []string{"a@example.org", "Alice@example.org"}) != test.want {
			t.Errorf("%v: %v", test.list, !test.want)
		}
	}
}

func TestOnlyAndJoin(t *testing.T) {
	p := &Policy{Architectures: []string{"any-arm64", "i386"}}
	for arch, want := range map[debian.Architecture]bool{"arm64": true, "i386": true, "amd64": false} {
		if p.Only(arch) != want {
			t.Errorf("%s: %v", arch, !want)
		}
	}
	operator := []string{"a", "b"}
	joined, err := Join(operator, []string{"b", "c"})
	if diff := cmp.Diff([]string{"a", "b", "c"}, joined); diff != "" || err != nil || len(operator) != 2 {
		t.Errorf("%v: %s", err, diff)
	}
	if _, err := Join(slices.Repeat([]string{"a"}, MaxWords), []string{"b"}); err == nil || bot.HintOf(err) == "" {
		t.Errorf("33 words: %v", err)
	}
}

// FuzzParse: a file is an error of one line with a hint, or a policy that messages can hold.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("[a]\nb = [1, {c = \"\"}]\n[[d]]\n"))
	f.Add([]byte("timeout = \"1e9h\"\noutputs = [\"=\\u2028\", \"!**\"]"))
	f.Add([]byte(strings.Repeat("a.", 2000) + "b = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			if bot.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, hint %q", err, bot.HintOf(err))
			}
			return
		}
		s := sample()
		s.Only, s.Outputs, s.Profiles, s.Options, s.Timeout = p.Architectures, p.Outputs, p.Profiles, p.Options, int(p.Timeout/time.Second)
		m, err := message.New(message.Bot{Name: "sourcebot", Instance: "sourcebot-1", Host: "here", Endpoint: "pub/sourcebot", Version: "1"},
			message.Sources, "hello-20261120-231501-9f3c2a", message.CommitID(&message.Commit{}), s, "trixie")
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas.Validate(payload); err != nil {
			t.Errorf("%v\n%s", err, payload)
		}
	})
}

func sample() *message.Source {
	return &message.Source{
		Origin:  message.Origin{Repository: "https://example.org/hello.git", Branch: "main", Ref: strings.Repeat("a", 40)},
		Package: message.Package{Source: "hello", Version: "1.0", Codename: "trixie"},
		Format:  "3.0 (native)", Architectures: []string{"any"}, IndepArchitecture: "amd64",
		Files: []message.Artifact{{Name: "hello_1.0.dsc", Size: 1, SHA256: message.Digest(strings.Repeat("a", 64))}}, Time: time.Unix(1, 0),
	}
}
