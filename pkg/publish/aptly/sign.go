package aptly

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/debian"
	"foundry/pkg/publish/aptly/disk"
)

// sign writes Release, Release.gpg and InRelease into dir.
func (r *Repo) sign(ctx context.Context, dir string, text []byte, modified time.Time) error {
	var inline, detached []byte
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { inline, err = r.opts.Signer.Clearsign(groupCtx, text); return err })
	group.Go(func() (err error) { detached, err = r.opts.Signer.Detach(groupCtx, text); return err })
	if err := group.Wait(); err != nil {
		return err
	}
	// The last line end is not part of signed text (RFC 9580, 7.2).
	if signed, err := debian.Unsign(inline); err != nil || !bytes.Equal(bytes.TrimRight(signed, "\n"), bytes.TrimRight(text, "\n")) {
		return errors.Join(errors.New("sign metadata: the signed text is not the text given"), err)
	}
	for name, data := range map[string][]byte{"Release": text, "Release.gpg": detached, "InRelease": inline} {
		path := filepath.Join(dir, name)
		r.step("write " + name)
		if err := disk.WriteFile(path, data); err != nil {
			return err
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			return err
		}
	}
	return nil
}
