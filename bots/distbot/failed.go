package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// failed keeps builds that were refused, for people to look into: each in a folder with its files, its
// message (message.json), and why it was refused (reason.txt).
type failed struct {
	dir   string        // of all of them
	age   time.Duration // how long each is kept
	bytes int64         // how much is kept at most; the oldest go first
	store artifact.Store
	log   zerolog.Logger
}

// maxFailed is how much is kept of refused builds.
const maxFailed = 4 << 30

// newFolder begins the names of folders that are not finished; no other begins so.
const newFolder = ".new-"

// refused keeps a build that f is about, and returns f with a hint that says where.
func (d *dist) refused(ctx context.Context, m *message.Message, sign *message.Sign, f *bot.Failure) *bot.Failure {
	if d.failed == nil || f.Class != message.ClassPolicy {
		return f
	}
	dir, err := d.failed.keep(ctx, m, sign, f)
	if err != nil {
		d.Log.Warn().Err(err).Str("context", m.Context).Msg("refused build was not kept")
		return f
	}
	told := *f
	told.Hint = strings.TrimPrefix(f.Hint+"; the refused build is kept in "+dir, "; ")
	return &told
}

// folderOf is the name of the folder of a build. Builds of one transaction differ in codename and
// architecture.
func folderOf(context string, sign *message.Sign) string {
	context = message.SafeKey(context)
	return context[max(0, len(context)-150):] + "-" + shorten(sign.Codename, 50) + "-" + shorten(sign.Architecture, 30)
}

func shorten(s string, most int) string {
	s = message.SafeKey(s)
	return s[:min(len(s), most)]
}

// keep keeps a build, in place of an earlier try of it.
func (k *failed) keep(ctx context.Context, m *message.Message, sign *message.Sign, f *bot.Failure) (dir string, err error) {
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(k.dir, newFolder)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(made)
	if err := k.fill(ctx, made, m, sign, f); err != nil {
		return "", err
	}
	if err := os.Chmod(made, 0o755); err != nil {
		return "", err
	}
	dir = filepath.Join(k.dir, folderOf(m.Context, sign))
	if err := errors.Join(os.RemoveAll(dir), os.Rename(made, dir)); err != nil {
		return "", err
	}
	return dir, k.sweep()
}

// fill puts into dir what is kept of a build. Files that are gone, or whose names are no file names, and those of a
// build that is larger than all that is kept, are left out, and reason.txt says so.
func (k *failed) fill(ctx context.Context, dir string, m *message.Message, sign *message.Sign, f *bot.Failure) error {
	var reason strings.Builder
	fmt.Fprintf(&reason, "%s\n", oneLine(f.Reason))
	if f.Hint != "" {
		fmt.Fprintf(&reason, "hint: %s\n", oneLine(f.Hint))
	}
	files := slices.Concat(sign.Files, sign.SourceFiles)
	total := int64(0)
	for _, a := range files {
		total += a.Size
	}
	for _, a := range files {
		err := error(nil)
		switch {
		case total > k.bytes:
			err = fmt.Errorf("the build is larger than %d bytes", k.bytes)
		case !debian.ValidFileName(a.Name) || a.Name == reasonFile || a.Name == messageFile:
			err = errors.New("bad file name")
		default:
			_, err = artifact.FetchFile(ctx, k.store, a, dir)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(&reason, "not kept: %q, sha256 %s: %s\n", a.Name, a.SHA256, oneLine(err.Error()))
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, messageFile), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, reasonFile), []byte(reason.String()), 0o644),
	)
}

const (
	reasonFile  = "reason.txt"
	messageFile = "message.json"
)

// oneLine makes one line of text from elsewhere.
func oneLine(s string) string { return strings.Join(strings.Fields(bot.Printable(s)), " ") }

// clean removes what a killed process has left half-made, and what is too old.
func (k *failed) clean() error {
	left, err := filepath.Glob(filepath.Join(k.dir, newFolder+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return errors.Join(err, k.sweep())
}

// sweep removes what is too old, and the oldest where there is too much.
func (k *failed) sweep() error {
	entries, err := os.ReadDir(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	type build struct {
		path  string
		since time.Time
		bytes int64
	}
	var builds []build
	total := int64(0)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), newFolder) {
			continue
		}
		b := build{path: filepath.Join(k.dir, e.Name())}
		b.since, b.bytes = measure(b.path)
		total += b.bytes
		builds = append(builds, b)
	}
	slices.SortFunc(builds, func(a, b build) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.path, b.path)) })
	for _, b := range builds {
		if total > k.bytes || time.Since(b.since) >= k.age {
			total -= b.bytes
			err = errors.Join(err, os.RemoveAll(b.path))
		}
	}
	if err != nil {
		return fmt.Errorf("sweep refused builds: %w", err)
	}
	return nil
}

// measure returns since when a build is kept, and how large it is.
func measure(dir string) (since time.Time, bytes int64) {
	if info, err := os.Stat(dir); err == nil {
		since = info.ModTime()
	}
	entries, _ := os.ReadDir(dir) // what cannot be read counts as nothing, and is old some day
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return since, bytes
}
