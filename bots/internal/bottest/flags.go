package bottest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// samples are values for flags of each type, none of them a default.
var samples = map[string]string{
	"string": "sample", "stringArray": "sample", "bool": "true", "int": "97", "float64": "97", "duration": "97s",
}

// Flags ties each of a bot's own flags to one field of O, its variables and its key in the file:
// each of them sets this field and no other, and no two flags set the same. Every exported field has
// to have a flag.
func Flags[O any](t *testing.T, program string, declare func(*O, *pflag.FlagSet)) {
	t.Helper()
	own := pflag.NewFlagSet(program, pflag.ContinueOnError)
	declare(new(O), own)
	flags := map[string]string{} // by the field they set
	own.VisitAll(func(f *pflag.Flag) {
		value, ok := samples[f.Value.Type()]
		if !ok {
			t.Fatalf("flag %s: no sample for type %s", f.Name, f.Value.Type())
		}
		want := value
		if f.Value.Type() == "duration" {
			want = "97000000000"
		}
		variable := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		for _, way := range []way{
			{name: "flag", args: []string{"--" + f.Name + "=" + value}},
			{name: "common variable", variable: "FOUNDRY_" + variable},
			{name: "own variable", variable: "FOUNDRY_" + strings.ToUpper(program) + "_" + variable},
			{name: "file", key: f.Name},
		} {
			t.Run(f.Name+" "+way.name, func(t *testing.T) {
				set := setBy(t, program, declare, way, f.Value.Type(), value)
				if len(set) != 1 {
					t.Fatalf("sets the fields %v, want one", set)
				}
				field := slices.Collect(maps.Keys(set))[0]
				if got := strings.Trim(set[field], "[]"); got != want {
					t.Errorf("field %s is %q, want %q", field, got, want)
				}
				if other := flags[field]; other != "" && other != f.Name {
					t.Errorf("sets field %s, as does %s", field, other)
				}
				flags[field] = f.Name
			})
		}
	})
	for _, field := range reflect.VisibleFields(reflect.TypeFor[O]()) {
		if field.IsExported() && flags[field.Name] == "" {
			t.Errorf("no flag sets field %s", field.Name)
		}
	}
}

// A way is one of those in which a flag can be set.
type way struct {
	name, variable, key string
	args                []string
}

// setBy returns the fields, and their values, that are not what they are without the flag.
func setBy[O any](t *testing.T, program string, declare func(*O, *pflag.FlagSet), w way, kind, value string) map[string]string {
	t.Helper()
	args := w.args
	if w.variable != "" {
		t.Setenv(w.variable, value)
	}
	if w.key != "" {
		if kind != "bool" && kind != "int" && kind != "float64" {
			value = `"` + value + `"`
		}
		file := filepath.Join(t.TempDir(), "foundry.toml")
		if err := os.WriteFile(file, []byte("[["+program+"]]\n"+w.key+" = "+value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", file)
	}
	var before, after O
	declare(&before, pflag.NewFlagSet(program, pflag.ContinueOnError))
	d := bot.Definition{
		Name: program, Watch: message.Commits, Publish: message.Sources,
		Flags: func(fs *pflag.FlagSet) { declare(&after, fs) },
	}
	if status := bot.Main(d, nil, append(args, "--check")); status != bot.ExitOK {
		t.Fatalf("exit status %d", status)
	}
	set := map[string]string{}
	old := fields(&before)
	for name, text := range fields(&after) {
		if text != old[name] {
			set[name] = text
		}
	}
	return set
}

// fields are the values of a struct's fields as text, durations in nanoseconds.
func fields(o any) map[string]string {
	v := reflect.ValueOf(o).Elem()
	all := map[string]string{}
	for i := range v.NumField() {
		all[v.Type().Field(i).Name] = fmt.Sprint(v.Field(i))
		if v.Field(i).Kind() == reflect.Int64 {
			all[v.Type().Field(i).Name] = fmt.Sprint(v.Field(i).Int())
		}
	}
	return all
}
