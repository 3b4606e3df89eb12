// Package deb writes binary packages (deb(5)) that bring plain files, without any program of the host. The
// same contents and time are the same tar archives, whoever builds them.
package deb

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/md5" //nolint:gosec // part of the format
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"foundry/pkg/debian"
)

// A File is one that the package brings.
type File struct {
	Path     string // without leading "/"
	Content  []byte
	Conffile bool // belongs to the administrator (deb-conffiles(5)); below etc
}

// A Package is to be built.
type Package struct {
	Control debian.Stanza // fields of the control file in order, without Installed-Size; values as ParseControl returns them
	Files   []File        // in any order
	Time    time.Time     // of all files, to the second
}

// Build returns the bytes of the package.
func (p Package) Build() ([]byte, error) {
	control, data, err := p.archives()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		tar  []byte
	}{{"debian-binary", nil}, {"control.tar.gz", control}, {"data.tar.gz", data}} {
		content := []byte("2.0\n")
		if m.tar != nil {
			if content, err = compress(m.tar); err != nil {
				return nil, fmt.Errorf("compress %s: %w", m.name, err)
			}
		}
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", m.name, p.Time.Unix(), 0, 0, "100644", len(content), content)
		if len(content)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes(), nil
}

// Sum returns a digest of what the package holds. It is the same whatever made the bytes smaller.
func (p Package) Sum() (string, error) {
	control, data, err := p.archives()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(append(control, data...))), nil
}

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// archives returns the tar archives of the control files and of the files.
func (p Package) archives() (control, data []byte, err error) {
	files := slices.SortedFunc(slices.Values(p.Files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	for i, f := range files {
		switch {
		case f.Path == "" || path.Clean("/" + f.Path)[1:] != f.Path || strings.ContainsAny(f.Path, "\n\x00"):
			return nil, nil, fmt.Errorf("build package: bad path %q", f.Path)
		case i > 0 && files[i-1].Path == f.Path:
			return nil, nil, fmt.Errorf("build package: %s twice", f.Path)
		}
	}
	var sums, conffiles strings.Builder
	kilobytes := len(folders(files)) + 1 // Policy 5.6.20: one for each folder
	for _, f := range files {
		kilobytes += (len(f.Content) + 1023) / 1024
		if f.Conffile {
			fmt.Fprintf(&conffiles, "/%s\n", f.Path)
			continue
		}
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.Content), f.Path) //nolint:gosec // as above
	}
	members := []File{{Path: "control", Content: text(append(slices.Clone(p.Control), debian.Field{Name: "Installed-Size", Value: fmt.Sprint(kilobytes)}))}}
	if conffiles.Len() > 0 {
		members = append(members, File{Path: "conffiles", Content: []byte(conffiles.String())})
	}
	members = append(members, File{Path: "md5sums", Content: []byte(sums.String())})
	if control, err = p.tar(members); err != nil {
		return nil, nil, err
	}
	data, err = p.tar(files)
	return control, data, err
}

// folders are those that hold the files, each after the one it is in.
func folders(files []File) []string {
	var all []string
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// tar returns an archive of the files and the folders that they are in, all of root.
func (p Package) tar(files []File) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	header := tar.Header{ModTime: p.Time.Truncate(time.Second), Uname: "root", Gname: "root", Format: tar.FormatGNU}
	for _, dir := range append([]string{""}, folders(files)...) {
		h := header
		h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, strings.TrimSuffix("./"+dir, "/")+"/"
		if err := w.WriteHeader(&h); err != nil {
			return nil, fmt.Errorf("write folder %s: %w", dir, err)
		}
	}
	for _, f := range files {
		h := header
		h.Typeflag, h.Mode, h.Name, h.Size = tar.TypeReg, 0o644, "./"+f.Path, int64(len(f.Content))
		if err := w.WriteHeader(&h); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.Path, err)
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("end archive: %w", err)
	}
	return out.Bytes(), nil
}

// text writes a stanza.
func text(s debian.Stanza) []byte {
	var out bytes.Buffer
	for _, f := range s {
		fmt.Fprintf(&out, "%s: %s\n", f.Name, strings.ReplaceAll(f.Value, "\n", "\n "))
	}
	return out.Bytes()
}
