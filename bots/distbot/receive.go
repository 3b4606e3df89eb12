package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"foundry/bots/internal/delivery"
	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/trust"
)

// refuse is the error of a build that breaks a rule of the repository.
func refuse(format string, args ...any) error {
	return &bot.Failure{Class: message.ClassPolicy, Reason: fmt.Sprintf(format, args...)}
}

// receive fetches the files of a signed build into dir and verifies them: signatures of .changes, .dsc,
// .buildinfo and packages, files listed against files given, codename against Distribution.
func (d *dist) receive(ctx context.Context, dir string, sign *message.Sign) (upload publish.Upload, err error) {
	ring, err := d.keys.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return upload, bot.Hint(fmt.Errorf("no package key is trusted: there is no %s", d.trust),
			"put the public package key of the signbot there, or name another file with --trust-packages")
	}
	if err != nil {
		return upload, fmt.Errorf("read trusted package keys: %w", err)
	}
	v := &verifier{sign: sign, ring: ring, dir: dir}
	upload = publish.Upload{Package: sign.Package, Architecture: sign.Architecture, Owned: true}
	if err := d.fetch(ctx, dir, sign); err != nil {
		return upload, err
	}
	for _, a := range sign.Files {
		path := filepath.Join(dir, a.Name)
		switch filepath.Ext(a.Name) {
		case ".deb", ".udeb", ".ddeb":
			if err := v.verifyDeb(path); err != nil {
				return upload, err
			}
			upload.Files = append(upload.Files, path)
		case ".buildinfo":
			if _, err := v.verifyText(a.Name); err != nil {
				return upload, err
			}
			upload.Buildinfo = append(upload.Buildinfo, path)
		}
	}
	if err := v.verifyChanges(); err != nil {
		return upload, err
	}
	upload.Changes = filepath.Join(dir, sign.Changes)
	upload.Dsc, upload.SourceFiles, err = v.verifySource()
	return upload, err
}

// fetchers is how many files of a build are fetched at a time.
const fetchers = 4

// fetch fetches the files of a build.
func (d *dist) fetch(ctx context.Context, dir string, sign *message.Sign) error {
	seen := map[string]message.Artifact{}
	for _, a := range slices.Concat(sign.Files, sign.SourceFiles) {
		if !debian.ValidFileName(a.Name) {
			return refuse("bad file name %q", a.Name)
		}
		if other, twice := seen[a.Name]; twice && other != a {
			return refuse("two different files %s", a.Name)
		}
		seen[a.Name] = a
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fetchers)
	for _, a := range seen {
		group.Go(func() error {
			_, err := artifact.FetchFile(ctx, d.Store, a, dir)
			return err
		})
	}
	return group.Wait()
}

// verifier checks one signed build whose files are in dir.
type verifier struct {
	sign *message.Sign
	ring *trust.Keyring
	dir  string
}

// verifyChanges checks the .changes: its signature, that it is about the package of the message,
// and that it lists exactly the files given.
func (v *verifier) verifyChanges() error {
	s := v.sign
	plain, err := v.verifyText(s.Changes)
	if err != nil {
		return err
	}
	c, err := debian.ParseChanges(plain)
	if err != nil {
		return refuse("%s: %v", s.Changes, err)
	}
	if err := delivery.Check(c, s.Changes, s.Package, s.Files); err != nil {
		return refuse("%v", err)
	}
	return nil
}

// verifySource checks the .dsc's signature and returns it and the files beside it. A build without
// source has none.
func (v *verifier) verifySource() (dsc string, files []string, err error) {
	for _, a := range v.sign.SourceFiles {
		path := filepath.Join(v.dir, a.Name)
		if strings.HasSuffix(a.Name, ".dsc") {
			if dsc != "" {
				return "", nil, refuse("two .dsc files: %s and %s", filepath.Base(dsc), a.Name)
			}
			if _, err := v.verifyText(a.Name); err != nil {
				return "", nil, err
			}
			dsc = path
			continue
		}
		files = append(files, path)
	}
	if dsc == "" && len(files) > 0 {
		return "", nil, refuse("source files without a .dsc")
	}
	return dsc, files, nil
}

// verifyText checks the signature of a clearsigned file and returns its text.
func (v *verifier) verifyText(name string) ([]byte, error) {
	text, err := delivery.ReadText(filepath.Join(v.dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refuse("the build has no file %q", name)
	case errors.Is(err, delivery.ErrTooLarge):
		return nil, refuse("%v", err)
	case err != nil:
		return nil, err
	}
	plain, print, err := v.ring.VerifyClearsigned(text)
	if err != nil {
		return nil, v.distrust(name, err)
	}
	return plain, v.checkKey(name, print)
}

// verifyDeb checks the signature embedded in a package.
func (v *verifier) verifyDeb(path string) error {
	name := filepath.Base(path)
	deb, err := debian.OpenDeb(path)
	if err != nil {
		if errors.As(err, new(*fs.PathError)) {
			return err
		}
		return refuse("%s: %v", name, err)
	}
	defer deb.Close()
	signature, err := deb.Signature()
	if err != nil {
		return refuse("%s: %v", name, err)
	}
	print, err := v.ring.VerifyStream(deb.Payload, signature)
	if err != nil {
		return v.distrust(name, err)
	}
	return v.checkKey(name, print)
}

// checkKey holds a build to the one key that its message names.
func (v *verifier) checkKey(name, print string) error {
	if print != v.sign.Key {
		return refuse("%s is signed by key %s, not by %s as the message says", name, print, v.sign.Key)
	}
	return nil
}

func (v *verifier) distrust(name string, err error) error {
	var untrusted *trust.UntrustedError
	if !errors.As(err, &untrusted) {
		return fmt.Errorf("verify %s: %w", name, err)
	}
	return &bot.Failure{
		Class: message.ClassPolicy, Reason: fmt.Sprintf("signature of %s: %v", name, err),
		Hint: cmp.Or(untrusted.Hint(), "if the key should be trusted, add it to the file of --trust-packages and retry"),
	}
}
