package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

func TestGC(t *testing.T) {
	y := newYard(t)
	put := func(name string) artifact.Reference {
		path := filepath.Join(t.TempDir(), name)
		y.ok(os.WriteFile(path, []byte(name), 0o600))
		ref, err := artifact.PutFile(t.Context(), y.Store, path)
		y.ok(err)
		return ref
	}
	used, unused, young := put("used.log"), put("unused.log"), put("young.log")
	commit := y.announce(sampleCommit())
	y.say("sourcebot", message.Failures, commit, &message.Failure{
		Origin: sampleCommit().Origin, Stage: "sourcebot", Class: message.ClassPackage, Reason: "bad", Log: &used,
	}, "sourcebot")
	old := time.Now().Add(-48 * time.Hour)
	for _, ref := range []artifact.Reference{used, unused} {
		found, err := filepath.Glob(filepath.Join(y.state, "store", string(ref.SHA256[:2]), string(ref.SHA256[2:])))
		if err != nil || len(found) != 1 {
			t.Fatalf("stored file of %s: %q, %v", ref.Name, found, err)
		}
		y.ok(os.Chtimes(found[0], old, old))
	}

	var done collected
	y.ok(json.Unmarshal([]byte(y.must("gc", "--dry-run", "--json")), &done))
	if done.Removed != 1 || done.Kept != 2 || done.Bytes != unused.Size {
		t.Errorf("dry run: %+v, want one of three to be removed", done)
	}
	y.must("gc")
	for ref, want := range map[artifact.Reference]bool{used: true, unused: false, young: true} {
		if there, err := y.Store.Has(t.Context(), ref.SHA256); err != nil || there != want {
			t.Errorf("%s is there: %t, %v; want %t", ref.Name, there, err, want)
		}
	}
	if status, _, errs := y.cli("gc", "--age", "1s"); status != 2 {
		t.Errorf("too small an age: status %d\n%s", status, errs)
	}
}
