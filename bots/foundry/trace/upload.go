package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// uploadLink is the name of the link that a whole chain ends with where the source package was uploaded.
const uploadLink = "upload"

// traceUpload checks that the transaction is that of the upload, and who has signed it: the .changes that
// lists the .dsc, or where there is none the .dsc.
func (t *tracer) traceUpload(ctx context.Context) *Link {
	found, known := t.history[message.TypeSource]
	source, ok := found.body.(*message.Source)
	if !known || !ok || !source.Uploaded() || len(source.Files) == 0 {
		return nil
	}
	l := &Link{Name: uploadLink, About: fmt.Sprintf("for %s by %s", source.Branch, source.Committer), Key: source.Signer}
	var err error
	if message.UploadID(source) != found.m.ID || message.ContextOfUpload(source) != found.m.Context || found.m.Parent != "" {
		err = errors.New("they are those of another")
	}
	l.check("id and transaction follow from the upload", err)
	given := source.Files[0]
	if source.Upload != nil {
		given = *source.Upload
	}
	l.About += ", " + given.Name
	text := t.uploadText(ctx, l, source, given)
	if text != nil && source.Upload != nil {
		l.check(given.Name+" lists the .dsc", changesList(text, source.Package, source.Files[0]))
	}
	return l
}

// uploadText returns what the uploader has signed.
func (t *tracer) uploadText(ctx context.Context, l *Link, source *message.Source, given message.Artifact) []byte {
	if source.Signer == "" {
		l.About += ", unsigned, allowed"
		text := t.unsigned(ctx, l, given)
		if text == nil {
			return nil
		}
		plain, err := debian.Unsign(text)
		if err != nil {
			l.check(given.Name+" can be read", err)
		}
		return plain
	}
	name := t.fetch(ctx, l, given)
	if name == "" {
		return nil
	}
	ring, err := t.keyring(trust.Uploaders)
	if err == nil && !slices.Contains(ring.Fingerprints(), source.Signer) {
		err = bot.Hint(errors.New("it is not among those who may upload"), "the uploader's key was removed since: foundry trust list "+trust.Uploaders)
	}
	l.check("uploader's key "+source.Signer+" is trusted", err)
	if err != nil {
		return nil
	}
	return l.clearsigned(ring, name, source.Signer)
}
