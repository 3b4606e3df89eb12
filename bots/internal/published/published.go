// Package published keeps a record on the bus of which version of a source package each apt repository
// has, so that whoever makes or brings a source package can tell before it is built that no repository
// would take it.
//
// Distbot writes the record, after a package is in and before it says so. The repository itself decides in the
// end: the record only spares builds that it would refuse. Sources without a record pass.
//
// An entry of the record holds what all archives have of one source package in one codename. It
// rises with what is published. Sync sets it to what a repository really has, which may be less, after
// one was made anew.
package published

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// has is what an archive has of a source package.
type has struct {
	Version string         `json:"version"`
	Content message.Digest `json:"content,omitempty"` // see Content; empty where it is not known
}

// archives are the values of the record: what each archive has, by its name.
type archives map[string]has

// Content tells .dsc files apart by what they say: it is the SHA-256 of the text without signature.
func Content(dsc []byte) (message.Digest, error) {
	plain, err := debian.Unsign(dsc)
	if err != nil {
		return "", fmt.Errorf("read .dsc: %w", err)
	}
	sum := sha256.New()
	for line := range bytes.Lines(bytes.TrimSpace(plain)) {
		sum.Write(bytes.TrimRight(line, " \t\r\n"))
		sum.Write([]byte("\n"))
	}
	return message.Digest(hex.EncodeToString(sum.Sum(nil))), nil
}

// Note writes down that an archive has published a source package. content is that of its .dsc, or empty.
// Noting again what is there, or what is lower, changes nothing.
func Note(ctx context.Context, values bus.Values, archive string, p message.Package, content message.Digest) error {
	version, err := debian.ParseVersion(p.Version)
	if err != nil {
		return fmt.Errorf("note what is published: %w", err)
	}
	return change(ctx, values, p.Codename, p.Source, func(all archives) bool {
		old, found := all[archive]
		if found {
			order := old.compare(version)
			if order > 0 || order == 0 && (content == "" || old.Content == content) {
				return false
			}
		}
		all[archive] = has{p.Version, content}
		return true
	})
}

// syncers is how many entries Sync looks at at a time; a look takes one question to the bus.
const syncers = 16

// Sync makes the record agree with the versions by source package that an archive has for a codename; the
// version "" is that of a package that it has no more. It must not run while the archive publishes them.
func Sync(ctx context.Context, values bus.Values, archive, codename string, sources map[string]string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(syncers)
	for source, version := range sources {
		group.Go(func() error {
			return change(ctx, values, codename, source, func(all archives) bool {
				if all[archive].Version == version {
					return false
				}
				all[archive] = has{Version: version}
				if version == "" {
					delete(all, archive)
				}
				return true
			})
		})
	}
	return group.Wait()
}

// compare compares the version that an archive has with another. One that cannot be read is less.
func (h has) compare(version debian.Version) int {
	v, err := debian.ParseVersion(h.Version)
	if err != nil {
		return -1
	}
	return v.Compare(version)
}

// key is the entry of a source package in a codename.
func key(codename, source string) string { return "published/" + codename + "/" + source }

// read returns an entry and its revision; one that is not there, or that cannot be read, is empty.
func read(ctx context.Context, values bus.Values, codename, source string) (archives, uint64, error) {
	all := archives{}
	data, revision, err := values.Get(ctx, key(codename, source))
	if errors.Is(err, bus.ErrNotFound) {
		return all, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read what is published of %s: %w", source, err)
	}
	if json.Unmarshal(data, &all) != nil || all == nil {
		return archives{}, revision, nil
	}
	return all, revision, nil
}

// change alters an entry with alter, which tells whether it has, and again when another has done so
// meanwhile.
func change(ctx context.Context, values bus.Values, codename, source string, alter func(archives) bool) error {
	for {
		all, revision, err := read(ctx, values, codename, source)
		if err != nil {
			return err
		}
		if !alter(all) {
			return nil
		}
		data, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("encode what is published of %s: %w", source, err)
		}
		err = values.Put(ctx, key(codename, source), data, revision)
		if err == nil || !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
}
