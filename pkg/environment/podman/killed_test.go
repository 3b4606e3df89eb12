package podman

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// ownerVariable makes the test binary run an instance that does not end, for TestKilled to kill.
const ownerVariable = "FOUNDRY_TEST_OWNER"

func TestMain(m *testing.M) {
	if given := os.Getenv(ownerVariable); given != "" {
		os.Exit(own(given))
	}
	if given := os.Getenv(makerVariable); given != "" {
		os.Exit(makeSystem(given))
	}
	os.Exit(m.Run())
}

// An ownership is what the process that is to be killed does.
type ownership struct {
	Cache, Outputs string
	Image          message.Image
}

func own(given string) int {
	var o ownership
	if err := json.Unmarshal([]byte(given), &o); err != nil {
		return 3
	}
	ctx := context.Background()
	e, err := Open(ctx, o.Cache)
	if err != nil {
		return 4
	}
	script := `trap '' TERM INT HUP PIPE
		(trap '' TERM INT HUP PIPE; while :; do date +%N >/out/alive; sleep 0.1; done) &
		echo ready; sleep 1000`
	if _, err := e.Run(ctx, environment.Run{Name: "orphan", Image: o.Image, Outputs: o.Outputs, Script: script, Log: os.Stdout}); err != nil {
		return 5
	}
	return 0
}

// TestKilled kills a process that runs an instance: the instance ends, and Sweep removes what is
// left of it.
func TestKilled(t *testing.T) {
	e := openTest(t, testCache(t))
	image, err := e.Provision(t.Context(), environment.Request{Base: testBase, Architecture: environment.HostArchitecture()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(ownership{testCache(t), t.TempDir(), image})
	if err != nil {
		t.Fatal(err)
	}
	var o ownership
	if err := json.Unmarshal(given, &o); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"="+string(given))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("output %q, %v", line, err)
	}
	alive := filepath.Join(o.Outputs, "alive")
	for begun := time.Now(); ; {
		if _, err := os.Stat(alive); err == nil {
			break // the script is at work
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatal("the instance gives no sign of life")
		}
	}
	pid := cmd.Process.Pid
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if out, err := e.podman.Call(t.Context(), "ps", "--quiet", "--filter=name=foundry-orphan-"); err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if err := e.Sweep(t.Context()); err != nil {
		t.Errorf("Sweep: %v", err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := e.podman.Call(t.Context(), "ps", "--all", "--format={{.Names}} {{.Labels}}")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), "foundry-orphan-") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a container of process %d is left: %s", pid, out)
		}
	}
	if err := os.Remove(alive); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), environment.Run{Name: "orphan", Image: image, Script: "sleep 0.5"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(alive); err == nil {
		t.Error("the instance has outlived its owner")
	}
}
