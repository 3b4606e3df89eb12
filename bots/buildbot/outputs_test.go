package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v (apt-get install dpkg)\n%s", name, err, out)
	}
	return string(out)
}

func TestDecide(t *testing.T) {
	for _, test := range []struct {
		entries string
		path    string
		want    string // "" for not wanted, "=" or "%"
	}{
		{"=report.xml", "report.xml", "="},
		{"=report.xml", "sub/report.xml", ""},
		{"=report.xml", "report.xmlx", ""},
		{"=a.b", "axb", ""},
		{"%*.log", "x.log", "%"},
		{"%*.log", "sub/x.log", ""},
		{"%**/*.log", "x.log", "%"},
		{"%**/*.log", "a/b/c/x.log", "%"},
		{"%logs/**", "logs/a/b", "%"},
		{"%logs/**", "logs", ""},
		{"%logs/**", "logsx/a", ""},
		{"%a/**/z", "a/z", "%"},
		{"%a/**/z", "a/b/c/z", "%"},
		{"%a/**/z", "a/b/c/y", ""},
		{"%**", "anything/at all", "%"},
		{"%./x//y", "x/y", "%"},
		{"%x?", "xé", "%"},
		{"%x[a-c]", "xb", "%"},
		{"%x[^a-c]", "xb", ""},
		{`%x\*`, "x*", "%"},
		{`%x\*`, "xy", ""},
		{"=build/** %build/test.log", "build/test.log", "%"},
		{"=build/** %build/test.log", "build/other", "="},
		{"%** =report", "report", "="},
		{"!tmp/** =**", "tmp/x", ""},
		{"=** !tmp/**", "tmp/x", ""},
		{"!x", "y", ""},
	} {
		all, err := wishes(strings.Fields(test.entries))
		if err != nil {
			t.Fatal(err)
		}
		wanted, mayChange := decide(all, test.path)
		got := map[bool]string{true: map[bool]string{true: "%", false: "="}[mayChange]}[wanted]
		if got != test.want {
			t.Errorf("%s: %s is %q, want %q", test.entries, test.path, got, test.want)
		}
		if wanted && !regexp.MustCompile("^(?s:"+pattern(all)+")$").MatchString("./"+test.path) {
			t.Errorf("%s: %s is wanted, but does not match %s", test.entries, test.path, pattern(all))
		}
	}
	for _, bad := range []string{"", "=", "x", "?x", "=/etc/passwd", "=../x", "%a/../../b", "=[", "%a\x00b"} {
		if _, err := wishes([]string{bad}); err == nil {
			t.Errorf("wishes(%q) is no error", bad)
		}
	}
}

// FuzzPattern sees that no file that is wanted stays in the build.
func FuzzPattern(f *testing.F) {
	f.Add("=**/*.[ch]", "a/b.c")
	f.Add(`%x\?[]a]`, "x?a")
	f.Add("=a{2}|b$(^.+)", "a{2}|b$(^.+)")
	f.Fuzz(func(t *testing.T, entry, path string) {
		all, err := wishes([]string{entry})
		if err != nil {
			return
		}
		re, err := regexp.Compile("^(?s:" + pattern(all) + ")$")
		if wanted, _ := decide(all, path); wanted && (err != nil || !re.MatchString("./"+path)) {
			t.Errorf("%q wants %q, %v does not", entry, path, re)
		}
	})
}

func TestFlat(t *testing.T) {
	others := map[string]bool{}
	for _, test := range []struct{ path, want string }{
		{"report.xml", "report.xml"},
		{"a/b", "a_b"},
		{"a_b", "a_b~2"},
		{"a:b", "a_b~3"},
		{"../../etc/passwd", "_.._etc_passwd"},
		{".hidden", "hidden"},
		{"-rf", "rf"},
		{"é\xff\n", "file_"},
		{"~x", "file~x"},
		{strings.Repeat("x", 300), strings.Repeat("x", 180)},
	} {
		if got := flat(test.path, others); got != test.want {
			t.Errorf("flat(%q) = %q, want %q", test.path, got, test.want)
		}
	}
}

// TestOutputArchive reads archives that a build, which is not to be trusted, may have brought about.
func TestOutputArchive(t *testing.T) {
	file := func(name string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1, Mode: 0o644}
	}
	many := make([]*tar.Header, maxOutputs+1)
	for i := range many {
		many[i] = file(fmt.Sprintf("./log/%d", i))
	}
	for _, test := range []struct {
		name    string
		headers []*tar.Header
		cut     int
		want    []string
		problem string
	}{
		{"good", []*tar.Header{file("./a"), file("./log/b"), file("./other")}, 0, []string{"a =", "log/b %"}, ""},
		{"empty", nil, 0, nil, ""},
		{"twice", []*tar.Header{file("./a"), file("a")}, 0, []string{"a ="}, ""},
		{"out of the tree", []*tar.Header{file("./log/../../etc/x"), file("/log/x"), file("../log/x")}, 0, nil, ""},
		{"not files", []*tar.Header{
			{Name: "./a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
			{Name: "./log/f", Typeflag: tar.TypeFifo},
			{Name: "./log/d/", Typeflag: tar.TypeDir},
			{Name: "./log/h", Typeflag: tar.TypeLink, Linkname: "./a"},
		}, 0, nil, ""},
		{"too many", many, 0, nil, "more than 1024 files"},
		{"cut short", []*tar.Header{file("./a"), file("./log/b")}, 1200, []string{"a ="}, "unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newTestWork(t)
			w.job.Dir = t.TempDir()
			var err error
			if w.wishes, err = wishes([]string{"=a", "%log/**"}); err != nil {
				t.Fatal(err)
			}
			var archive bytes.Buffer
			to := tar.NewWriter(&archive)
			for _, h := range test.headers {
				err = errors.Join(err, to.WriteHeader(h))
				if h.Size > 0 {
					_, writeErr := to.Write([]byte("x"))
					err = errors.Join(err, writeErr)
				}
			}
			if err := errors.Join(err, to.Close()); err != nil {
				t.Fatal(err)
			}
			data := archive.Bytes()
			if test.cut > 0 {
				data = data[:test.cut]
			}
			if err := os.WriteFile(filepath.Join(w.out, outputArchive), data, 0o600); err != nil {
				t.Fatal(err)
			}
			kept, err := w.outputs(t.Context())
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Fatalf("error %v, want %q", err, test.problem)
			}
			if test.name == "too many" {
				return
			}
			if diff := cmp.Diff(test.want, names(kept)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestOutputsTooLarge sees that an archive is refused that was cut where it got too large.
func TestOutputsTooLarge(t *testing.T) {
	w := newTestWork(t)
	w.wishes = []wish{{'%', "**"}}
	path := filepath.Join(w.out, outputArchive)
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, maxOutputBytes)); err != nil {
		t.Fatal(err)
	}
	var refused *badResult
	if kept, err := w.outputs(t.Context()); !errors.As(err, &refused) || len(kept) > 0 {
		t.Errorf("%v, %v", kept, err)
	}
}

// names are the paths of outputs, each with the sign of what it was asked for with.
func names(kept []message.Output) (all []string) {
	for _, o := range kept {
		all = append(all, o.Path+" "+map[bool]string{true: "%", false: "="}[o.MayChange])
	}
	return all
}

func TestOutputs(t *testing.T) {
	l := newLine(t)
	r := recipe{name: "reports", arch: "any", commands: `mkdir -p logs/deep "logs/with space"
echo fine >report.xml
date +%N >logs/deep/clock
echo x >"logs/with space/é"
ln -s /etc/passwd logs/link
echo x >logs/tmp1
echo x >other
` + normal}
	say := func(run string, r recipe, outputs ...string) message.Body {
		p := l.provision(r)
		p.Outputs = outputs
		return l.Await(l.Say("provisionbot", p.Source, message.MakeID(message.Sources, message.TypeSource, "", run), p, p.Architecture))
	}
	body := say("first", r, "=report.xml", "%logs/**", "%absent", "!logs/tmp*")
	first, ok := body.(*message.Build)
	if !ok {
		t.Fatalf("answer %+v", body)
	}
	if diff := cmp.Diff([]string{"logs/deep/clock %", "logs/with space/é %", "report.xml ="}, sortedNames(first.Outputs)); diff != "" {
		t.Errorf("outputs (-want +got)\n%s", diff)
	}
	for _, o := range first.Outputs {
		if o.Path == "report.xml" {
			if got := l.content(o.File); got != "fine\n" {
				t.Errorf("report %q", got)
			}
		}
	}
	if again, ok := say("second", r, "=report.xml", "%logs/**", "%absent", "!logs/tmp*").(*message.Build); !ok || len(again.Outputs) != 3 {
		t.Errorf("the same built again: %+v", again)
	}
	fails := func(body message.Body, reason string, outputs ...string) {
		t.Helper()
		f, ok := body.(*message.Failure)
		if !ok || f.Class != message.ClassPackage || !strings.Contains(f.Reason, reason) || f.Log == nil {
			t.Fatalf("answer %+v, want %q", body, reason)
		}
		if diff := cmp.Diff(outputs, sortedNames(f.Outputs)); diff != "" {
			t.Errorf("outputs of the failure (-want +got)\n%s", diff)
		}
	}
	fails(say("none", r, "=absent/*.xml", "%other"), `"absent/*.xml"`, "other %")
	// The same source package is asked for files that change.
	if _, ok := say("changing", r, "=logs/deep/clock").(*message.Build); !ok {
		t.Error("a changing file is not kept the first time")
	}
	fails(say("changed", r, "=logs/deep/clock"), `"logs/deep/clock" is not the same`, "logs/deep/clock =")
	broken := recipe{name: "broken", arch: "any", commands: "echo why >report.xml\nfalse"}
	fails(say("broken", broken, "=report.xml", "=never"), "dpkg-buildpackage ended with status 2", "report.xml =")
}

func sortedNames(kept []message.Output) []string {
	all := names(kept)
	for i := range all { // in the order of the file system
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}

// content reads an artifact.
func (l *line) content(ref message.Artifact) string {
	l.t.Helper()
	r, err := l.Ports.Store.Open(l.t.Context(), ref.SHA256)
	if err != nil {
		l.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

func TestTimeLimit(t *testing.T) {
	for _, test := range []struct {
		asked     int // seconds, by the package
		own, most time.Duration
		want      time.Duration
	}{
		{0, time.Hour, 0, time.Hour},
		{90, time.Hour, 0, 90 * time.Second},
		{7200, time.Hour, 0, 2 * time.Hour},
		{7200, time.Hour, 90 * time.Minute, 90 * time.Minute},
		{60, time.Hour, 90 * time.Minute, time.Minute},
		{0, 4 * time.Hour, 90 * time.Minute, 90 * time.Minute},
	} {
		b := &builder{options: &options{Arch: "amd64", Timeout: test.own, MaxTime: test.most}}
		p := &message.Provision{Package: message.Package{Source: "hello", Version: "1.0"}, Arch: true, Timeout: test.asked}
		w, err := b.newWork(&bot.Job{Dir: t.TempDir()}, p)
		if err != nil || w.limit != test.want {
			t.Errorf("%+v: limit %v, %v", test, w.limit, err)
		}
	}
}
