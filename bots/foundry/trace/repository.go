package trace

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// errNotListed says that an index does not have a package, as when a newer version replaced it.
var errNotListed = errors.New("not listed any more")

// traceFile checks that the file is what was published.
func (t *tracer) traceFile(context.Context) *Link {
	p := t.published
	l := &Link{Name: "file", About: fmt.Sprintf("%s, %d bytes, SHA-256 %s", path.Base(p.Filename), p.Size, p.SHA256)}
	if t.target.Path == "" {
		l.leaveOut("bytes of the file", "no file was given; the published one is checked below")
		return l
	}
	digest, _, err := hashFile(t.target.Path)
	if err == nil {
		err = differs(p.SHA256, digest)
	}
	l.check(fmt.Sprintf("%s has the SHA-256 that was published", t.target.Path), err)
	return l
}

// traceRepository checks the apt repository, where this host has it: its metadata are signed by the
// key that the dist message names, list the file, and the file is there.
func (t *tracer) traceRepository(context.Context) *Link {
	dist, ok := t.history[message.TypeDist].body.(*message.Dist)
	if !ok {
		return nil
	}
	l := &Link{Name: "repository", About: fmt.Sprintf("%s in %s %s", t.published.Filename, dist.Archive, dist.Codename)}
	root := filepath.Join(t.state, "repo", dist.Archive)
	if !filepath.IsLocal(dist.Archive) || strings.ContainsAny(dist.Archive, "/\\") || !filepath.IsLocal(t.published.Filename) {
		l.leaveOut("metadata and file", "the repository's name is no folder name")
		return l
	}
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		l.leaveOut("metadata and file", "the repository is not on this machine")
		return l
	}
	l.Key = dist.Key
	t.checkPoolFile(l, filepath.Join(root, t.published.Filename))
	release, dir, err := readInRelease(root, dist)
	l.check("InRelease is signed by the repository key "+dist.Key, err)
	if err == nil {
		t.checkIndex(l, release, dir, dist)
	}
	return l
}

// checkPoolFile checks the file as the repository serves it. It goes some time after a newer
// version has come.
func (t *tracer) checkPoolFile(l *Link, name string) {
	digest, _, err := hashFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		l.leaveOut("the file that is served", "it is not there any more; a newer version may have replaced it")
		return
	}
	if err == nil {
		err = differs(t.published.SHA256, digest)
	}
	l.check("the file that is served has the SHA-256 that was published", err)
}

// readInRelease verifies the metadata of one codename and returns the SHA-256 of each index by name,
// and their folder. The public key comes from the repository itself: that it is the right one
// follows from its fingerprint, which the dist message names.
func readInRelease(root string, dist *message.Dist) (indexes map[string]string, dir string, err error) {
	// The folder is a link that the next publishing turns to another; indexes and Release must
	// be of one generation.
	dir, err = filepath.EvalSymlinks(filepath.Join(root, "dists", filepath.FromSlash(dist.Codename)))
	if err != nil {
		return nil, "", fmt.Errorf("find metadata: %w", err)
	}
	ring, err := trust.ReadKeyring(filepath.Join(root, dist.Archive+".asc"))
	if err != nil {
		return nil, "", err
	}
	text, err := readSmall(filepath.Join(dir, "InRelease"))
	if err != nil {
		return nil, "", err
	}
	// Others may have signed beside the key that the message names.
	plain, _, err := ring.Only(dist.Key).VerifyClearsigned(text)
	if err != nil {
		if _, key, other := ring.VerifyClearsigned(text); other == nil {
			return nil, "", fmt.Errorf("signed by %s", key)
		}
		return nil, "", err
	}
	stanzas, err := debian.ParseControl(plain)
	if err != nil {
		return nil, "", err
	}
	if len(stanzas) != 1 || stanzas[0].Get("Codename") != dist.Codename {
		return nil, "", fmt.Errorf("it is not about %s", dist.Codename)
	}
	indexes = map[string]string{}
	for line := range strings.Lines(stanzas[0].Get("SHA256")) {
		if words := strings.Fields(line); len(words) == 3 {
			indexes[words[2]] = words[0]
		}
	}
	return indexes, dir, nil
}

// checkIndex looks the file up in the index that apt reads.
func (t *tracer) checkIndex(l *Link, release map[string]string, dir string, dist *message.Dist) {
	name := t.indexName(dist)
	what := name + " lists the file"
	want, ok := release[name]
	if !ok {
		l.check(what, fmt.Errorf("InRelease lists no %s", name))
		return
	}
	index := filepath.Join(dir, filepath.FromSlash(name))
	digest, _, err := hashFile(index)
	if err == nil {
		err = differs(message.Digest(want), digest)
	}
	if err == nil {
		err = t.findInIndex(index)
	}
	if errors.Is(err, errNotListed) {
		l.leaveOut(what, "it is "+err.Error()+"; a newer version may have replaced it")
		return
	}
	l.check(what, err)
}

// indexName is the path of the index that lists the file, below the folder of the codename.
func (t *tracer) indexName(dist *message.Dist) string {
	component := "main"
	if parts := strings.Split(t.published.Filename, "/"); len(parts) > 2 && parts[0] == "pool" {
		component = parts[1]
	}
	switch {
	case t.isSource():
		return component + "/source/Sources"
	case strings.HasSuffix(t.published.Filename, ".udeb"):
		return component + "/debian-installer/binary-" + dist.Architecture + "/Packages"
	}
	return component + "/binary-" + dist.Architecture + "/Packages"
}

// findInIndex tells whether an index lists the file with its SHA-256.
func (t *tracer) findInIndex(index string) error {
	f, err := os.Open(index)
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for {
		stanza, err := nextStanza(lines)
		if err != nil {
			return err
		}
		if stanza == nil {
			return errNotListed
		}
		if stanza.Get("Package") != t.published.Package || stanza.Get("Version") != t.published.Version {
			continue
		}
		if t.isSource() {
			return t.findInSources(stanza)
		}
		if stanza.Get("Architecture") == t.published.Architecture {
			return differs(t.published.SHA256, message.Digest(stanza.Get("SHA256")))
		}
	}
}

// findInSources looks for the .dsc in the stanza of a Sources index.
func (t *tracer) findInSources(stanza debian.Stanza) error {
	for line := range strings.Lines(stanza.Get("Checksums-Sha256")) {
		if words := strings.Fields(line); len(words) == 3 && words[2] == t.file().Name {
			return differs(t.published.SHA256, message.Digest(words[0]))
		}
	}
	return errNotListed
}

// nextStanza reads the next stanza of an index, nil after the last. Indexes may be large, so they
// are not read whole.
func nextStanza(r *bufio.Reader) (debian.Stanza, error) {
	var text bytes.Buffer
	for {
		line, err := r.ReadBytes('\n')
		text.Write(line)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read index: %w", err)
		}
		if text.Len() > maxSmall {
			return nil, fmt.Errorf("read index: a stanza has more than %d bytes", maxSmall)
		}
		blank := len(bytes.TrimSpace(line)) == 0
		if !blank && err == nil {
			continue
		}
		stanzas, parseErr := debian.ParseControl(text.Bytes())
		if parseErr != nil {
			return nil, fmt.Errorf("read index: %w", parseErr)
		}
		if len(stanzas) > 0 {
			return stanzas[0], nil
		}
		if err != nil {
			return nil, nil
		}
	}
}
