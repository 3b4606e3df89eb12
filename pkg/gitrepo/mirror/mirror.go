package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"foundry/pkg/gitrepo/git"
)

// A Mirror is a bare repository on this host that follows one remote repository. Its methods may be
// called concurrently, also by several processes that opened the same mirror; those that fetch
// wait for each other, those that read do not wait. It holds no resources and need not be closed.
type Mirror struct {
	url  string
	path string // of the bare repository; beside it stands a lock file
}

// Open returns the mirror below the folder dir of the repository at url. Nothing is made or
// asked before the first fetch. Credentials in the URL are used and not kept.
func Open(dir, url string) (*Mirror, error) { return open(dir, url, ".git") }

// OpenHeads is Open for a mirror that stands beside the other and serves Peek.
func OpenHeads(dir, url string) (*Mirror, error) { return open(dir, url, ".heads") }

func open(dir, url, suffix string) (*Mirror, error) {
	if err := git.CheckURL(url); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open mirror of %s: %w", git.Redact(url), err)
	}
	return &Mirror{url: url, path: filepath.Join(dir, folderName(url)+suffix)}, nil
}

// OpenNamed returns the mirror, in the same folder, of a repository that this one names by url: a submodule. "../" at its
// beginning counts from this one's URL. A repository that is not on this machine's file system may not name one that
// is.
func (m *Mirror) OpenNamed(url string) (*Mirror, error) {
	url, err := git.ResolveURL(m.url, url)
	if err != nil {
		return nil, err
	}
	if git.LocalPath(url) != "" && git.LocalPath(m.url) == "" {
		return nil, errors.New("its url is a path on this machine, which a repository from elsewhere may not name")
	}
	return Open(filepath.Dir(m.path), url)
}

// Dir is the path of the bare repository, for programs that read it, such as pristine-tar. They must
// set GIT_DIR to it and may not change it.
func (m *Mirror) Dir() string { return m.path }

// URL is the URL of the repository, without credentials.
func (m *Mirror) URL() string { return git.Redact(m.url) }

// folderName makes a folder's name of a URL: one for people to recognize and a digest to tell apart.
func folderName(url string) string {
	url = git.Redact(url)
	sum := sha256.Sum256([]byte(url))
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, strings.TrimSuffix(path.Base(strings.ReplaceAll(url, ":", "/")), ".git"))
	return name[:min(len(name), 40)] + "-" + hex.EncodeToString(sum[:8])
}

// Run prepares a run of git that reads the mirror.
func (m *Mirror) Run(args ...string) git.Run {
	return git.Run{Dir: m.path, Args: args}
}

// Git reads from the mirror and returns what git prints.
func (m *Mirror) Git(ctx context.Context, args ...string) ([]byte, error) {
	return m.Run(args...).Do(ctx)
}

// lockEvery is how often a lock held by another is tried again.
const lockEvery = 20 * time.Millisecond

// lock makes this the only process that fetches into the mirror, and returns the lock and what gives
// it up. Programs that are handed the lock file hold it on when this process is killed, so whoever
// has the lock knows that no fetch is under way.
func (m *Mirror) lock(ctx context.Context) (*os.File, func(), error) {
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("lock mirror: %w", err)
	}
	f, err := os.OpenFile(m.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("lock mirror: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, nil, fmt.Errorf("lock mirror %s: %w", m.path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, nil, fmt.Errorf("lock mirror %s: %w", m.path, ctx.Err())
		case <-time.After(lockEvery):
		}
	}
	return f, func() {
		// Given up for every holder of the file: a helper of git may live on.
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		f.Close()
	}, nil
}

// busyMark is the file in the mirror that is there while a fetch is under way.
const busyMark = "foundry-busy"

// prepare makes the mirror if it is not there, and tidies up after a fetch that was killed. The lock
// is held.
func (m *Mirror) prepare(ctx context.Context, format string) error {
	if !m.complete() {
		return m.remake(ctx, format)
	}
	if _, err := os.Stat(filepath.Join(m.path, busyMark)); err == nil {
		if err := m.tidy(); err != nil {
			return fmt.Errorf("repair mirror %s: %w", m.path, err)
		}
	}
	return os.WriteFile(filepath.Join(m.path, busyMark), nil, 0o600)
}

// complete tells whether the mirror has what git takes for a repository.
func (m *Mirror) complete() bool {
	for _, name := range []string{"HEAD", "config"} {
		if info, err := os.Stat(filepath.Join(m.path, name)); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			return false
		}
	}
	for _, name := range []string{"objects", "refs"} {
		if info, err := os.Stat(filepath.Join(m.path, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// remake puts an empty mirror in place of whatever is there. It is made under another name, so that
// half of one is never seen.
func (m *Mirror) remake(ctx context.Context, format string) error {
	fresh, old := m.path+".new", m.path+".old"
	for _, name := range []string{fresh, old} {
		if err := os.RemoveAll(name); err != nil {
			return fmt.Errorf("make mirror %s: %w", m.path, err)
		}
	}
	_, err := git.Run{Args: []string{
		"init", "--quiet", "--bare", "--template=", "--initial-branch=none", "--object-format=" + format, fresh,
	}, Dir: fresh}.Do(ctx)
	if err != nil {
		return fmt.Errorf("make mirror %s: %w", m.path, err)
	}
	if err := os.WriteFile(filepath.Join(fresh, busyMark), nil, 0o600); err != nil {
		return fmt.Errorf("make mirror %s: %w", m.path, err)
	}
	if err := os.Rename(m.path, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make mirror %s: %w", m.path, err)
	}
	if err := os.Rename(fresh, m.path); err != nil {
		return fmt.Errorf("make mirror %s: %w", m.path, err)
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("make mirror %s: %w", m.path, err)
	}
	return nil
}

// tidy removes what a killed git leaves: lock files, which would stop every later one, and unfinished
// packs and objects.
func (m *Mirror) tidy() error {
	return filepath.WalkDir(m.path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		switch {
		case entry.IsDir():
			return nil
		case strings.HasSuffix(base, ".lock"), strings.HasPrefix(base, "tmp_"), strings.HasPrefix(base, ".tmp-"):
			return os.Remove(name)
		}
		return nil
	})
}
