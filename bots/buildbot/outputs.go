package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

// The limits of a build's further outputs.
const (
	maxOutputs     = 1024
	maxOutputBytes = 1 << 30 // of the archive that they leave a build in
)

// outputArchive is the file in w.out that build.sh leaves them in.
const outputArchive = ".outputs"

// outputs puts the files that the package asks to keep into the store. What there is of them is
// returned with an error, too. A build that has not come so far has none.
func (w *work) outputs(ctx context.Context) (kept []message.Output, err error) {
	if len(w.wishes) == 0 {
		return nil, nil
	}
	file, err := openPlain(filepath.Join(w.out, outputArchive))
	var absent *badResult
	if errors.As(err, &absent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() >= maxOutputBytes {
		return nil, errors.Join(err, bad("outputs: the files to keep are larger than %d MiB", maxOutputBytes>>20))
	}
	seen, names := map[string]bool{}, map[string]bool{}
	for archive := tar.NewReader(file); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return kept, nil
		}
		if err != nil {
			return kept, bad("outputs: %v", err)
		}
		path := strings.TrimPrefix(h.Name, "./")
		wanted, mayChange := decide(w.wishes, path)
		if h.Typeflag != tar.TypeReg || !fs.ValidPath(path) || seen[path] || !wanted {
			continue
		}
		if seen[path] = true; len(seen) > maxOutputs {
			return kept, bad("outputs: more than %d files to keep", maxOutputs)
		}
		ref, err := w.keep(ctx, archive, flat(path, names))
		if err != nil {
			return kept, err
		}
		kept = append(kept, message.Output{Path: message.Line(path, maxOutputPath), File: ref, MayChange: mayChange})
	}
}

// maxOutputPath is how long a path may be in a message, in characters.
const maxOutputPath = 1000

// keep puts one file into the store.
func (w *work) keep(ctx context.Context, r io.Reader, name string) (message.Artifact, error) {
	dir := filepath.Join(w.job.Dir, "outputs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return message.Artifact{}, fmt.Errorf("keep output: %w", err)
	}
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return message.Artifact{}, fmt.Errorf("keep output: %w", err)
	}
	defer os.Remove(path)
	_, err = io.Copy(file, r)
	if err := errors.Join(err, file.Close()); err != nil {
		return message.Artifact{}, fmt.Errorf("keep output: %w", err)
	}
	return artifact.PutFile(ctx, w.job.Store, path)
}

// unfit is what a plain file name does not have.
var unfit = regexp.MustCompile(`[^A-Za-z0-9.+~_-]+`)

// maxFlat is how long the name is that a path is made, so that a number fits behind it.
const maxFlat = 180

// flat makes a plain file name of a path that none of the others has.
func flat(path string, others map[string]bool) string {
	name := strings.TrimLeft(unfit.ReplaceAllString(path, "_"), ".-")
	name = name[max(0, len(name)-maxFlat):]
	if name == "" || strings.Trim(name, "._-~+") == "" || strings.Contains(".-~+", name[:1]) {
		name = "file" + name
	}
	for n, base := 2, name; others[name]; n++ {
		name = fmt.Sprintf("%s~%d", base, n)
	}
	others[name] = true
	return name
}

// demand tells which files have to be there and are not.
func (w *work) demand(kept []message.Output) error {
	for _, wish := range w.wishes {
		if wish.sign != '=' {
			continue
		}
		found := false
		for _, o := range kept {
			found = found || wish.matches(o.Path)
		}
		if !found {
			return bad("outputs: the build left no file %q, which debian/foundry.toml says it has to", wish.glob)
		}
	}
	return nil
}
