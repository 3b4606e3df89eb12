package aptly

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

// TestMain lets the test program be the process that is killed.
func TestMain(m *testing.M) {
	if task := os.Getenv("FOUNDRY_TEST_CRASH"); task != "" {
		if err := crash([]byte(task)); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type crashTask struct {
	Dir    string
	Suites []publish.Suite
	Upload publish.Upload
	N      int
}

// crash includes an upload and kills itself before the n-th step.
func crash(text []byte) error {
	var task crashTask
	if err := json.Unmarshal(text, &task); err != nil {
		return err
	}
	opts, err := options(task.Dir, task.Suites)
	if err != nil {
		return err
	}
	steps := 0
	repo, err := open(context.Background(), opts, time.Now, func(string) {
		if steps++; steps == task.N {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	if err != nil {
		return err
	}
	_, err = repo.Include(context.Background(), task.Upload)
	return err
}

func options(dir string, suites []publish.Suite) (publish.Options, error) {
	path := filepath.Join(dir, "key.asc")
	if _, _, err := trust.LoadOrCreate(path, "test repository"); err != nil {
		return publish.Options{}, err
	}
	signer, err := trust.OpenSigner(context.Background(), path)
	if err != nil {
		return publish.Options{}, err
	}
	public, err := signer.Public()
	if err == nil {
		err = os.WriteFile(keyFile(dir), public, 0o644)
	}
	return publish.Options{Dir: filepath.Join(dir, "state"), Output: filepath.Join(dir, "output"), Archive: "test", Suites: suites, Signer: signer}, err
}

// keyFile is the public key of the repository in dir.
func keyFile(dir string) string { return filepath.Join(dir, "public.asc") }

func adapter() publishtest.Adapter {
	return publishtest.Adapter{
		Open: func(ctx context.Context, dir string, suites []publish.Suite) (publish.Repository, error) {
			opts, err := options(dir, suites)
			if err != nil {
				return nil, err
			}
			repo, err := Open(ctx, opts)
			if err != nil {
				return nil, err
			}
			return repo, nil
		},
		Output: func(dir string) string { return filepath.Join(dir, "output") },
		Key:    keyFile,
		Crash: func(t testing.TB, dir string, suites []publish.Suite, upload publish.Upload, n int) bool {
			t.Helper()
			task, err := json.Marshal(crashTask{dir, suites, upload, n})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "FOUNDRY_TEST_CRASH="+string(task))
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
				return false
			}
			if err != nil {
				t.Fatalf("crash at %s: %v: %s", strconv.Itoa(n), err, out)
			}
			return true
		},
	}
}

func TestContract(t *testing.T) { publishtest.Run(t, adapter()) }
