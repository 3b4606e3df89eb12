package repository

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly"
	"foundry/pkg/trust"
	"foundry/scripts/internal/rig"
)

// together is how many uploads wait at a time while the large repository is filled.
const together = 1000

// large puts single packages into the large repository, which stays in the cache.
func (side *Side) large(ctx context.Context, o Options, s *stock, dir string) (err error) {
	state, err := prepared(ctx, o, s)
	if err != nil {
		return err
	}
	used := filepath.Join(state, "used")
	n, err := readNumber(used)
	if err != nil {
		return err
	}
	if n+o.Runs > o.Large+batch {
		if err := os.RemoveAll(state); err != nil {
			return err
		}
		return side.large(ctx, o, s, dir)
	}
	if err := writeNumber(used, n+o.Runs); err != nil {
		return err
	}
	sp, err := speak(ctx, s, dir, state)
	if err != nil {
		return err
	}
	d, err := startDistbot(ctx, sp, o.Programs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stopped()) }()
	side.OneLarge, err = d.more(ctx, n, o.Runs)
	return err
}

// prepared returns the state folder of a distbot with as many packages, which it fills unless there is one that
// the same program has been measured with.
func prepared(ctx context.Context, o Options, s *stock) (string, error) {
	sum, err := hashOf(filepath.Join(o.Programs, "distbot"))
	if err != nil {
		return "", err
	}
	state := filepath.Join(o.Cache, fmt.Sprintf("large-%d-%s", o.Large, sum[:16]))
	if _, err := os.Stat(state); err == nil {
		return state, nil
	}
	old, err := filepath.Glob(filepath.Join(o.Cache, "large-*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return "", fmt.Errorf("remove repository of another program: %w", err)
		}
	}
	o.Say("distbot: a repository of %d packages is made in %s", o.Large, o.Cache)
	work := filepath.Join(o.Cache, "large-new")
	if err := fillLarge(ctx, s, work, o.Large); err != nil {
		return "", errors.Join(fmt.Errorf("fill repository: %w", err), os.RemoveAll(work))
	}
	if err := writeNumber(filepath.Join(work, "used"), o.Large); err != nil {
		return "", err
	}
	return state, os.Rename(work, state)
}

// fillLarge includes the packages, as distbot would.
func fillLarge(ctx context.Context, s *stock, state string, count int) (err error) {
	key := filepath.Join(state, "keys", "repository.asc")
	if _, _, err := trust.LoadOrCreate(key, "bench repository"); err != nil {
		return err
	}
	signer, err := trust.OpenSigner(ctx, key)
	if err != nil {
		return err
	}
	repo, err := aptly.Open(ctx, publish.Options{
		Dir: filepath.Join(state, "aptly", archive), Output: filepath.Join(state, "repo", archive), Archive: archive, Signer: signer, Log: zerolog.Nop(),
		KeepIndexes: time.Minute, // nobody is there to fetch what each of a thousand publishes has replaced
		Suites:      []publish.Suite{{Codename: codename, Architectures: []string{rig.Architecture()}, Origin: archive, Label: archive}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(together)
	for n := range count {
		group.Go(func() error {
			_, err := repo.Include(ctx, publish.Upload{
				Package: message.Package{Source: name(n), Version: version, Codename: codename}, Architecture: rig.Architecture(), Files: []string{s.path(n)},
			})
			return err
		})
	}
	return group.Wait()
}

func hashOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	_, err = io.Copy(h, file)
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

func readNumber(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func writeNumber(path string, n int) error {
	return os.WriteFile(path, []byte(strconv.Itoa(n)+"\n"), 0o644)
}
