package main

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // the format of .changes has MD5 and SHA-1 beside SHA-256
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
)

// sums are the hashes of a file by the name of the .changes field that lists them, and its size.
type sums struct {
	size  int64
	field map[string]string
}

// hashFields are the fields of a .changes that list files, each by another hash (deb-changes(5)).
func hashFields() map[string]hash.Hash {
	return map[string]hash.Hash{
		"files":            md5.New(),  //nolint:gosec // see above
		"checksums-sha1":   sha1.New(), //nolint:gosec // see above
		"checksums-sha256": sha256.New(),
		"checksums-sha512": sha512.New(),
	}
}

// rewrite returns the .changes text with the hashes and sizes that the listed files have, and
// nothing else altered.
func rewrite(text []byte, open func(name string) (*os.File, error)) ([]byte, error) {
	known := map[string]sums{}
	fields := hashFields()
	var out bytes.Buffer
	field := ""
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			name, _, _ := strings.Cut(line, ":")
			field = strings.ToLower(name)
			out.WriteString(line)
			continue
		}
		words := strings.Fields(line)
		if fields[field] == nil || len(words) < 3 {
			out.WriteString(line)
			continue
		}
		name := words[len(words)-1]
		if _, ok := known[name]; !ok {
			sum, err := sumFile(name, open)
			if err != nil {
				return nil, err
			}
			known[name] = sum
		}
		words[0], words[1] = known[name].field[field], fmt.Sprint(known[name].size)
		out.WriteString(" " + strings.Join(words, " ") + "\n")
	}
	return out.Bytes(), nil
}

func sumFile(name string, open func(name string) (*os.File, error)) (sums, error) {
	f, err := open(name)
	if err != nil {
		return sums{}, err
	}
	defer f.Close()
	hashes := hashFields()
	var all []io.Writer
	for _, h := range hashes {
		all = append(all, h)
	}
	size, err := io.Copy(io.MultiWriter(all...), f)
	if err != nil {
		return sums{}, fmt.Errorf("read %s: %w", name, err)
	}
	s := sums{size: size, field: map[string]string{}}
	for field, h := range hashes {
		s.field[field] = hex.EncodeToString(h.Sum(nil))
	}
	return s, nil
}
