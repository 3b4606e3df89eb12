package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/trust"
)

// takeUploads makes the foundry's sourcebot take what is uploaded into a folder, by those of gpg. It is
// called before the foundry is started.
func (h *house) takeUploads(gpg *gpgHome) (incoming string) {
	h.t.Helper()
	incoming = filepath.Join(h.dir, "incoming")
	if err := os.Mkdir(incoming, 0o755); err != nil {
		h.t.Fatal(err)
	}
	text, err := os.ReadFile(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	with := strings.Replace(string(text), "[[sourcebot]]\n", "[[sourcebot]]\nincoming = ["+quote(incoming)+"]\n", 1)
	if err := os.WriteFile(h.config, []byte(with), 0o600); err != nil {
		h.t.Fatal(err)
	}
	gpg.export(filepath.Join(h.state(), "trust", trust.Uploaders+".asc"))
	return incoming
}

// checkUpload sends a new version of a native package, whose tree is given, through dput into the folder,
// waits until it is published, and follows it back to the one who has signed it.
func checkUpload(t *testing.T, h *house, gpg *gpgHome, incoming string, w *workTree) {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "ucf")
	command(t, "", nil, "cp", "-a", w.dir, tree)
	path := filepath.Join(tree, "debian", "changelog")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entry := "ucf (99.0) " + testCodename + "; urgency=medium\n\n  * Upload.\n\n -- Committer <" + committerEmail + ">  Fri, 20 Nov 2026 12:00:00 +0000\n\n"
	config := filepath.Join(dir, "dput.cf")
	for name, text := range map[string]string{
		path: entry + string(old), config: "[house]\nmethod = local\nincoming = " + incoming + "\nrun_lintian = 0\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command(t, tree, w.env(), "dpkg-buildpackage", "--build=source", "--sign-key="+committerEmail, "--no-check-builddeps", "--no-pre-clean", "-I")
	changes := filepath.Join(dir, "ucf_99.0_source.changes")
	command(t, dir, w.env(), "dput", "--config", config, "house", changes)
	until(t, "empty incoming folder", func() bool {
		left, err := filepath.Glob(filepath.Join(incoming, "ucf*"))
		return err == nil && len(left) == 0
	})
	out, errs, status := h.try("upload", changes, "--wait", "--timeout", "15m")
	if status != 0 || !strings.Contains(out, "uploaded before") {
		t.Fatalf("upload: exit status %d\n%s%s", status, out, errs)
	}
	// The .dsc that is published is signed by the package key in the uploader's place.
	for _, target := range []string{"ucf=99.0", "ucf=99.0/source"} {
		out, errs, status = h.try("trace", target, "--verbose")
		if status != 0 || !strings.Contains(out, "ucf_99.0_source.changes lists the .dsc") || !strings.HasSuffix(out, "left out: file\n") {
			t.Errorf("trace %s: exit status %d\n%s%s", target, status, out, errs)
		}
	}
}
