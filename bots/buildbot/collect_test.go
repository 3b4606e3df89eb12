package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"foundry/pkg/artifact/folder"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// entry is a line of Checksums-Sha256 for a file of the given content.
func entry(name, content string) string {
	return fmt.Sprintf(" %x %d %s\n", sha256.Sum256([]byte(content)), len(content), name)
}

// changesText is a .changes of hello 1.0 that lists files of these contents.
func changesText(files map[string]string, edit func(string) string) string {
	sums, list := "", ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sums += entry(name, files[name])
		list += fmt.Sprintf(" %032x %d misc optional %s\n", 0, len(files[name]), name)
	}
	text := "Format: 1.8\nSource: hello\nBinary: hello\nArchitecture: amd64\nVersion: 1.0\nDistribution: acme\nMaintainer: x <x@x>\nChecksums-Sha256:\n" + sums + "Files:\n" + list
	if edit != nil {
		text = edit(text)
	}
	return text
}

func newTestWork(t *testing.T) *work {
	t.Helper()
	store, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	version, err := debian.ParseVersion("1.0")
	if err != nil {
		t.Fatal(err)
	}
	return &work{
		builder: &builder{options: &options{Arch: "amd64"}}, version: version, out: t.TempDir(), changes: "hello_1.0_amd64.changes",
		p:   &message.Provision{Package: message.Package{Source: "hello", Version: "1.0", Codename: "acme"}, Arch: true},
		job: &bot.Job{Bot: &bot.Bot{Ports: bot.Ports{Store: store}}},
	}
}

func TestCollect(t *testing.T) {
	replace := func(old, text string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, text, 1) }
	}
	const deb = "hello_1.0_amd64.deb"
	tests := []struct {
		name  string
		edit  func(string) string
		after func(dir string) error
		want  string // part of the error; empty for none
	}{
		{name: "Good"},
		{name: "Left-over", after: func(dir string) error { return os.WriteFile(filepath.Join(dir, "x.deb"), []byte("x"), 0o600) }},
		{"NoChanges", nil, func(dir string) error { return os.Remove(filepath.Join(dir, "hello_1.0_amd64.changes")) }, "missing or a link"},
		{"NotChanges", func(string) string { return "\x00\xff" }, nil, "parse .changes"},
		{"Empty", func(string) string { return "" }, nil, "parse .changes"},
		{"Huge", func(s string) string { return s + strings.Repeat("#", maxChanges) }, nil, "larger than"},
		{"OtherSource", replace("Source: hello", "Source: other"), nil, "is about other"},
		{"OtherVersion", replace("Version: 1.0", "Version: 1.1"), nil, "version 1.1"},
		{"OtherDistribution", replace("acme", "sid"), nil, "is for sid"},
		{"OtherArchitecture", replace("Architecture: amd64", "Architecture: amd64 arm64"), nil, "packages for arm64"},
		{"IndepNotAsked", replace("Architecture: amd64", "Architecture: amd64 all"), nil, "packages for all"},
		{"SourceIncluded", replace("Architecture: amd64", "Architecture: source amd64"), nil, "packages for source"},
		{"Altered", nil, func(dir string) error { return os.WriteFile(filepath.Join(dir, deb), []byte("dab"), 0o600) }, "not the file"},
		{"Longer", nil, func(dir string) error { return os.WriteFile(filepath.Join(dir, deb), []byte("debdeb"), 0o600) }, "not the file"},
		{"Missing", nil, func(dir string) error { return os.Remove(filepath.Join(dir, deb)) }, "missing or a link"},
		{"Link", nil, func(dir string) error {
			target := filepath.Join(dir, "target")
			return errors.Join(os.Rename(filepath.Join(dir, deb), target), os.Symlink(target, filepath.Join(dir, deb)))
		}, "missing or a link"},
		{"Folder", nil, func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, deb)), os.Mkdir(filepath.Join(dir, deb), 0o700))
		}, "not a regular file"},
		{"FIFO", nil, func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, deb)), unix.Mkfifo(filepath.Join(dir, deb), 0o600))
		}, "not a regular file"},
		{"Path", func(s string) string { return strings.ReplaceAll(s, deb, "../x.deb") }, nil, "file name"},
		{"Itself", func(s string) string { return strings.ReplaceAll(s, deb, "hello_1.0_amd64.changes") }, nil, "bad file name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newTestWork(t)
			files := map[string]string{deb: "deb", "hello_1.0_amd64.buildinfo": "info"}
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(w.out, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(w.out, w.changes), []byte(changesText(files, test.edit)), 0o600); err != nil {
				t.Fatal(err)
			}
			if test.after != nil {
				if err := test.after(w.out); err != nil {
					t.Fatal(err)
				}
			}
			got, err := w.collect(t.Context())
			var refused *badResult
			switch {
			case test.want == "" && (err != nil || len(got) != 3):
				t.Errorf("%v, %v", got, err)
			case test.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestCollectScript runs the last part of build.sh, that root runs on what a build has left.
func TestCollectScript(t *testing.T) {
	const deb = "hello_1.0_amd64.deb"
	begin, _, _ := strings.Cut(script, "stage unpack\n")
	_, end, found := strings.Cut(script, "stage collect\n")
	if !found {
		t.Fatal("build.sh has no stage collect")
	}
	files := map[string]string{deb: "deb", "hello_1.0_amd64.buildinfo": "info"}
	tests := []struct {
		name string
		edit func(string) string
		do   string // shell commands in the folder of the build
		want string // part of what it says; empty for success
	}{
		{name: "Good", do: "touch other; ln -s /etc/passwd link; mkdir hello-1.0"},
		{"NoChanges", nil, "rm *.changes", "the build made no"},
		{"LinkedChanges", nil, "mv *.changes x; ln -s x hello_1.0_amd64.changes", "the build made no"},
		{"HugeChanges", nil, "truncate -s 5M *.changes", "too large"},
		{"Link", nil, "ln -sf /etc/passwd " + deb, "not a regular file"},
		{"FIFO", nil, "rm " + deb + "; mkfifo " + deb, "not a regular file"},
		{"Folder", nil, "rm " + deb + "; mkdir " + deb, "not a regular file"},
		{"Missing", nil, "rm " + deb, "not a regular file"},
		{"TooMuch", nil, "truncate -s 2M " + deb, "larger than"},
		{"Path", func(s string) string { return strings.ReplaceAll(s, deb, "../../etc/passwd") }, "", "bad name"},
		{"Hidden", func(s string) string { return strings.ReplaceAll(s, deb, ".stage") }, "", "bad name"},
		{"Option", func(s string) string { return strings.ReplaceAll(s, deb, "-rf") }, "", "bad name"},
		{"Glob", func(s string) string { return strings.ReplaceAll(s, deb, "*") }, "", "bad name"},
		{"Command", func(s string) string { return strings.ReplaceAll(s, deb, "$(touch${IFS}x)") }, "", "bad name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			build, out := t.TempDir(), t.TempDir()
			files["hello_1.0_amd64.changes"] = changesText(map[string]string{deb: "deb", "hello_1.0_amd64.buildinfo": "info"}, test.edit)
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(build, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text := strings.ReplaceAll(begin+"cd \"$PARENT\"\n"+test.do+"\n"+end, "/out", out)
			cmd := exec.Command("/bin/sh", "-e", "-c", text)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PARENT=" + build, "CHANGES=hello_1.0_amd64.changes", "MAX_BYTES=1048576", "MIN_FREE=0", "FULL=75"}
			said, err := cmd.CombinedOutput()
			if test.want != "" {
				if err == nil || !strings.Contains(string(said), "buildbot: ") || !strings.Contains(string(said), test.want) {
					t.Errorf("%v: %q, want %q", err, said, test.want)
				}
				return
			}
			entries, _ := filepath.Glob(filepath.Join(out, "[^.]*"))
			var names []string
			for _, e := range entries {
				names = append(names, filepath.Base(e))
			}
			if diff := cmp.Diff([]string{"hello_1.0_amd64.buildinfo", "hello_1.0_amd64.changes", deb}, names); err != nil || diff != "" {
				t.Errorf("%v: %s(-want +got)\n%s", err, said, diff)
			}
		})
	}
}

// TestFullDisk sees that build.sh measures whether there is room when a build has failed, and that a
// package cannot end with the status that says there is none.
func TestFullDisk(t *testing.T) {
	begin, _, _ := strings.Cut(script, "stage unpack\n")
	for _, test := range []struct {
		name, do, minFree string
		want              int
	}{
		{"Built", "true", "0", 0},
		{"BuiltOnFull", "true", "9000000000000000000", 0},
		{"Failed", "exit 2", "0", 2},
		{"FailedOnFull", "exit 2", "9000000000000000000", statusFull},
		{"Errexit", "false; exit 3", "9000000000000000000", statusFull},
		{"Pretends", fmt.Sprintf("exit %d", statusFull), "0", 1},
		{"NoFolder", "PARENT=/nonexistent; exit 2", "0", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command("/bin/sh", "-e", "-c", strings.ReplaceAll(begin, "/out", t.TempDir())+test.do)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PARENT=" + t.TempDir(), "MIN_FREE=" + test.minFree, fmt.Sprintf("FULL=%d", statusFull)}
			said, _ := cmd.CombinedOutput() // the status says how it ended
			if got := cmd.ProcessState.ExitCode(); got != test.want || len(said) > 0 {
				t.Errorf("status %d, want %d: %s", got, test.want, said)
			}
		})
	}
}

// TestJudge wants a package at fault for what it says, and the host for what was measured.
func TestJudge(t *testing.T) {
	w := newTestWork(t)
	for _, test := range []struct {
		status int
		tail   []string
		fault  bool // of the package
	}{
		{2, []string{"cannot do it"}, true},
		{2, []string{"cc: No space left on device"}, true},
		{statusFull, []string{"cannot do it"}, false},
	} {
		err := w.judge(test.status, nil, message.Artifact{}, test.tail)
		var failure *bot.Failure
		if err == nil || errors.As(err, &failure) != test.fault || !test.fault && bot.HintOf(err) == "" {
			t.Errorf("status %d, %q: %v, want a fault of the package: %v", test.status, test.tail, err, test.fault)
		}
	}
}

func TestLimitedLog(t *testing.T) {
	var said strings.Builder
	l := &limitedLog{Writer: &said, left: 10}
	if _, err := l.Write([]byte("0123456789")); err != nil {
		t.Error(err)
	}
	if _, err := l.Write([]byte("x")); !errors.Is(err, errLogFull) {
		t.Errorf("error %v, want errLogFull", err)
	}
	if said.String() != "0123456789" {
		t.Errorf("log %q", said.String())
	}
}
