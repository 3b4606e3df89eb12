package container

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// A Volume is one that no container has mounted.
type Volume struct {
	Name   string
	Made   time.Time
	Size   int64 // bytes of the files that this user can see
	folder string
}

// Volumes lists those whose name begins with prefix.
func (p *Podman) Volumes(ctx context.Context, prefix string) ([]Volume, error) {
	all, err := p.listVolumes(ctx)
	if err != nil {
		return nil, err
	}
	var volumes []Volume
	for _, v := range all {
		if strings.HasPrefix(v.Name, prefix) {
			v.Size = folderSize(v.folder)
			volumes = append(volumes, v)
		}
	}
	return volumes, nil
}

func (p *Podman) listVolumes(ctx context.Context) ([]Volume, error) {
	out, err := p.Call(ctx, "volume", "ls", "--filter=dangling=true", "--format=json")
	if err != nil || len(out) == 0 {
		return nil, err
	}
	var told []struct {
		Name, Mountpoint string
		CreatedAt        time.Time
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return nil, fmt.Errorf("read podman's list of volumes: %w", err)
	}
	volumes := make([]Volume, len(told))
	for n, t := range told {
		volumes[n] = Volume{Name: t.Name, Made: t.CreatedAt, folder: t.Mountpoint}
	}
	return volumes, nil
}

// folderSize is what the files below dir take, those that cannot be seen or vanish left out.
func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// RemoveVolumes removes volumes that no container has mounted; one that is not there is removed.
func (p *Podman) RemoveVolumes(ctx context.Context, names ...string) error {
	for _, name := range names {
		if _, err := p.Call(ctx, "volume", "rm", name); err != nil && !strings.Contains(err.Error(), "no such volume") {
			return err
		}
	}
	return nil
}
