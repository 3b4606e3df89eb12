package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// tracer follows one published file.
type tracer struct {
	*Reader
	state     string // folder
	dir       string // scratch
	target    Target
	published message.Published

	history map[message.Type]said  // the messages found, one of each type
	broken  map[message.Type]error // why the first missing one is missing
}

// ancestors are the types of the messages before a dist message, with their topics, backwards.
var ancestors = [...]struct {
	typ   message.Type
	topic message.Topic
}{
	{message.TypeSign, message.Signs},
	{message.TypeBuild, message.Builds},
	{message.TypeProvision, message.Provisions},
	{message.TypeSource, message.Sources},
	{message.TypeCommit, message.Commits},
}

// walk finds the messages from dist back to the commit or upload. It ends at the first that is missing or not
// believed.
func (t *tracer) walk(ctx context.Context, dist said) {
	t.history = map[message.Type]said{message.TypeDist: dist}
	t.broken = map[message.Type]error{}
	child := dist
	for _, a := range ancestors {
		parent, err := t.parent(ctx, child, a.topic)
		if err == nil && parent.m.Type == message.TypeTest {
			// Tests answer builds and are answered in their place.
			parent, err = t.parent(ctx, parent, a.topic)
		}
		if err == nil && parent.m.Type != a.typ {
			err = fmt.Errorf("message %s is a %s, not a %s", parent.m.ID, parent.m.Type, a.typ)
		}
		if err != nil {
			t.broken[a.typ] = err
			return
		}
		t.history[a.typ] = parent
		if a.typ == message.TypeSource && message.About(parent.body).Uploaded() {
			return
		}
		child = parent
	}
}

// parent returns the message that child answers, which is expected on topic or on tests.
func (t *tracer) parent(ctx context.Context, child said, topic message.Topic) (said, error) {
	id := child.m.Parent
	if id == "" {
		return said{}, fmt.Errorf("%s message %s answers nothing", child.m.Type, child.m.ID)
	}
	raw, err := t.Bus.Lookup(ctx, topic, id)
	if errors.Is(err, bus.ErrNotFound) && topic == message.Builds {
		if test, testErr := t.Bus.Lookup(ctx, message.Tests, id); testErr == nil {
			raw, err = test, nil
		}
	}
	if errors.Is(err, bus.ErrNotFound) {
		return said{}, bot.Hint(fmt.Errorf("message %s is not kept on %s", id, topic), "it has expired: "+keptFor)
	}
	if err != nil {
		return said{}, fmt.Errorf("look up message %s: %w", id, err)
	}
	m, body, err := t.Sealer.Open(raw)
	if err != nil {
		return said{}, bot.Hint(fmt.Errorf("message %s is not believed: %s", id, bus.Reason(err)),
			fmt.Sprintf("see whose keys may speak there: foundry trust list %s", raw.Topic))
	}
	return said{raw, m, body}, nil
}

// newLink begins the link of a message. It returns nil for what lies beyond the first missing
// message, and a failed link for that one.
func (t *tracer) newLink(typ message.Type) (*Link, said, bool) {
	found, ok := t.history[typ]
	if !ok {
		err := t.broken[typ]
		if err == nil {
			return nil, said{}, false
		}
		l := &Link{Name: string(typ), About: "not found"}
		l.check("message", err)
		return l, said{}, false
	}
	m := found.m
	l := &Link{Name: string(typ), About: message.Summary(found.body), Message: &LinkMessage{
		ID: m.ID, Topic: m.Topic, Time: m.Time, Bot: m.Bot, Signer: found.raw.Signer,
	}}
	l.check(fmt.Sprintf("message %s is signed by a key that may speak on %s", m.ID, m.Topic), nil)
	return l, found, true
}

// agree checks that two neighbors are of one transaction and about the same commit, and from the
// source on, about the same package.
func (l *Link) agree(child, parent said) {
	a, b := message.About(child.body), message.About(parent.body)
	var err error
	switch {
	case child.m.Context != parent.m.Context:
		err = fmt.Errorf("transactions differ: %s and %s", child.m.Context, parent.m.Context)
	case a.Origin != b.Origin:
		err = fmt.Errorf("commits differ: %s and %s", a.Ref, b.Ref)
	case b.Source != "" && a.Package != b.Package:
		err = fmt.Errorf("packages differ: %s %s and %s %s", a.Source, a.Version, b.Source, b.Version)
	case b.Architecture != "" && a.Architecture != b.Architecture:
		err = fmt.Errorf("architectures differ: %s and %s", a.Architecture, b.Architecture)
	}
	l.check(fmt.Sprintf("answers %s message %s about the same", parent.m.Type, parent.m.ID), err)
}

// fetch reads an artifact from the store into the scratch folder and notes whether its bytes are
// those that the message names. It returns "" when they are not.
func (t *tracer) fetch(ctx context.Context, l *Link, ref message.Artifact) string {
	dir := filepath.Join(t.dir, string(ref.SHA256)) // signed and built files have the same names
	err := os.MkdirAll(dir, 0o700)
	var name string
	if err == nil {
		name, err = artifact.FetchFile(ctx, t.Store, ref, dir)
	}
	l.check(fmt.Sprintf("%s in the store has SHA-256 %s", ref.Name, ref.SHA256), storeError(err))
	if err != nil {
		return ""
	}
	return name
}

// reread reads an artifact from the store without keeping it, and notes whether its bytes are those
// that the message names.
func (t *tracer) reread(ctx context.Context, l *Link, ref message.Artifact) {
	r, err := t.Store.Open(ctx, ref.SHA256)
	if err == nil {
		_, err = io.Copy(io.Discard, artifact.Verify(r, ref.SHA256, ref.Size))
		err = errors.Join(err, r.Close())
	}
	l.check(fmt.Sprintf("%s in the store has SHA-256 %s", ref.Name, ref.SHA256), storeError(err))
}

func storeError(err error) error {
	switch {
	case errors.Is(err, artifact.ErrNotFound):
		return bot.Hint(err, "the artifact was removed from the store")
	case errors.Is(err, artifact.ErrCorrupt):
		return bot.Hint(err, "the artifact store was altered or is damaged; do not trust what is in it")
	}
	return err
}

// keyring reads a keyring of the trust folder.
func (t *tracer) keyring(name string) (*trust.Keyring, error) {
	ring, err := trust.ReadKeyring(filepath.Join(bot.TrustDir(t.state), name+".asc"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, bot.Hint(fmt.Errorf("no keys are trusted as %s", name), "add some: foundry trust add FILE.asc "+name)
	}
	return ring, err
}

// clearsigned returns the text of a signed file and notes whether the expected key of the keyring
// has signed it.
func (l *Link) clearsigned(ring *trust.Keyring, file, key string) []byte {
	text, err := readSmall(file)
	var plain []byte
	if err == nil {
		var print string
		plain, print, err = ring.VerifyClearsigned(text)
		if err == nil && print != key {
			err = fmt.Errorf("signed by %s", print)
		}
	}
	l.check(fmt.Sprintf("%s is signed by %s", filepath.Base(file), key), err)
	if err != nil {
		return nil
	}
	return plain
}

// maxSmall is the size in bytes of the largest text file that is read whole.
const maxSmall = 8 << 20

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	defer f.Close()
	var text bytes.Buffer
	if n, err := io.Copy(&text, io.LimitReader(f, maxSmall+1)); err != nil || n > maxSmall {
		return nil, errors.Join(err, fmt.Errorf("read %s: more than %d bytes", filepath.Base(name), maxSmall))
	}
	return text.Bytes(), nil
}

// named returns the artifact of that name.
func named(files []message.Artifact, name string) (message.Artifact, error) {
	for _, a := range files {
		if a.Name == name {
			return a, nil
		}
	}
	return message.Artifact{}, fmt.Errorf("there is no %s among its files", name)
}

// listed returns an error unless files has exactly this artifact.
func listed(files []message.Artifact, want message.Artifact) error {
	got, err := named(files, want.Name)
	switch {
	case err != nil:
		return err
	case got.Size != want.Size:
		return fmt.Errorf("%s has %d bytes there, not %d", want.Name, got.Size, want.Size)
	}
	return differs(want.SHA256, got.SHA256)
}

// file is the published file as an artifact.
func (t *tracer) file() message.Artifact {
	return message.Artifact{Name: path.Base(t.published.Filename), Size: t.published.Size, SHA256: t.published.SHA256}
}

func (t *tracer) isSource() bool { return t.published.Architecture == "source" }
