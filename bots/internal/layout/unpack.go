package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"foundry/bots/internal/orig"
	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/bot"
)

// unpack unpacks orig tarballs as dpkg-source does: a single top folder of the main tarball is stripped, and
// each component takes the place of a folder of its name. It returns the folder, which is new.
func unpack(ctx context.Context, s *orig.Search, names []string) (string, error) {
	top := filepath.Join(s.Tools.Temp(), "upstream")
	for _, name := range names {
		unpacked, err := unpackOne(ctx, s, name)
		if err != nil {
			return "", err
		}
		to := top
		if component := orig.Component(name); component != "" {
			to = filepath.Join(top, component)
		}
		if err := os.RemoveAll(to); err != nil {
			return "", fmt.Errorf("unpack %s: %w", name, err)
		}
		if err := os.Rename(unpacked, to); err != nil {
			return "", fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	return top, nil
}

func unpackOne(ctx context.Context, s *orig.Search, name string) (string, error) {
	dir, err := os.MkdirTemp(s.Tools.Temp(), "unpacked-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	err = s.Tools.Run(ctx, sourcepackage.Call{
		Dir: dir, Args: []string{"tar", "-xf", filepath.Join(s.Dir, name), "--no-same-owner", "--no-same-permissions"},
	})
	if err != nil {
		err = sourcepackage.ToolFault(ctx, err, "is it a tarball, and whole? try: tar -tf "+name)
		var failure *bot.Failure
		if errors.As(err, &failure) {
			failure.Reason = fmt.Sprintf("unpack %s: %s", name, failure.Reason)
		}
		return "", err
	}
	if err := settleUpstream(dir, name); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", name, err)
	}
	if len(entries) == 1 && entries[0].IsDir() {
		return filepath.Join(dir, entries[0].Name()), nil
	}
	return dir, nil
}

// settleUpstream refuses what no source package holds, and gives everything plain modes.
func settleUpstream(dir, tarball string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case info.IsDir():
			return os.Chmod(path, 0o755)
		case info.Mode().IsRegular() && info.Mode().Perm()&0o100 != 0:
			return os.Chmod(path, 0o755)
		case info.Mode().IsRegular():
			return os.Chmod(path, 0o644)
		case info.Mode()&fs.ModeSymlink != 0:
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		return sourcepackage.PackageFault(fmt.Sprintf("%s has %q, which is neither file, folder nor link", tarball, name), "repack the tarball without it")
	})
}
