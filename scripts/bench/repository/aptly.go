package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"foundry/scripts/internal/rig"
)

// aptlyPeer is aptly's program with a repository in the cache folder: filling it takes minutes, and says the same each time.
type aptlyPeer struct {
	*peer
	program string
}

// filled is what the cache remembers of the filling.
type filled struct {
	Bulk time.Duration
	At   time.Time
	Used int // number of the next package that it does not have
}

func (a *aptlyPeer) do(ctx context.Context, args ...string) error {
	return a.run(ctx, a.program, append([]string{"-config=aptly.conf"}, args...)...)
}

// measureAptly measures aptly.
func measureAptly(ctx context.Context, o Options, s *stock) (side Side, err error) {
	program, err := o.Rig.Aptly(ctx, o.Cache)
	if err != nil {
		return side, err
	}
	dir := filepath.Join(o.Cache, fmt.Sprintf("%s-with-%d", filepath.Base(program), o.Small))
	record := filepath.Join(dir, "filled.json")
	var f filled
	text, err := os.ReadFile(record)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return side, fmt.Errorf("read %s: %w", record, err)
	}
	fresh := err != nil || f.Used+o.Runs > o.Small+batch
	if fresh {
		if err := os.RemoveAll(dir); err != nil {
			return side, err
		}
	}
	p := &peer{stock: s, dir: dir}
	if fresh {
		if p, err = newPeer(ctx, s, dir); err != nil {
			return side, err
		}
	}
	defer p.close()
	a := &aptlyPeer{p, program}
	if fresh {
		o.Say("aptly: a repository of %d packages is made in %s", o.Small, o.Cache)
		if f, err = a.fill(ctx, o.Small); err != nil {
			return side, err
		}
	} else {
		side.Kept = f.At
	}
	first := f.Used
	f.Used += o.Runs
	if text, err = json.Marshal(f); err != nil {
		return side, err
	}
	if err := os.WriteFile(record, text, 0o644); err != nil {
		return side, err
	}
	side.Bulk = f.Bulk
	side.Left = fmt.Sprintf("aptly takes %s for %d packages, and more than ten times that for ten times as many", f.Bulk.Round(time.Second), o.Small)
	side.One, err = times(o.Runs, func(i int) error {
		if err := a.do(ctx, "repo", "add", archive, s.path(first+i)); err != nil {
			return err
		}
		return a.do(ctx, "publish", "update", "-batch", "-skip-bz2", "-gpg-key="+keyID, codename)
	})
	return side, err
}

// fill imports the first count packages into an empty repository, and publishes it.
func (a *aptlyPeer) fill(ctx context.Context, count int) (f filled, err error) {
	config := fmt.Sprintf(`{"rootDir": %q, "architectures": [%q], "gpgProvider": "gpg"}`, filepath.Join(a.dir, "root"), rig.Architecture())
	if err := a.write("aptly.conf", config); err != nil {
		return f, err
	}
	if err := a.do(ctx, "repo", "create", "-distribution="+codename, "-component=main", archive); err != nil {
		return f, err
	}
	incoming, _, err := a.gather(count)
	if err != nil {
		return f, err
	}
	f.At, f.Used = time.Now().UTC(), count
	if err := a.do(ctx, "repo", "add", archive, incoming); err != nil {
		return f, err
	}
	if err := a.do(ctx, "publish", "repo", "-batch", "-skip-bz2", "-gpg-key="+keyID, archive); err != nil {
		return f, err
	}
	f.Bulk = time.Since(f.At)
	return f, nil
}
