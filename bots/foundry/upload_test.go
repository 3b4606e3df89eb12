package main

import (
	"strings"
	"testing"

	"foundry/pkg/message"
)

// TestRefusedUploadIsShown: an upload that was refused on arrival is a transaction of a failure alone. It
// is shown and offered, and can not be run again.
func TestRefusedUploadIsShown(t *testing.T) {
	y := newYard(t)
	const name = "hello-20261120-110000-9f3c2a"
	failure := &message.Failure{
		Origin: message.Origin{Repository: message.UploadRepository}, Stage: "sourcebot", Class: message.ClassPolicy,
		Reason: "hello_1.0_source.changes: signed by unknown key 0123456789ABCDEF", Hint: "sign it with debsign",
	}
	m, err := message.New(botSelf("sourcebot"), message.Failures, name, "", failure, "upload")
	y.ok(err)
	y.ok(y.Bus.Publish(t.Context(), y.raw("sourcebot", m)))
	out := y.must("show", name)
	for _, part := range []string{name + ": failed", "signed by unknown key", "hint: sign it with debsign"} {
		if !strings.Contains(out, part) {
			t.Errorf("lacks %q:\n%s", part, out)
		}
	}
	if got := y.transactions().Contexts(t.Context(), "hello-"); len(got) != 1 || got[0] != name {
		t.Errorf("offered: %v", got)
	}
	status, _, errs := y.cli("retry", name)
	if status != 1 || !strings.Contains(errs, "is an upload that was refused") || !strings.Contains(errs, "hint: ") {
		t.Errorf("retry: exit status %d, %q", status, errs)
	}
}
