package trace

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// traceBuild checks that the build lists the file as it was built, and was made in the environment
// and from the source package that the provision names.
func (t *tracer) traceBuild(ctx context.Context) *Link {
	l, found, ok := t.newLink(message.TypeBuild)
	if !ok {
		return l
	}
	build, ok := found.body.(*message.Build)
	if !ok {
		return l
	}
	if !t.isSource() {
		t.checkBuilt(ctx, l, build)
	}
	parent, known := t.history[message.TypeProvision]
	if !known {
		return l
	}
	l.agree(found, parent)
	if p, ok := parent.body.(*message.Provision); ok {
		var err error
		if p.Image == nil || p.Image.Key != build.ImageKey {
			err = errors.New("the provision message names another")
		}
		l.check("was built in environment "+build.ImageKey, err)
		l.check("was built from the source package of the provision message", sameFiles(build.SourceFiles, p.Files))
	}
	return l
}

// checkBuilt checks the files that a build has made around the package.
func (t *tracer) checkBuilt(ctx context.Context, l *Link, build *message.Build) {
	built, err := named(build.Files, t.file().Name)
	if err != nil {
		l.check("the build message names the file", err)
		return
	}
	t.reread(ctx, l, built)
	ref, err := named(build.Files, build.Changes)
	if err != nil {
		l.check("the build message names its .changes", err)
	} else if text := t.unsigned(ctx, l, ref); text != nil {
		l.check(ref.Name+" lists the file", changesList(text, build.Package, built))
	}
	ref, err = buildinfo(build.Files)
	if err != nil {
		l.check("the build message names a .buildinfo", err)
	} else if text := t.unsigned(ctx, l, ref); text != nil {
		l.check(ref.Name+" lists the file", buildinfoLists(text, built))
	}
}

// unsigned reads a text file of a build from the store.
func (t *tracer) unsigned(ctx context.Context, l *Link, ref message.Artifact) []byte {
	name := t.fetch(ctx, l, ref)
	if name == "" {
		return nil
	}
	text, err := readSmall(name)
	if err != nil {
		l.check(ref.Name+" can be read", err)
	}
	return text
}

// sameFiles tells whether two lists name the same files with the same bytes.
func sameFiles(a, b []message.Artifact) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d files and %d files", len(a), len(b))
	}
	for _, file := range a {
		if err := listed(b, file); err != nil {
			return err
		}
	}
	return nil
}

// traceProvision checks that the environment was made for the source package.
func (t *tracer) traceProvision(context.Context) *Link {
	l, found, ok := t.newLink(message.TypeProvision)
	if !ok {
		return l
	}
	provision, ok := found.body.(*message.Provision)
	if !ok {
		return l
	}
	if provision.Outcome != message.Ready {
		l.check("environment was ready", fmt.Errorf("it was %s", provision.Outcome))
	}
	parent, known := t.history[message.TypeSource]
	if !known {
		return l
	}
	l.agree(found, parent)
	if source, ok := parent.body.(*message.Source); ok {
		l.check("names the files of the source message", sameFiles(provision.Files, source.Files))
	}
	return l
}

// traceSource checks that the .dsc lists the files of the source package, and that they are in the
// store.
func (t *tracer) traceSource(ctx context.Context) *Link {
	l, found, ok := t.newLink(message.TypeSource)
	if !ok {
		return l
	}
	source, ok := found.body.(*message.Source)
	if !ok {
		return l
	}
	if parent, known := t.history[message.TypeCommit]; known {
		l.agree(found, parent)
	}
	if len(source.Files) == 0 || !strings.HasSuffix(source.Files[0].Name, ".dsc") {
		l.check("names a .dsc", errors.New("its first file is none"))
		return l
	}
	l.About += ", " + source.Files[0].Name
	if text := t.unsigned(ctx, l, source.Files[0]); text != nil {
		l.check(source.Files[0].Name+" lists exactly the files of the source package", dscLists(text, source))
	}
	for _, file := range source.Files[1:] {
		t.reread(ctx, l, file)
	}
	return l
}

// dscLists tells whether a .dsc is about the source package and lists its files.
func dscLists(text []byte, source *message.Source) error {
	dsc, err := debian.ParseDsc(text)
	if err != nil {
		return err
	}
	if dsc.Source != source.Source || dsc.Version.String() != source.Version {
		return fmt.Errorf("it is about %s %s", dsc.Source, dsc.Version)
	}
	files := make([]message.Artifact, 0, len(dsc.Files))
	for _, f := range dsc.Files {
		files = append(files, message.Artifact{Name: f.Name, Size: f.Size, SHA256: message.Digest(f.SHA256)})
	}
	return sameFiles(files, source.Files[1:])
}

// traceCommit checks that the transaction is that of the commit.
func (t *tracer) traceCommit(context.Context) *Link {
	l, found, ok := t.newLink(message.TypeCommit)
	if !ok {
		return l
	}
	commit, ok := found.body.(*message.Commit)
	if !ok {
		return l
	}
	var err error
	if message.CommitID(commit) != found.m.ID || message.ContextOf(commit) != found.m.Context {
		err = errors.New("they are those of another")
	}
	l.check("id and transaction follow from the commit", err)
	return l
}

// traceGit fetches the commit and checks who has signed it.
func (t *tracer) traceGit(ctx context.Context) *Link {
	source, ok := t.history[message.TypeSource].body.(*message.Source)
	if _, known := t.history[message.TypeCommit]; !ok || !known {
		return nil
	}
	l := &Link{Name: lastLink, About: fmt.Sprintf("commit %s of %s", source.Ref, source.Repository), Key: source.Signer}
	if source.Signer == "" {
		l.About += ", unsigned, allowed"
	}
	if t.target.Offline {
		l.leaveOut("commit", "not asked for (--offline)")
		return l
	}
	commit, err := t.fetchCommit(ctx, source)
	l.check("the repository has the commit", err)
	if err != nil {
		return l
	}
	if !commit.Time.Equal(source.Time) {
		l.check("the commit was made when the source message says", fmt.Errorf("it was made at %s", commit.Time))
	}
	if source.Signer != "" {
		l.check("the commit is signed by "+source.Signer, t.commitSignedBy(commit, source.Signer))
	}
	return l
}

func (t *tracer) fetchCommit(ctx context.Context, source *message.Source) (gitrepo.Commit, error) {
	mirror, err := gitrepo.OpenMirror(filepath.Join(t.state, "mirrors"), source.Repository)
	if err == nil {
		err = mirror.Fetch(ctx, source.Ref, source.Branch)
	}
	var commit gitrepo.Commit
	if err == nil {
		commit, err = mirror.Commit(ctx, source.Ref)
	}
	if err != nil {
		return commit, fmt.Errorf("%w (--offline leaves this out)", err)
	}
	return commit, nil
}

// commitSignedBy tells whether a trusted committer with the given key has signed a commit.
func (t *tracer) commitSignedBy(commit gitrepo.Commit, key string) error {
	ring, err := t.keyring(trust.Committers)
	if err != nil {
		return err
	}
	print, err := gitrepo.VerifyCommit(ring, commit)
	if err == nil && print != key {
		err = fmt.Errorf("signed by %s", print)
	}
	if err != nil && !slices.Contains(ring.Fingerprints(), key) {
		return bot.Hint(err, "the committer's key was removed since: foundry trust list "+trust.Committers)
	}
	return err
}
