package podman

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/container"
)

// How long something stays that nobody uses, however full the disk: an image that is promised to a
// package until that had time to be built, what has been used for others that may be about to, and
// what is being made.
const (
	promiseAge = 3 * 24 * time.Hour
	idleAge    = time.Hour
)

// An item is something that Tend may remove.
type item struct {
	what  string // "environment …"
	bytes int64
	used  time.Time // last
	keep  time.Time // until then it stays
	lock  string    // that its users share
	above int       // other items that need it
	image *container.Image
	apt   string // key of the lists, for what apt has downloaded
}

// A Trimming is what has been removed.
type Trimming struct {
	Removed []string
	Bytes   int64 // of what was removed
	Left    int64 // bytes of what is there
}

// trim removes what has not been used for longest until no more than limit bytes are left. What is
// used or promised stays, also if that is more. Two processes do not trim at once; the second does
// nothing.
func (e *Engine) trim(ctx context.Context, now time.Time, limit int64) (t Trimming, err error) {
	unlock, free, err := e.index.TryLock("trim")
	if !free || err != nil {
		return t, err
	}
	defer unlock()
	items, err := e.inventory(ctx)
	if err != nil {
		return t, err
	}
	for _, i := range items {
		t.Left += i.bytes
	}
	slices.SortStableFunc(items, func(a, b *item) int { return a.used.Compare(b.used) })
	var problems []error
	for t.Left > limit {
		n := slices.IndexFunc(items, func(i *item) bool { return i.above == 0 && !now.Before(i.keep) })
		if n < 0 {
			break
		}
		i := items[n]
		items = slices.Delete(items, n, n+1)
		removed, err := e.discard(ctx, i)
		if err != nil {
			problems = append(problems, fmt.Errorf("remove %s: %w", i.what, err))
		}
		if removed {
			t.Removed, t.Bytes, t.Left = append(t.Removed, i.what), t.Bytes+i.bytes, t.Left-i.bytes
			uncover(items, i)
		}
	}
	if len(t.Removed) > 0 {
		problems = append(problems, e.forgetMissing())
	}
	return t, errors.Join(problems...)
}

// uncover counts the removal of i's layers for the images below.
func uncover(items []*item, i *item) {
	if i.image == nil {
		return
	}
	for _, lower := range items {
		if lower.image != nil && lower.image.Below(i.image) {
			lower.above--
		}
	}
}

// inventory lists all that takes room.
func (e *Engine) inventory(ctx context.Context) ([]*item, error) {
	all, err := e.podman.Images(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]*item, 0, len(all))
	for n := range all {
		image := &all[n]
		last := latest(image.Made, e.when(used, image.ID))
		keep := last.Add(idleAge)
		if p := e.when(promised, image.ID); p.After(e.when(ran, image.ID)) {
			keep = p.Add(promiseAge)
		}
		items = append(items, &item{
			what: "environment " + container.TrimID(image.ID), bytes: image.Own, used: last, keep: keep,
			lock: useLock(image.ID), above: image.Above, image: image,
		})
	}
	volumes, err := e.podman.Volumes(ctx, aptVolume)
	if err != nil {
		return nil, err
	}
	downloads := map[string]*item{}
	for _, v := range volumes {
		_, key, _ := strings.Cut(strings.TrimPrefix(v.Name, aptVolume), "-")
		i := downloads[key]
		if i == nil {
			i = &item{what: "downloads " + key, lock: aptLock(key), apt: key, used: latest(e.when(used, aptVolume+key), v.Made)}
			downloads[key], items = i, append(items, i)
		}
		i.bytes += v.Size
	}
	return items, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// discard removes one item unless it is used or has been since it was looked at.
func (e *Engine) discard(ctx context.Context, i *item) (removed bool, err error) {
	unlock, free, err := e.index.TryLock(i.lock)
	if !free || err != nil {
		return false, err
	}
	defer unlock()
	if i.image == nil {
		if e.when(used, aptVolume+i.apt).After(i.used) {
			return false, nil
		}
		return true, e.podman.RemoveVolumes(ctx, aptVolume+aptLists+i.apt, aptVolume+aptCache+i.apt)
	}
	id := i.image.ID
	if e.when(used, id).After(i.used) {
		return false, nil
	}
	if err := e.podman.RemoveImage(ctx, id); err != nil && !errors.Is(err, environment.ErrNoImage) {
		return false, err
	}
	for _, kind := range []string{used, promised, ran} {
		err = errors.Join(err, e.index.Forget(kind, container.TrimID(id)))
	}
	return true, err
}

// forgetMissing forgets what is remembered of images that are not there any more.
func (e *Engine) forgetMissing() error {
	var problems []error
	for _, kind := range []string{answers, nears, images, mentions, bases} {
		keys, err := e.index.Keys(kind)
		problems = append(problems, err)
		for _, key := range keys {
			var image struct {
				ID string `json:"id"`
			}
			if e.index.Load(kind, key, &image) && !e.podman.HasImage(image.ID) {
				problems = append(problems, e.index.Forget(kind, key))
			}
		}
	}
	return errors.Join(problems...)
}

// room is the limit where none is given: a fifth of the file system that holds the images.
func (e *Engine) room() (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(e.podman.Home(), &fs); err != nil {
		return 0, fmt.Errorf("look at file system of the cache folder: %w", err)
	}
	return int64(fs.Blocks) * fs.Bsize / 5, nil
}
