package podman

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"foundry/pkg/artifact"
	"foundry/pkg/artifact/folder"
	"foundry/pkg/environment"
	"foundry/pkg/environment/environmenttest"
)

// testBase is what the tests make environments of. The keyring is the one that would be used
// anyway, but given.
var testBase = environment.Base{
	Release: "bookworm", Mirror: "http://deb.debian.org/debian", Keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
}

// testCache is a folder outside of the tree in which base systems stay from one test to the next.
func testCache(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("FOUNDRY_TEST_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "foundry-test")
}

func openTest(t *testing.T, dir string) *Engine {
	t.Helper()
	e, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, hintOf(err))
	}
	return e
}

func TestContract(t *testing.T) {
	environmenttest.Run(t, environmenttest.Harness{
		Adapter: openTest(t, testCache(t)),
		Other: func(t *testing.T) environmenttest.Adapter {
			return openTest(t, otherCache(t))
		},
		Store: func(t *testing.T) artifact.Store {
			s, err := folder.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Base: testBase,
	})
}

// otherCache is a cache folder that nothing is in, and that is removed afterwards.
func otherCache(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(testCache(t)), "other-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		e, err := Open(ctx, dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.podman.Call(ctx, "rmi", "--all", "--force"); err != nil {
			t.Errorf("remove images: %v", err)
		}
		// Rootless podman keeps a process that holds its user namespace.
		out, err := e.podman.Call(ctx, "info", "--format", "{{.Store.RunRoot}}")
		if err != nil {
			t.Fatal(err)
		}
		state := strings.TrimSpace(string(out))
		if text, err := os.ReadFile(filepath.Join(state, "libpod", "pause.pid")); err == nil {
			if pid, err := strconv.Atoi(string(text)); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if err := errors.Join(os.RemoveAll(state), os.RemoveAll(dir)); err != nil {
			t.Errorf("remove cache: %v", err)
		}
	})
	return dir
}

// TestContractRootless runs the suite again as an ordinary user.
func TestContractRootless(t *testing.T) {
	if os.Getuid() != 0 {
		return // TestContract has been that
	}
	if testing.Short() {
		t.Skip("takes long")
	}
	account, err := user.Lookup("foundry")
	if err != nil {
		t.Fatalf("%v: make it with scripts/setup", err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "foundry-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "podman.test")
	if out, err := exec.Command("install", "-m", "755", own, binary).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "setpriv", "--reuid="+account.Uid, "--regid="+account.Gid, "--init-groups", binary, "-test.run=^(TestContract|TestKilled)$", "-test.v")
	cmd.Dir = account.HomeDir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + account.HomeDir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as user foundry: %v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS: TestContract")) {
		t.Errorf("as user foundry: no contract suite\n%s", out)
	}
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
