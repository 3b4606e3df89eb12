package upload_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"foundry/pkg/message"
)

// TestHostileFolder: nothing in the folder leads out of it.
func TestHostileFolder(t *testing.T) {
	in := newIncoming(t)
	outside := into(t, t.TempDir(), native(t))
	in.sign(outside)
	dir := filepath.Dir(outside)
	for name, bad := range map[string]func(old, new string) error{
		"symbolic link": os.Symlink, "hard link": os.Link,
		"fifo":   func(_, new string) error { return unix.Mkfifo(new, 0o644) },
		"socket": func(_, new string) error { return unix.Mknod(new, unix.S_IFSOCK|0o644, 0) },
	} {
		for _, file := range []string{"hello_1.0_source.changes", "hello_1.0.dsc", "hello_1.0.tar.xz"} {
			t.Run(name+" "+file, func(t *testing.T) {
				in.Folder, in.late = in.open(t.TempDir()), 0
				into(t, in.Dir, outside)
				path := filepath.Join(in.Dir, file)
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := bad(filepath.Join(dir, file), path); err != nil {
					t.Fatal(err)
				}
				in.scan()
				in.late = 25 * time.Hour
				in.scan()
				if got := left(t, in.Dir); !slices.Equal(got, []string{"failed"}) {
					t.Errorf("left %v", got)
				}
				if info, err := os.Lstat(filepath.Join(in.Dir, "failed", file)); err != nil || info.Mode().IsRegular() != (name == "hard link") {
					t.Errorf("put aside: %v, %v", info, err)
				}
			})
		}
	}
	if got := in.said(message.Sources); got != nil {
		t.Errorf("announced: %v", got)
	}
	if got := len(left(t, dir)); got != 4 {
		t.Errorf("%d files are left outside", got)
	}

	// The folder for what is refused may not lead elsewhere either.
	in.Folder, in.late = in.open(t.TempDir()), 48*time.Hour
	write(t, filepath.Join(in.Dir, "notes.txt"), "?")
	if err := os.Symlink(dir, filepath.Join(in.Dir, "failed")); err != nil {
		t.Fatal(err)
	}
	if err := in.Scan(t.Context()); err == nil || len(left(t, dir)) != 4 {
		t.Errorf("put aside through a link: %v", err)
	}
}

// TestStranger: what somebody else lists is not taken away with a bad upload.
func TestStranger(t *testing.T) {
	in := newIncoming(t)
	path := into(t, in.Dir, native(t))
	in.sign(path)
	if err := os.Truncate(filepath.Join(in.Dir, "hello_1.0.tar.xz"), 100); err != nil { // still arriving
		t.Fatal(err)
	}
	text := read(t, path)
	write(t, filepath.Join(in.Dir, "evil.changes"), text[strings.Index(text, "Format:"):strings.Index(text, "-----BEGIN PGP SIGNATURE")])
	in.late = 2 * time.Minute
	in.scan()
	in.wantLeft([]string{"hello_1.0.dsc", "hello_1.0.tar.xz", "hello_1.0_source.buildinfo", "hello_1.0_source.changes"}, []string{"evil.changes", "evil.changes.reason"})
}
