package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"foundry/bots/internal/delivery"
	"foundry/pkg/debian"
	"foundry/pkg/trust"
)

// embed writes the package in to out with a signature embedded.
func (w *work) embed(ctx context.Context, in, out string) (err error) {
	deb, err := debian.OpenDeb(in)
	if err != nil {
		if errors.As(err, new(*fs.PathError)) {
			return err
		}
		return fault("%s: %v", filepath.Base(in), err)
	}
	defer deb.Close()
	signature, err := trust.DetachStream(ctx, w.signer, deb.Payload)
	if err != nil {
		return fmt.Errorf("sign %s: %w", filepath.Base(in), err)
	}
	signed, err := os.Create(out)
	if err != nil {
		return err
	}
	err = deb.WriteSigned(signed, signature)
	if errors.Is(err, debian.ErrAlreadySigned) {
		err = fault("%s: %v", filepath.Base(in), err)
	}
	return errors.Join(err, signed.Close())
}

// clearsign writes the text file in to out with a signature around it. A signature that is there
// already gives way: a build is signed by the package key and by no other. The .changes lists the
// files as they are in the out folder.
func (w *work) clearsign(ctx context.Context, name, in, out string) error {
	text, err := readText(in)
	if err != nil {
		return err
	}
	text, err = debian.Unsign(text)
	if err != nil {
		return fault("%s: %v", name, err)
	}
	if name == w.build.Changes {
		if text, err = rewrite(text, w.listed); err != nil {
			return fault("%s: %v", name, err)
		}
	}
	signed, err := w.signer.Clearsign(ctx, text)
	if err != nil {
		return fmt.Errorf("sign %s: %w", name, err)
	}
	if back, err := debian.Unsign(signed); err != nil || !bytes.Equal(bytes.TrimRight(back, "\n"), bytes.TrimRight(text, "\n")) {
		return fault("%s: its text cannot be signed as it is", name)
	}
	return os.WriteFile(out, signed, 0o644)
}

// listed opens a file that the .changes lists: as signed, or as built where signing does not
// alter it.
func (w *work) listed(name string) (*os.File, error) {
	f, err := os.Open(filepath.Join(w.out, name))
	if errors.Is(err, os.ErrNotExist) {
		return os.Open(filepath.Join(w.in, name))
	}
	return f, err
}

func readText(path string) ([]byte, error) {
	text, err := delivery.ReadText(path)
	if errors.Is(err, delivery.ErrTooLarge) {
		return nil, fault("%v", err)
	}
	return text, err
}
