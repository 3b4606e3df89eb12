package aptrepo

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/debian"
	"foundry/pkg/trust"
)

// embed signs the package in the pool with the fixture's key, of a payload that may be another.
func (f *fixture) embed(t *testing.T, payload []byte) {
	t.Helper()
	built := read(t, filepath.Join(f.dir, hello))
	deb, err := debian.ReadDeb(bytes.NewReader(built), int64(len(built)))
	if err != nil {
		t.Fatal(err)
	}
	if payload == nil {
		var b bytes.Buffer
		if _, err := b.ReadFrom(deb.Payload()); err != nil {
			t.Fatal(err)
		}
		payload = b.Bytes()
	}
	signature, err := f.signer.DetachBinary(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var signed bytes.Buffer
	if err := deb.WriteSigned(&signed, signature); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.dir, hello), signed.Bytes())
	f.index(t, run(t, f.dir, "apt-ftparchive", "packages", "pool"), "")
}

// TestPackageSignatures counts the packages with signatures of their own, and tells of those that are not good.
func TestPackageSignatures(t *testing.T) {
	stranger := newFixture(t)
	for _, tt := range []struct {
		name             string
		prepare          func(f *fixture)
		keys             func(f *fixture) *trust.Keyring
		signed, unsigned int
		finding          string
	}{
		{"not asked", func(f *fixture) { f.embed(t, nil) }, func(*fixture) *trust.Keyring { return nil }, 0, 0, ""},
		{"none", func(*fixture) {}, func(f *fixture) *trust.Keyring { return f.ring }, 0, 1, ""},
		{"good", func(f *fixture) { f.embed(t, nil) }, func(f *fixture) *trust.Keyring { return f.ring }, 1, 0, ""},
		{"of other bytes", func(f *fixture) { f.embed(t, []byte("other")) }, func(f *fixture) *trust.Keyring { return f.ring }, 0, 0, "signature of the package itself"},
		{"of a stranger", func(f *fixture) { f.embed(t, nil) }, func(*fixture) *trust.Keyring { return stranger.ring }, 0, 0, "signature of the package itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			tt.prepare(f)
			report, err := Verify(t.Context(), f.dir, Options{Keyring: f.ring}, VerifyOptions{PackageKeys: tt.keys(f)})
			if err != nil {
				t.Fatal(err)
			}
			if report.Signed != tt.signed || report.Unsigned != tt.unsigned || report.Errors() > 0 {
				t.Errorf("%d signed, %d unsigned, %d errors", report.Signed, report.Unsigned, report.Errors())
			}
			found := ""
			for _, finding := range report.Findings {
				if finding.Where == hello {
					found += finding.What
				}
			}
			if !strings.Contains(found, tt.finding) || tt.finding == "" && found != "" {
				t.Errorf("findings: %q, want %q", found, tt.finding)
			}
		})
	}
}
