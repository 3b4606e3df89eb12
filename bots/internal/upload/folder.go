package upload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
)

const (
	// settled is how long nothing of an upload must have changed before it is refused: until then it may
	// be half-written, whatever it looks like.
	settled = time.Minute
	// forgotten is how long files may lie in the folder that no whole upload has.
	forgotten = 24 * time.Hour
	// failedFolder takes what is refused, each with a file .reason.
	failedFolder = "failed"
)

// A Folder is one in which uploads arrive file by file, in any order and written in place, as dput leaves
// them with its methods local, scp and sftp. Each .changes is taken once all that it lists is whole, and
// then removed with its files; what is refused goes into the folder "failed" with the reason.
//
// Who may write into the folder is not believed: links, devices and the like are never opened, and nobody
// but an uploader has anything done. Several bots may scan one folder; one does so at a time.
type Folder struct {
	Dir  string
	Desk *Desk
	Log  zerolog.Logger
	Now  func() time.Time

	last  map[string]stamp // what the scan before has seen
	due   time.Time        // when to look again although nothing changes
	tries int              // that trouble has ended one after the other
}

// stamp tells whether a file has changed.
type stamp struct {
	size  int64
	inode uint64
	mode  fs.FileMode
	ctime time.Time // which, other than the time of its content, nobody can set
}

// Scan looks once, and takes what is whole. An error is trouble that may pass.
func (f *Folder) Scan(ctx context.Context) error {
	now := f.Now()
	seen, err := f.list()
	if err != nil {
		return err
	}
	if f.last != nil && now.Before(f.due) && equal(f.last, seen) {
		return nil
	}
	unlock, err := f.lock()
	if unlock == nil || err != nil {
		return err
	}
	defer unlock()
	if seen, err = f.list(); err != nil { // another may have been at work meanwhile
		return err
	}
	f.last, f.due = seen, now.Add(time.Hour)
	if err := f.work(ctx, now, seen); err != nil {
		f.tries++
		f.wait(now.Add(bus.RetryDelay(f.tries)))
		return err
	}
	f.tries = 0
	return nil
}

// work handles every upload, then the files that belong to none.
func (f *Folder) work(ctx context.Context, now time.Time, seen map[string]stamp) (err error) {
	listed := map[string]bool{}
	for name := range seen {
		if filepath.Ext(name) != ".changes" {
			continue
		}
		for _, other := range f.listedBy(name) {
			listed[other] = true
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case filepath.Ext(name) == ".changes":
			err = errors.Join(err, f.handle(ctx, now, name, seen))
		case listed[name]:
		case f.passed(now, seen[name].ctime, forgotten):
			err = errors.Join(err, f.discard(name, "no .changes that lists this file has come", ""))
		}
	}
	return err
}

// wait has the next scan look at the latest at t.
func (f *Folder) wait(t time.Time) {
	if t.Before(f.due) {
		f.due = t
	}
}

// passed tells whether d has passed since t, and has the folder looked at again when it will have.
func (f *Folder) passed(now, t time.Time, d time.Duration) bool {
	if now.Sub(t) > d {
		return true
	}
	f.wait(t.Add(d + time.Millisecond))
	return false
}

// handle takes one upload, leaves it alone while it arrives, or refuses it.
func (f *Folder) handle(ctx context.Context, now time.Time, name string, seen map[string]stamp) error {
	parcel, err := f.take(ctx, name)
	newest := seen[name].ctime
	for _, other := range f.listedBy(name) {
		if s, there := seen[other]; there && s.ctime.After(newest) {
			newest = s.ctime
		}
	}
	var failure *bot.Failure
	var incomplete *Incomplete
	switch {
	case err == nil:
		return f.remove(parcel)
	case errors.Is(err, fs.ErrNotExist): // gone while we looked
		return nil
	case errors.As(err, &incomplete):
		if !f.passed(now, newest, forgotten) {
			return nil
		}
		failure = refuse(incomplete.Hint(), "%v", err).(*bot.Failure)
	case errors.As(err, &failure):
		if !f.passed(now, newest, settled) {
			return nil
		}
	default:
		return fmt.Errorf("take %s: %w", name, err)
	}
	return f.refuse(ctx, name, parcel, failure)
}

// take has an upload announced.
func (f *Folder) take(ctx context.Context, name string) (*Parcel, error) {
	p, err := f.Desk.Open(filepath.Join(f.Dir, name))
	if err != nil {
		return p, err
	}
	if err := f.Desk.Gather(ctx, p); err != nil {
		return p, err
	}
	receipt, err := f.Desk.Announce(ctx, p)
	if err != nil {
		return p, err
	}
	said := "upload taken"
	if !receipt.Fresh {
		said = "upload was taken before"
	}
	f.Log.Info().Str("file", name).Str("context", receipt.Message.Context).Str("source", p.Dsc.Source).
		Str("version", p.Dsc.Version.String()).Str("codename", p.Codename).Str("signer", p.Signer).Msg(said)
	return p, nil
}

// list returns the files of the folder. Folders are left alone, as are hidden files.
func (f *Folder) list() (map[string]stamp, error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("read incoming folder: %w", err)
	}
	seen := make(map[string]stamp, len(entries))
	for _, e := range entries {
		info, err := os.Lstat(filepath.Join(f.Dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read incoming folder: %w", err)
		}
		if !info.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			seen[e.Name()] = stampOf(info)
		}
	}
	return seen, nil
}

// lock keeps others who scan the folder out. It returns nil while one is there.
func (f *Folder) lock() (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(f.Dir, ".lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, bot.Hint(fmt.Errorf("lock incoming folder: %w", err),
			"let the user who runs this write into "+f.Dir+"; in a systemd unit that needs ReadWritePaths=, too")
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock incoming folder: %w", err)
	}
	return func() { file.Close() }, nil
}
