package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"foundry/scripts/internal/rig"
)

// installable tells whether an apt that knows nothing but the repository in the folder, and the
// key it has to be signed with, would install the given version of the package.
func (b *bench) installable(ctx context.Context, repo, key, version string) error {
	root := filepath.Join(b.rig.Dir, "apt")
	if err := os.RemoveAll(root); err != nil {
		return fmt.Errorf("prepare apt: %w", err)
	}
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return fmt.Errorf("prepare apt: %w", err)
		}
	}
	list := fmt.Sprintf("deb [signed-by=%s] file:%s %s main\n", key, repo, b.codename)
	for name, content := range map[string]string{"etc/sources.list": list, "status": ""} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("prepare apt: %w", err)
		}
	}
	options := []string{
		"-o", "Dir::Etc=" + filepath.Join(root, "etc"), "-o", "Dir::State=" + filepath.Join(root, "state"),
		"-o", "Dir::State::status=" + filepath.Join(root, "status"), "-o", "Dir::Cache=" + filepath.Join(root, "cache"),
		"-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1",
	}
	apt := func(program string, args ...string) (string, error) {
		return b.rig.Output(ctx, rig.Command{Name: program, Args: append(append([]string{}, options...), args...), Env: []string{"LC_ALL=C.UTF-8"}})
	}
	if _, err := apt("apt-get", "update", "--error-on=any"); err != nil {
		return err
	}
	out, err := apt("apt-get", "install", "--simulate", packageName)
	if err != nil {
		return err
	}
	if !strings.Contains(out, fmt.Sprintf("Inst %s (%s ", packageName, version)) {
		return fmt.Errorf("apt does not offer version %s", version)
	}
	return nil
}
