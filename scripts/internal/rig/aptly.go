package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// aptlyVersion is that of the module whose packages the publisher is made with.
const aptlyVersion = "1.6.3"

// Aptly returns aptly's program, which it builds from the module unless it is in the cache folder: that takes two
// minutes.
func (r *Rig) Aptly(ctx context.Context, cache string) (string, error) {
	program := filepath.Join(cache, "aptly-"+aptlyVersion)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	out, err := r.Output(ctx, Command{Name: "go", Args: []string{"mod", "download", "-json", "github.com/aptly-dev/aptly@v" + aptlyVersion}})
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &module); err != nil {
		return "", fmt.Errorf("read answer of go mod download: %w", err)
	}
	// The module cache may not be written to, and "go install" lacks the file that says the version.
	source := filepath.Join(r.Dir, "aptly-source")
	if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil {
		return "", fmt.Errorf("copy source of aptly: %w", err)
	}
	if err := os.WriteFile(filepath.Join(source, "VERSION"), []byte(aptlyVersion), 0o644); err != nil {
		return "", fmt.Errorf("copy source of aptly: %w", err)
	}
	err = r.Run(ctx, Command{Name: "go", Args: []string{"build", "-mod=mod", "-trimpath", "-o", program, "."}, Dir: source, Env: []string{"CGO_ENABLED=0"}})
	return program, err
}
