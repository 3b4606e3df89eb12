package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed all:package
var packageFiles embed.FS

const packageName = "foundry-bench"

// nextVersion is one that nothing has built yet: every side publishes each version once.
func (b *bench) nextVersion() string {
	b.versions++
	return fmt.Sprintf("1.%d", b.versions)
}

// writePackage writes the source tree of the given version into dir.
func (b *bench) writePackage(dir, version string) error {
	err := fs.WalkDir(packageFiles, "package", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, strings.TrimPrefix(path, "package"))
		if e.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := packageFiles.ReadFile(path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if e.Name() == "rules" {
			mode = 0o755
		}
		return os.WriteFile(target, content, mode)
	})
	if err != nil {
		return fmt.Errorf("write source: %w", err)
	}
	entry := fmt.Sprintf("%s (%s) %s; urgency=medium\n\n  * Measure.\n\n -- Foundry Benchmark <bench@foundry.invalid>  Sat, 21 Nov 2026 00:00:00 +0000\n",
		packageName, version, b.codename)
	if err := os.WriteFile(filepath.Join(dir, "debian", "changelog"), []byte(entry), 0o644); err != nil {
		return fmt.Errorf("write source: %w", err)
	}
	return nil
}
