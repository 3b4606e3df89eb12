package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"foundry/bots/internal/delivery"
	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// signing is the work of signbot.
type signing struct{ signer trust.Signer }

func (s *signing) stage(body message.Body) []string {
	if build, ok := body.(*message.Build); ok {
		return []string{build.Architecture}
	}
	return nil
}

func (s *signing) results(_ *message.Message, body message.Body) []bot.Result {
	if _, ok := body.(*message.Build); !ok {
		return nil
	}
	return []bot.Result{{Body: new(message.Sign), Siblings: s.stage(body)}}
}

// do signs one build.
//
// Each build of a source brings the .dsc, and each signs it with the time of its own signature.
// That does no harm: a repository takes the first one, and takes later ones for the same where
// they differ in the signature alone.
func (s *signing) do(ctx context.Context, j *bot.Job) ([]bot.Result, error) {
	build, ok := j.Body.(*message.Build)
	if !ok {
		return nil, &bot.Failure{Class: message.ClassPolicy, Reason: fmt.Sprintf("a %s message is not for signing", j.Body.Type())}
	}
	w := &work{Job: j, build: build, signer: s.signer, in: filepath.Join(j.Dir, "in"), out: filepath.Join(j.Dir, "out")}
	if err := errors.Join(os.Mkdir(w.in, 0o755), os.Mkdir(w.out, 0o755)); err != nil {
		return nil, err
	}
	if err := w.fetch(ctx); err != nil {
		return nil, err
	}
	sign := &message.Sign{
		Origin: build.Origin, Package: build.Package, Architecture: build.Architecture,
		Changes: build.Changes, Key: s.signer.Fingerprint(), Log: build.Log,
		Files: []message.Artifact{}, SourceFiles: []message.Artifact{}, Built: []message.Artifact{},
	}
	var err error
	for _, a := range w.inOrder(build.Files) {
		if sign.Files, err = w.sign(ctx, a, sign.Files, &sign.Built); err != nil {
			return nil, err
		}
	}
	for _, a := range build.SourceFiles {
		if sign.SourceFiles, err = w.sign(ctx, a, sign.SourceFiles, &sign.Built); err != nil {
			return nil, err
		}
	}
	j.Log.Info().Str("source", build.Source).Str("version", build.Version).Str("arch", build.Architecture).
		Int("files", len(sign.Built)).Msg("signed")
	return []bot.Result{{Body: sign, Siblings: s.stage(build)}}, nil
}

// work is the signing of one build.
type work struct {
	*bot.Job
	build   *message.Build
	signer  trust.Signer
	in, out string // folders of the files as they were built and as they are signed
}

// fault is the error of a build that is not what it says it is.
func fault(format string, args ...any) error {
	return &bot.Failure{Class: message.ClassPackage, Reason: fmt.Sprintf(format, args...), Hint: "build it again: foundry retry"}
}

// fetch brings the files of the build and checks them against each other.
func (w *work) fetch(ctx context.Context) error {
	seen := map[string]message.Digest{}
	for _, a := range slices.Concat(w.build.Files, w.build.SourceFiles) {
		if digest, twice := seen[a.Name]; twice && digest != a.SHA256 {
			return fault("the build names two different files %q", a.Name)
		}
		if !debian.ValidFileName(a.Name) {
			return fault("bad file name %q", a.Name)
		}
		seen[a.Name] = a.SHA256
		if _, err := artifact.FetchFile(ctx, w.Store, a, w.in); err != nil {
			return err
		}
	}
	b := w.build
	text, err := readText(filepath.Join(w.in, b.Changes))
	if err != nil {
		return err
	}
	changes, err := debian.ParseChanges(text)
	if err != nil {
		return fault("%s: %v", b.Changes, err)
	}
	if err := delivery.Check(changes, b.Changes, b.Package, b.Files); err != nil {
		return fault("%v", err)
	}
	return nil
}

// inOrder puts the .changes last, which lists the others as they are after signing.
func (w *work) inOrder(files []message.Artifact) []message.Artifact {
	sorted := slices.Clone(files)
	slices.SortStableFunc(sorted, func(a, b message.Artifact) int {
		switch w.build.Changes {
		case a.Name:
			return 1
		case b.Name:
			return -1
		}
		return 0
	})
	return sorted
}

// sign signs the file a, stores it, and appends the reference to it to files and, where it was
// altered, that to the file as built to built.
func (w *work) sign(ctx context.Context, a message.Artifact, files []message.Artifact, built *[]message.Artifact) ([]message.Artifact, error) {
	in, out := filepath.Join(w.in, a.Name), filepath.Join(w.out, a.Name)
	var err error
	switch filepath.Ext(a.Name) {
	case ".deb", ".udeb", ".ddeb":
		err = w.embed(ctx, in, out)
	case ".dsc", ".buildinfo", ".changes":
		if _, err := os.Stat(out); err == nil {
			break // the .changes has listed the source too
		}
		err = w.clearsign(ctx, a.Name, in, out)
	default:
		return append(files, a), nil
	}
	if err != nil {
		return nil, err
	}
	signed, err := artifact.PutFile(ctx, w.Store, out)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(*built, a) {
		*built = append(*built, a)
	}
	return append(files, signed), nil
}
