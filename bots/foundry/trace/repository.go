package trace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/aptrepo"
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
func (t *tracer) traceRepository(ctx context.Context) *Link {
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
	suite, err := openSuite(ctx, root, dist)
	l.check("InRelease is signed by the repository key "+dist.Key, err)
	if err == nil {
		t.checkIndex(ctx, l, suite, dist)
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

// openSuite verifies the metadata of one codename. The public key comes from the repository itself: that it is the
// right one follows from its fingerprint, which the dist message names. Others may have signed beside it.
func openSuite(ctx context.Context, root string, dist *message.Dist) (*aptrepo.Suite, error) {
	ring, err := trust.ReadKeyring(filepath.Join(root, dist.Archive+".asc"))
	if err != nil {
		return nil, err
	}
	options := aptrepo.Options{Keyring: ring.Only(dist.Key), AllowExpired: true, Suites: []string{dist.Codename}}
	repo, err := aptrepo.Open(ctx, root, options)
	if err != nil {
		options.Keyring = ring
		if other, otherErr := aptrepo.Open(ctx, root, options); otherErr == nil {
			return nil, fmt.Errorf("signed by %s", other.Suites()[0].Signer)
		}
		return nil, err
	}
	suite := repo.Suites()[0]
	if suite.Release.Codename != dist.Codename {
		return nil, fmt.Errorf("it is not about %s", dist.Codename)
	}
	return suite, nil
}

// checkIndex looks the file up in the index that apt reads.
func (t *tracer) checkIndex(ctx context.Context, l *Link, suite *aptrepo.Suite, dist *message.Dist) {
	name := t.indexName(dist)
	what := name + " lists the file"
	indexes := suite.Release.Indexes()
	i := slices.IndexFunc(indexes, func(x *aptrepo.Index) bool { return x.Path == name })
	if i < 0 {
		l.check(what, fmt.Errorf("InRelease lists no %s", name))
		return
	}
	err := t.findInIndex(suite.Stanzas(ctx, indexes[i]))
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
func (t *tracer) findInIndex(stanzas iter.Seq2[debian.Stanza, error]) error {
	for stanza, err := range stanzas {
		if err != nil {
			return err
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
	return errNotListed
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
