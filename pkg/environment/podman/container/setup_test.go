package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/environment/podman/host"
	"foundry/pkg/environment/podman/index"
)

// fakePodman puts a program that says what podman --version would say first on the PATH.
func fakePodman(t *testing.T, says string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "podman"), []byte("#!/bin/sh\necho '"+says+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// openTest opens a cache folder.
func openTest(t *testing.T, cache string) (*Podman, error) {
	t.Helper()
	folder, err := index.Open(filepath.Join(cache, "environments"))
	if err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), filepath.Join(cache, "containers"), folder)
}

// TestOpenRefused has hosts that something is missing on: each is told with what mends it.
func TestOpenRefused(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T) (cache string)
		want    string
	}{
		{"NoPodman", func(t *testing.T) string { t.Setenv("PATH", t.TempDir()); return t.TempDir() }, "podman is not installed"},
		{"OldPodman", func(t *testing.T) string { fakePodman(t, "podman version 3.0.1"); return t.TempDir() }, "podman 3.0.1 is too old"},
		{"OtherProgram", func(t *testing.T) string { fakePodman(t, "hello"); return t.TempDir() }, `podman "hello" is too old`},
		{"Comma", func(t *testing.T) string { return filepath.Join(t.TempDir(), "a,b") }, "has a comma"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := openTest(t, test.prepare(t))
			var setup *host.SetupError
			if !errors.As(err, &setup) || !strings.Contains(err.Error(), test.want) || setup.Hint() == "" {
				t.Errorf("error %v, want %q and a hint", err, test.want)
			}
		})
	}
}

// TestMakeOwn has folders for run-time state that another user could have made.
func TestMakeOwn(t *testing.T) {
	dir := t.TempDir()
	link, open, file := filepath.Join(dir, "link"), filepath.Join(dir, "open"), filepath.Join(dir, "file")
	if err := errors.Join(os.Symlink(t.TempDir(), link), os.Mkdir(open, 0o700), os.Chmod(open, 0o777), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, open, file} {
		var setup *host.SetupError
		if err := makeOwn(path); !errors.As(err, &setup) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	for range 2 {
		if err := makeOwn(filepath.Join(dir, "new")); err != nil {
			t.Error(err)
		}
	}
}

// TestForeignConfiguration sees that no configuration but the engine's own counts.
func TestForeignConfiguration(t *testing.T) {
	home := t.TempDir()
	for name, content := range map[string]string{
		"containers/containers.conf": "[engine]\nruntime = \"none\"\n[containers]\nenv = [\"LEAK=1\"]\n",
		"containers/storage.conf":    "[storage]\ndriver = \"vfs\"\n",
		"containers/policy.json":     "broken",
	} {
		path := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("CONTAINERS_CONF", filepath.Join(home, "containers/containers.conf"))
	t.Setenv("CONTAINERS_STORAGE_CONF", filepath.Join(home, "containers/storage.conf"))
	t.Setenv("CONTAINER_HOST", "tcp://192.0.2.1:1")
	t.Setenv("http_proxy", "http://192.0.2.1:1")
	cache, err := os.MkdirTemp("/var/tmp", "foundry-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(cache) })
	p, err := openTest(t, cache)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Call(t.Context(), "info", "--format", "{{.Store.GraphRoot}}")
	if got := strings.TrimSpace(string(out)); err != nil || got != filepath.Join(cache, "containers/storage") {
		t.Errorf("storage %q, %v", got, err)
	}
	for _, variable := range p.environ {
		if strings.Contains(variable, "192.0.2.1") || strings.Contains(variable, home) {
			t.Errorf("podman sees %s", variable)
		}
	}
}
