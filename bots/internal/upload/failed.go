package upload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

const (
	maxReason = 1000
	maxName   = 240 // leaves room for the extension
)

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mode: info.Mode(), ctime: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.ctime = sys.Ino, time.Unix(sys.Ctim.Unix())
	}
	return s
}

func equal(a, b map[string]stamp) bool {
	return maps.EqualFunc(a, b, func(x, y stamp) bool {
		return x.ctime.Equal(y.ctime) && x.size == y.size && x.inode == y.inode && x.mode == y.mode
	})
}

// listedBy returns the names that a .changes lists, believed or not.
func (f *Folder) listedBy(name string) (names []string) {
	text, _, err := readText(filepath.Join(f.Dir, name), false)
	if err != nil {
		return nil
	}
	changes, err := debian.ParseChanges(text)
	if err != nil {
		return nil
	}
	for _, file := range changes.Files {
		names = append(names, file.Name)
	}
	return names
}

// remove takes an upload that was announced out of the folder, the .changes first: if that is all that
// happens, the others lie about for a day and do no harm.
func (f *Folder) remove(p *Parcel) error {
	err := f.removeSame(p.Name, p.given)
	for _, at := range append([]found{p.dsc}, p.files...) {
		_, listed := p.listed(at.Name)
		if listed && at.info != nil && filepath.Dir(at.path) == f.Dir {
			err = errors.Join(err, f.removeSame(at.Name, at.info))
		}
	}
	return err
}

// removeSame removes a file unless it has been written again since it was read.
func (f *Folder) removeSame(name string, was fs.FileInfo) error {
	path := filepath.Join(f.Dir, name)
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && stampOf(now) != stampOf(was) {
		return nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove from incoming folder: %w", err)
	}
	return nil
}

// refuse reports an upload that is not taken, and puts it aside.
func (f *Folder) refuse(ctx context.Context, name string, p *Parcel, why *bot.Failure) error {
	if err := f.report(ctx, name, p, why); err != nil {
		return err
	}
	f.Log.Warn().Str("file", name).Str("reason", why.Reason).Msg("upload refused")
	listed := f.listedBy(name)
	owner, err := ownerOf(filepath.Join(f.Dir, name))
	if err != nil {
		return fmt.Errorf("put %s aside: %w", name, err)
	}
	if err := f.discard(name, why.Reason, why.Hint); err != nil {
		return err
	}
	// The .changes of a stranger takes nobody else's files with it.
	var wanted []string
	for other := range f.last {
		if filepath.Ext(other) == ".changes" && other != name {
			wanted = append(wanted, f.listedBy(other)...)
		}
	}
	for _, other := range listed {
		own, err := ownerOf(filepath.Join(f.Dir, other))
		if err == nil && own == owner && !slices.Contains(wanted, other) && filepath.Ext(other) != ".changes" {
			if err := f.aside(other); err != nil {
				return err
			}
		}
	}
	return nil
}

// report publishes the failure, once for each content and reason.
func (f *Folder) report(ctx context.Context, name string, p *Parcel, why *bot.Failure) error {
	failure := &message.Failure{
		Origin: message.Origin{Repository: message.UploadRepository},
		Stage:  f.Desk.Self.Name, Class: why.Class, Reason: why.Reason, Hint: why.Hint,
	}
	source, date := "upload", time.Unix(0, 0)
	if info, err := os.Lstat(filepath.Join(f.Dir, name)); err == nil {
		date = info.ModTime()
	}
	digest := name
	if p.text != nil {
		digest = string(refTo(name, p.text).SHA256)
	}
	if p.Changes != nil {
		failure.Package, failure.Branch = p.Package(), p.Changes.Distribution
		source = p.Changes.Source
	}
	if !p.Date.IsZero() {
		date = p.Date
	}
	siblings := []string{message.UploadRepository, digest, why.Reason}
	id := message.MakeID(message.Failures, message.TypeFailure, "", siblings...)
	name = fmt.Sprintf("%s-%s-%s", message.SafeKey(source), date.UTC().Format("20060102-150405"), id[:6])
	m, err := message.New(f.Desk.Self, message.Failures, name, "", failure, siblings...)
	if err != nil {
		return err
	}
	_, err = f.Desk.Publish(ctx, m)
	return err
}

// discard puts a file aside with the reason.
func (f *Folder) discard(name, reason, hint string) error {
	if err := f.failed(); err != nil {
		return err
	}
	text := message.Line(reason, maxReason) + "\n"
	if hint != "" {
		text += "hint: " + hint + "\n"
	}
	path := filepath.Join(f.Dir, failedFolder, name[:min(len(name), maxName)]+".reason")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write reason: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write reason: %w", err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write reason: %w", err)
	}
	return f.aside(name)
}

// failed makes the folder for what is refused, which must be no link to elsewhere.
func (f *Folder) failed() error {
	path := filepath.Join(f.Dir, failedFolder)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", path)
	}
	return err
}

// aside moves a file, whatever it is, into the folder of those refused.
func (f *Folder) aside(name string) error {
	err := os.Rename(filepath.Join(f.Dir, name), filepath.Join(f.Dir, failedFolder, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put aside: %w", err)
	}
	f.Log.Info().Str("file", name).Msg("put aside")
	return nil
}

func ownerOf(path string) (uint32, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("no owner is known")
	}
	return sys.Uid, nil
}
