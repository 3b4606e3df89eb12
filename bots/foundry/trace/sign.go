package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// traceDist checks that what was published is what was signed.
func (t *tracer) traceDist(context.Context) *Link {
	l, found, ok := t.newLink(message.TypeDist)
	if !ok {
		return l
	}
	parent, known := t.history[message.TypeSign]
	if !known {
		return l // the next link says why
	}
	l.agree(found, parent)
	if sign, ok := parent.body.(*message.Sign); ok {
		files := sign.Files
		if t.isSource() {
			files = sign.SourceFiles
		}
		l.check("the sign message names the published file", listed(files, t.file()))
	}
	return l
}

// traceSign checks the signatures of the package key, and that what they are around is what was
// built.
func (t *tracer) traceSign(ctx context.Context) *Link {
	l, found, ok := t.newLink(message.TypeSign)
	if !ok {
		return l
	}
	sign, ok := found.body.(*message.Sign)
	if !ok {
		return l
	}
	l.Key = sign.Key
	parent, known := t.history[message.TypeBuild]
	if known {
		l.agree(found, parent)
	}
	ring, err := t.keyring(trust.Packages)
	if err != nil {
		l.check("package key "+sign.Key+" is trusted", err)
		return l
	}
	built, err := named(sign.Built, t.file().Name)
	l.check("the sign message names the file as it was built", err)
	if t.isSource() {
		t.checkSignedText(ctx, l, ring, sign, t.file(), built)
	} else {
		t.checkSignedDeb(ctx, l, ring, sign, built)
		t.checkSignedChanges(ctx, l, ring, sign)
		t.checkSignedBuildinfo(ctx, l, ring, sign, built)
	}
	if build, ok := parent.body.(*message.Build); ok && known {
		files := build.Files
		if t.isSource() {
			files = build.SourceFiles
		}
		l.check("the build message names the file without its signature", listed(files, built))
	}
	return l
}

// checkSignedDeb checks the signature inside of a package.
func (t *tracer) checkSignedDeb(ctx context.Context, l *Link, ring *trust.Keyring, sign *message.Sign, built message.Artifact) {
	name := t.fetch(ctx, l, t.file())
	if name == "" {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		l.check("package", err)
		return
	}
	defer f.Close()
	deb, err := debian.ReadDeb(f, t.published.Size)
	if err != nil {
		l.check("package is well-formed", err)
		return
	}
	l.check("package holds a signature by "+sign.Key, embeddedBy(deb, ring, sign.Key))
	digest, _, err := hashOf(deb.Built())
	if err == nil {
		err = differs(built.SHA256, digest)
	}
	l.check("without its signature the package is what was built, SHA-256 "+string(built.SHA256), err)
}

// embeddedBy tells whether the signature inside of a package is by the given key.
func embeddedBy(deb *debian.Deb, ring *trust.Keyring, key string) error {
	signature, err := deb.Signature()
	if err != nil {
		return err
	}
	payload, err := io.ReadAll(deb.Payload())
	if err != nil {
		return fmt.Errorf("read package: %w", err)
	}
	print, err := ring.Verify(payload, signature)
	if err == nil && print != key {
		err = fmt.Errorf("signed by %s", print)
	}
	return err
}

// checkSignedChanges checks that the signed .changes lists the package as it was published.
func (t *tracer) checkSignedChanges(ctx context.Context, l *Link, ring *trust.Keyring, sign *message.Sign) {
	ref, err := named(sign.Files, sign.Changes)
	if err != nil {
		l.check("the sign message names its .changes", err)
		return
	}
	if name := t.fetch(ctx, l, ref); name != "" {
		if text := l.clearsigned(ring, name, sign.Key); text != nil {
			l.check(ref.Name+" lists the published file", changesList(text, sign.Package, t.file()))
		}
	}
}

// changesList tells whether a .changes is about the package and lists the file.
func changesList(text []byte, pkg message.Package, file message.Artifact) error {
	changes, err := debian.ParseChanges(text)
	if err != nil {
		return err
	}
	if changes.Source != pkg.Source || changes.SourceVersion.String() != pkg.Version && changes.Version.String() != pkg.Version {
		return fmt.Errorf("it is about %s %s", changes.Source, changes.SourceVersion)
	}
	got, found := changes.File(file.Name)
	switch {
	case !found:
		return fmt.Errorf("it does not list %s", file.Name)
	case got.Size != file.Size:
		return fmt.Errorf("it lists %s with %d bytes, not %d", file.Name, got.Size, file.Size)
	}
	return differs(file.SHA256, message.Digest(got.SHA256))
}

// checkSignedBuildinfo checks that the signed .buildinfo lists the package as it was built.
func (t *tracer) checkSignedBuildinfo(ctx context.Context, l *Link, ring *trust.Keyring, sign *message.Sign, built message.Artifact) {
	ref, err := buildinfo(sign.Files)
	if err != nil {
		l.check("the sign message names a .buildinfo", err)
		return
	}
	if name := t.fetch(ctx, l, ref); name != "" {
		if text := l.clearsigned(ring, name, sign.Key); text != nil {
			l.check(ref.Name+" lists the file as it was built", buildinfoLists(text, built))
		}
	}
}

// buildinfo returns the one .buildinfo among files.
func buildinfo(files []message.Artifact) (message.Artifact, error) {
	for _, a := range files {
		if strings.HasSuffix(a.Name, ".buildinfo") {
			return a, nil
		}
	}
	return message.Artifact{}, errors.New("there is no .buildinfo among its files")
}

// buildinfoLists tells whether a .buildinfo (deb-buildinfo(5)), without signature, lists the file.
func buildinfoLists(text []byte, file message.Artifact) error {
	stanzas, err := debian.ParseControl(text)
	if err != nil {
		return err
	}
	if len(stanzas) != 1 {
		return fmt.Errorf("it has %d stanzas instead of one", len(stanzas))
	}
	for line := range strings.Lines(stanzas[0].Get("Checksums-Sha256")) {
		if words := strings.Fields(line); len(words) == 3 && words[2] == file.Name {
			return differs(file.SHA256, message.Digest(words[0]))
		}
	}
	return fmt.Errorf("it does not list %s", file.Name)
}

// checkSignedText checks that a .dsc is signed and that its text is that of the built one.
func (t *tracer) checkSignedText(ctx context.Context, l *Link, ring *trust.Keyring, sign *message.Sign, signed, built message.Artifact) {
	signedName, builtName := t.fetch(ctx, l, signed), t.fetch(ctx, l, built)
	if signedName == "" || builtName == "" {
		return
	}
	text := l.clearsigned(ring, signedName, sign.Key)
	if text == nil {
		return
	}
	before, err := readSmall(builtName)
	if err == nil {
		before, err = debian.Unsign(before) // an uploader has signed it too
	}
	if err == nil && strings.TrimSpace(string(before)) != strings.TrimSpace(string(text)) {
		err = errors.New("its text was altered")
	}
	l.check(filepath.Base(signedName)+" without its signature is what it was made from", err)
}
