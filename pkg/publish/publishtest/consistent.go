package publishtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// consistent follows everything that the suite shows from its signatures to the packages, and
// returns the versions of the packages that each index lists: "hello 1.0 amd64".
func (f *fixture) consistent(t testing.TB, codename string) map[string][]string {
	t.Helper()
	output := f.Output(f.dir)
	dists := filepath.Join(output, "dists", codename)
	release := read(t, filepath.Join(dists, "Release"))
	keyring := filepath.Join(t.TempDir(), "keyring.gpg")
	dearmor(t, f.Key(f.dir), keyring)
	gpgv(t, keyring, filepath.Join(dists, "Release.gpg"), filepath.Join(dists, "Release"))
	signed := gpgv(t, keyring, "--output", "-", filepath.Join(dists, "InRelease"))
	if !bytes.Equal(signed, release) {
		t.Errorf("InRelease signs other bytes than Release.gpg:\n%s\n%s", signed, release)
	}
	indepOnce(t, string(release), dists)
	found := map[string][]string{}
	_, list, _ := strings.Cut(string(release), "\nSHA256:\n")
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, " ") {
			break
		}
		fields := strings.Fields(line)
		path := filepath.Join(dists, fields[2])
		byHash := filepath.Join(filepath.Dir(path), "by-hash", "SHA256", fields[0])
		for _, p := range []string{path, byHash} {
			same(t, p, fields[1], fields[0])
		}
		switch filepath.Base(path) {
		case "Packages":
			found[fields[2]] = packagesOf(t, output, path)
		case "Sources":
			found[fields[2]] = sourcesOf(t, output, path)
		}
	}
	if len(found) == 0 {
		t.Errorf("Release lists no index:\n%s", release)
	}
	return found
}

// indepOnce checks that packages of architecture all stand in the indexes where apt looks for them as
// Release says, and nowhere else: a Release that names the architecture has an index of its own for
// them, and those of the other architectures repeat them only where No-Support-for-Architecture-all
// says so (Debian repository format).
func indepOnce(t testing.TB, release, dists string) {
	t.Helper()
	own := slices.Contains(strings.Fields(field(release, "Architectures")), "all")
	repeated := !own || field(release, "No-Support-for-Architecture-all") == "Packages"
	paths, err := filepath.Glob(filepath.Join(dists, "*", "binary-*", "Packages"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		has := strings.Contains(string(read(t, path)), "\nArchitecture: all\n")
		switch isOwn := filepath.Base(filepath.Dir(path)) == "binary-all"; {
		case isOwn && !own:
			t.Errorf("%s is there, and Release does not name the architecture", path)
		case !isOwn && has && !repeated:
			t.Errorf("%s repeats packages for all, and Release says that it does not", path)
		}
	}
	if own {
		read(t, filepath.Join(dists, "main", "binary-all", "Packages"))
	}
}

// packagesOf checks the files that an index lists.
func packagesOf(t testing.TB, output, index string) (list []string) {
	t.Helper()
	for stanza := range strings.SplitSeq(strings.TrimSpace(string(read(t, index))), "\n\n") {
		if stanza == "" {
			continue
		}
		same(t, filepath.Join(output, field(stanza, "Filename")), field(stanza, "Size"), field(stanza, "SHA256"))
		list = append(list, field(stanza, "Package")+" "+field(stanza, "Version")+" "+field(stanza, "Architecture"))
	}
	return list
}

func sourcesOf(t testing.TB, output, index string) (list []string) {
	t.Helper()
	for stanza := range strings.SplitSeq(strings.TrimSpace(string(read(t, index))), "\n\n") {
		if stanza == "" {
			continue
		}
		_, sums, _ := strings.Cut(stanza, "\nChecksums-Sha256:\n")
		files := 0
		for line := range strings.Lines(sums) {
			if !strings.HasPrefix(line, " ") {
				break
			}
			words := strings.Fields(line)
			same(t, filepath.Join(output, field(stanza, "Directory"), words[2]), words[1], words[0])
			files++
		}
		if files < 2 {
			t.Errorf("source lists %d files, not a .dsc and tarballs:\n%s", files, stanza)
		}
		list = append(list, field(stanza, "Package")+" "+field(stanza, "Version"))
	}
	return list
}

func field(stanza, name string) string {
	for line := range strings.Lines(stanza) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func same(t testing.TB, path, size, sum string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("listed file: %v", err)
		return
	}
	if strconv.Itoa(len(data)) != size || fmt.Sprintf("%x", sha256.Sum256(data)) != sum {
		t.Errorf("%s has not the listed size and hash", path)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func gpgv(t testing.TB, keyring string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("gpgv", append([]string{"--keyring", keyring}, args...)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("gpgv %v: %v: %s", args, err, problems.Bytes())
	}
	return out
}
