package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/bots/foundry/transaction"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

// TestOutputs lists and fetches the outputs of a build that failed, whose paths it has chosen.
func TestOutputs(t *testing.T) {
	y := newYard(t)
	put := func(path, content string) message.Output {
		file := filepath.Join(t.TempDir(), "file")
		y.ok(os.WriteFile(file, []byte(content), 0o600))
		ref, err := artifact.PutFile(t.Context(), y.Store, file)
		y.ok(err)
		return message.Output{Path: path, File: ref, MayChange: strings.HasSuffix(path, ".log")}
	}
	fail := func(outputs ...message.Output) string {
		c := sampleCommit()
		c.Count = len(outputs)
		c.Subject = outputs[0].Path
		commit := y.announce(c)
		y.say("buildbot", message.Failures, commit, &message.Failure{
			Origin: c.Origin, Package: message.Package{Source: "hello", Version: "1.0", Codename: "bookworm"},
			Architecture: "amd64", Stage: "buildbot", Class: message.ClassPackage, Reason: "bad", Outputs: outputs,
		}, "buildbot", "amd64")
		return commit.Context
	}
	good := fail(put("report.xml", "fine"), put("logs/with space/é.log", "more"))
	if out := y.must("outputs", good); !strings.Contains(out, "report.xml  4 bytes") || !strings.Contains(out, "logs/with space/é.log  4 bytes") || strings.Count(out, "may change") != 1 {
		t.Errorf("listed:\n%s", out)
	}
	if out := y.must("show", good); !strings.Contains(out, "output report.xml  4 bytes") {
		t.Errorf("shown:\n%s", out)
	}
	var listed []transaction.Output
	y.ok(json.Unmarshal([]byte(y.must("outputs", good, "--json")), &listed))
	if len(listed) != 2 || listed[0].Path != "report.xml" || listed[0].Architecture != "amd64" {
		t.Errorf("listed as JSON: %+v", listed)
	}
	to := filepath.Join(t.TempDir(), "new", "folder")
	for range 2 { // again, over what is there
		y.must("outputs", good, "--to", to)
	}
	got := map[string]string{}
	for _, name := range []string{"amd64/report.xml", "amd64/logs/with space/é.log"} {
		data, err := os.ReadFile(filepath.Join(to, name))
		y.ok(err)
		got[name] = string(data)
	}
	if diff := cmp.Diff(map[string]string{"amd64/report.xml": "fine", "amd64/logs/with space/é.log": "more"}, got); diff != "" {
		t.Errorf("fetched (-want +got)\n%s", diff)
	}
	if status, _, errs := y.cli("outputs", good, "--arch", "i386"); status != 1 || !strings.Contains(errs, "hint: ") {
		t.Errorf("none for the architecture: status %d\n%s", status, errs)
	}

	outside := t.TempDir()
	hostile := fail(put("../../escaped", "x"), put("a", "x"), put("b", "x"))
	if status, _, errs := y.cli("outputs", hostile, "--to", filepath.Join(outside, "in")); status != 1 || !strings.Contains(errs, "leads out") {
		t.Errorf("a path that leads out: status %d\n%s", status, errs)
	}
	y.ok(os.Symlink(outside, filepath.Join(to, "link")))
	y.ok(os.RemoveAll(filepath.Join(to, "amd64")))
	y.ok(os.Symlink(outside, filepath.Join(to, "amd64")))
	if status, _, _ := y.cli("outputs", good, "--to", to); status != 1 {
		t.Errorf("a link in the folder that leads out is followed: status %d", status)
	}
	if left, err := filepath.Glob(filepath.Join(outside, "*")); err != nil || len(left) > 1 || len(left) == 1 && filepath.Base(left[0]) != "in" {
		t.Errorf("written outside: %v, %v", left, err)
	}
}
