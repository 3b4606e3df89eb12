package upload

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"foundry/bots/internal/published"
	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/artifact"
	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/schemas"
)

// Receipt says what became of an upload.
type Receipt struct {
	Message *message.Message
	Fresh   bool // false where the same was uploaded before
}

// Announce stores the files that Gather has found and publishes the source message. What was uploaded
// before is no error when it is the same but for signatures, and refused otherwise; so is a version lower
// than one that is published.
func (d *Desk) Announce(ctx context.Context, p *Parcel) (*Receipt, error) {
	source, err := d.source(p)
	if err != nil {
		return nil, err
	}
	m, err := d.message(source)
	if err != nil {
		return nil, err
	}
	before, err := d.before(ctx, m, p, source)
	if before != nil || err != nil {
		return before, err
	}
	if err := d.checkPublished(ctx, p); err != nil {
		return nil, err
	}
	if err := d.storeAll(ctx, p, source); err != nil {
		return nil, err
	}
	fresh, err := d.Publish(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("announce %s %s: %w", source.Source, source.Version, err)
	}
	if fresh {
		return &Receipt{m, true}, nil
	}
	return d.before(ctx, m, p, source) // another was faster
}

// checkPublished refuses what no repository would take.
func (d *Desk) checkPublished(ctx context.Context, p *Parcel) error {
	content, err := published.Content(p.dscText)
	if err != nil || d.Downgrade {
		return err
	}
	return published.Check(ctx, d.Values, p.Package(), content)
}

// source is what the message says.
func (d *Desk) source(p *Parcel) (*message.Source, error) {
	files := []message.Artifact{refTo(p.dscName(), p.dscText)}
	for _, f := range p.files[:len(p.Dsc.Files)] {
		files = append(files, message.Artifact{Name: f.Name, Size: f.Size, SHA256: message.Digest(f.SHA256)})
	}
	source, err := sourcepackage.Message(p.Dsc, files)
	if err != nil {
		return nil, err
	}
	source.Codename, source.IndepArchitecture = p.Codename, d.Build.IndepArchitecture
	source.Origin = message.Origin{Repository: message.UploadRepository, Branch: p.Codename, Ref: string(files[0].SHA256)}
	if p.Changes != nil {
		source.Branch = p.Changes.Distribution
		signed := refTo(debian.ChangesName(source.Source, p.Dsc.Version, "source"), p.text)
		source.Upload = &signed
	}
	source.Signer, source.Committer, source.Time = p.Signer, p.Uploader, p.Date
	source.Profiles, source.Options = d.Build.Profiles, d.Build.Options
	source.Timeout = int(d.Build.Timeout.Round(time.Second) / time.Second)
	return source, nil
}

// message makes the message and checks that it can be said: foreign fields may hold what none may have.
func (d *Desk) message(source *message.Source) (*message.Message, error) {
	m, err := message.NewUpload(d.Self, source)
	if err != nil {
		return nil, err
	}
	payload, err := m.Encode()
	if err != nil {
		return nil, broken("shorten debian/control", "%s: %v", source.Files[0].Name, err)
	}
	if err := schemas.Validate(payload); err != nil {
		return nil, broken("see dsc(5)", "%s: %v", source.Files[0].Name, err)
	}
	return m, nil
}

func (d *Desk) storeAll(ctx context.Context, p *Parcel, source *message.Source) error {
	if err := d.storeText(ctx, source.Files[0].Name, p.dscText); err != nil {
		return err
	}
	if source.Upload != nil {
		if err := d.storeText(ctx, source.Upload.Name, p.text); err != nil {
			return err
		}
	}
	for _, f := range p.files[:len(p.Dsc.Files)] { // a .buildinfo is not asked for any more
		if err := d.store(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// before looks whether this version was uploaded already: the receipt is nil where it was not.
func (d *Desk) before(ctx context.Context, m *message.Message, p *Parcel, source *message.Source) (*Receipt, error) {
	raw, err := d.Bus.Lookup(ctx, m.Topic, m.ID)
	if errors.Is(err, bus.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for earlier uploads: %w", err)
	}
	kept, body, err := d.Sealer.Open(raw)
	if err != nil {
		return nil, fmt.Errorf("read earlier upload of %s %s: %w", source.Source, source.Version, err)
	}
	old, ok := body.(*message.Source)
	if !ok {
		return nil, fmt.Errorf("read earlier upload: message %s is no source", m.ID)
	}
	same, err := d.sameContent(ctx, old, p, source)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, refuse("raise the version in debian/changelog: dch --increment",
			"%s %s was uploaded for %s before, with other contents (%s)", source.Source, source.Version, source.Codename, kept.Context)
	}
	return &Receipt{kept, false}, nil
}

// sameContent tells whether two uploads are the same but for the signature of the .dsc.
func (d *Desk) sameContent(ctx context.Context, old *message.Source, p *Parcel, source *message.Source) (bool, error) {
	byName := func(a, b message.Artifact) int { return cmp.Compare(a.Name, b.Name) }
	was, is := slices.SortedFunc(slices.Values(old.Files[1:]), byName), slices.SortedFunc(slices.Values(source.Files[1:]), byName)
	if !slices.Equal(was, is) {
		return false, nil
	}
	if old.Files[0] == source.Files[0] {
		return true, nil
	}
	r, err := d.Store.Open(ctx, old.Files[0].SHA256)
	if err != nil {
		return false, fmt.Errorf("read earlier upload: %w", err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxText))
	if err != nil {
		return false, fmt.Errorf("read earlier upload: %w", err)
	}
	content, err := published.Content(text)
	if err != nil {
		return false, err
	}
	own, err := published.Content(p.dscText)
	return content == own, err
}

// refTo is the reference to a text.
func refTo(name string, text []byte) artifact.Reference {
	sum := sha256.Sum256(text)
	return artifact.Reference{Name: name, Size: int64(len(text)), SHA256: artifact.Digest(hex.EncodeToString(sum[:]))}
}
