package debian

import (
	"strings"
	"testing"
)

func TestParseRelationsErrors(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no name":            {"(>= 1)", "invalid package name"},
		"operator only":      {"a (>= )", "empty"},
		"no operator":        {"a (1)", "invalid operator"},
		"strange operator":   {"a (=> 1)", "invalid operator"},
		"open version":       {"a (>= 1", "missing ')'"},
		"open architectures": {"a [amd64", "missing ']'"},
		"no architectures":   {"a []", "empty architecture list"},
		"open profiles":      {"a <!nocheck", "missing '>'"},
		"no profiles":        {"a <>", "empty build profile list"},
		"trailing text":      {"a (>= 1) b", "unexpected"},
		"two names":          {"a b", "unexpected"},
		"wrong order":        {"a [amd64] (>= 1)", "unexpected"},
		"empty alternative":  {"a | | b", "invalid package name"},
		"substvar":           {"${misc:Depends}", "substitution variable"},
		"shell":              {"a; rm -rf /", "invalid package name"},
		"option":             {"-oDebug=1", "invalid package name"},
		"bad qualifier":      {"a:", "invalid architecture"},
		"bad version":        {"a (>= 1/2)", "parse version"},
		"too large":          {strings.Repeat("a,", maxRelations), "more than"},
		"too many":           {strings.Repeat("a,", maxEntries+1), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRelations(test.text)
			if err == nil {
				t.Fatalf("no error, but %s", r)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
		})
	}
}

func TestProfilesHold(t *testing.T) {
	for _, test := range []struct {
		formula [][]string
		active  []string
		want    bool
	}{
		{nil, nil, true},
		{[][]string{{"!nocheck"}}, nil, true},
		{[][]string{{"!nocheck"}}, []string{"nocheck"}, false},
		{[][]string{{"nocheck"}}, nil, false},
		{[][]string{{"!nocheck", "stage1"}}, []string{"stage1"}, true},
		{[][]string{{"!nocheck", "stage1"}, {"cross"}}, []string{"cross", "nocheck"}, true},
	} {
		if got := ProfilesHold(test.formula, test.active); got != test.want {
			t.Errorf("%v with %v: %v", test.formula, test.active, got)
		}
	}
}

func FuzzRelations(f *testing.F) {
	for _, field := range relationFields {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		r, err := ParseRelations(field)
		if err != nil {
			return
		}
		again, err := ParseRelations(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q became %q, then %q, %v", field, r, again, err)
		}
		reduced := r.Reduce("amd64", nil).String()
		if strings.ContainsAny(reduced, "[]\n;${}&`") {
			t.Fatalf("%q reduced to %q", field, reduced)
		}
	})
}
