package aptly

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"foundry/pkg/publish"

	"foundry/pkg/publish/publishtest"
)

func TestBadOptions(t *testing.T) {
	good, err := options(t.TempDir(), publishtest.Suites())
	if err != nil {
		t.Fatal(err)
	}
	for words, alter := range map[string]func(*publish.Options){
		"no folder given":         func(o *publish.Options) { o.Dir = "" },
		"must not be the same":    func(o *publish.Options) { o.Output = o.Dir + "/" },
		`bad name "../x"`:         func(o *publish.Options) { o.Archive = "../x" },
		"no signing key given":    func(o *publish.Options) { o.Signer = nil },
		"less than an hour":       func(o *publish.Options) { o.ValidFor = time.Minute },
		"no codename given":       func(o *publish.Options) { o.Suites = nil },
		"a name begins with":      func(o *publish.Options) { o.Suites[0].Codename = "a/b" },
		"bad component":           func(o *publish.Options) { o.Suites[0].Component = ".." },
		`bad component "a/b"`:     func(o *publish.Options) { o.Suites[0].Components = []string{"contrib", "a/b"} },
		`bad component "x "`:      func(o *publish.Options) { o.Suites[0].DebugComponent = "x " },
		`bad component "../../x"`: func(o *publish.Options) { o.Suites[0].Rules = []publish.Rule{{Source: "*", Component: "../../x"}} },
		`bad rule`:                func(o *publish.Options) { o.Suites[0].Rules = []publish.Rule{{Source: "[", Component: "main"}} },
		"-1 versions":             func(o *publish.Options) { o.Suites[0].Keep = -1 },
		"negative time":           func(o *publish.Options) { o.Retain = -1 },
		"or fingerprints":         func(o *publish.Options) { o.Suites[0].SignedBy = []string{"A\nB"} },
		"line break":              func(o *publish.Options) { o.Suites[0].Label = "a\nb" },
		"no architecture given":   func(o *publish.Options) { o.Suites[0].Architectures = nil },
		`bad architecture "all"`:  func(o *publish.Options) { o.Suites[0].Architectures = []string{"all"} },
		`"stable" is given twice`: func(o *publish.Options) { o.Suites[1].Codename = "stable" },
	} {
		o := good
		o.Suites = slices.Clone(good.Suites)
		alter(&o)
		if _, err := Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want it to say %q", err, words)
		}
	}
	t.Setenv("PATH", "")
	if _, err := exec.LookPath("xz"); err == nil {
		t.Fatal("xz found without a path")
	}
	_, err = Open(context.Background(), good)
	var missing missingError
	if !errors.As(err, &missing) || missing.Hint() != "apt-get install xz-utils" || !strings.Contains(err.Error(), "xz is not installed") {
		t.Errorf("%v, want it to say how to install xz", err)
	}
}
