package bot

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

// TestMain is also a process that holds a scratch folder until its input ends or it is killed.
func TestMain(m *testing.M) {
	root := os.Getenv("FOUNDRY_TEST_SCRATCH")
	if root == "" {
		os.Exit(m.Run())
	}
	s, err := openScratch(root)
	if err != nil {
		os.Exit(1)
	}
	if _, err := os.Stdout.WriteString(s.dir + "\n"); err != nil {
		os.Exit(1)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	s.close()
	os.Exit(0)
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return err == nil
}

// TestScratchOfTheLiving keeps the folder of a process that lives and removes it once it was
// killed, whatever process id its name says.
func TestScratchOfTheLiving(t *testing.T) {
	root := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FOUNDRY_TEST_SCRATCH="+root)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	// As a container sees it whose processes have other ids: none of this host has this one.
	alien := filepath.Join(root, "999999999-1")
	if err := os.Rename(line[:len(line)-1], alien); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(alien, "job-1", "closed"), 0o500); err != nil {
		t.Fatal(err)
	}
	first, err := openScratch(root)
	if err != nil {
		t.Fatal(err)
	}
	if !exists(t, alien) {
		t.Error("the folder of a process that lives was removed")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	second, err := openScratch(root)
	if err != nil {
		t.Fatal(err)
	}
	if exists(t, alien) {
		t.Error("the folder of a process that was killed is left")
	}
	if !exists(t, first.dir) || !exists(t, second.dir) {
		t.Error("one of two in this process has lost its folder")
	}
	first.close()
	second.close()
	if exists(t, first.dir) || exists(t, second.dir) {
		t.Error("a folder is left behind")
	}
}

// TestScratchSweep removes what a process has left whose id another has now, and nothing that is no
// scratch folder.
func TestScratchSweep(t *testing.T) {
	root := t.TempDir()
	mine, err := openScratch(root) // has the id of this process too
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.make(); err != nil {
		t.Fatal(err)
	}
	reused := filepath.Join(root, filepath.Base(mine.dir)+"1")
	other, file := filepath.Join(root, "notes"), filepath.Join(root, "1-file")
	for _, dir := range []string{filepath.Join(reused, "job-1"), other} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sweep(root); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{reused: false, other: true, file: true, mine.dir: true} {
		if exists(t, path) != want {
			t.Errorf("%s is there: %v, want %v", path, !want, want)
		}
	}
	job, err := mine.make()
	if err != nil {
		t.Fatal(err)
	}
	mine.remove(job, zerolog.Nop())
	if exists(t, job) {
		t.Error("the folder of a job is left")
	}
}
