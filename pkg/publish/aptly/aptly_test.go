package aptly

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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
	Task   publishtest.Task
	N      int
	Ahead  time.Duration // of the clock
	Full   bool          // the disk is full from then on, instead of a kill
}

// crash does a task and kills itself before the n-th step, or has no more room on disk from then on and
// does the task again when there is.
func crash(text []byte) error {
	var task crashTask
	if err := json.Unmarshal(text, &task); err != nil {
		return err
	}
	opts, err := options(task.Dir, task.Suites)
	if err != nil {
		return err
	}
	if task.Ahead > 0 {
		opts.Snapshots = 1
	}
	var steps atomic.Int64
	var mu sync.Mutex
	last := ""
	repo, err := open(context.Background(), opts, func() time.Time { return time.Now().Add(task.Ahead) }, func(name string) {
		kind, _, _ := strings.Cut(name, " ")
		mu.Lock()
		repeated := kind == last && task.Task.Include == nil
		last = kind
		mu.Unlock()
		if repeated || steps.Add(1) != int64(task.N) {
			return
		}
		if task.Full {
			limit(0)
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	if err != nil {
		return err
	}
	err = task.Task.Do(context.Background(), repo)
	if task.Full && err != nil {
		if refused := new(publish.RefusedError); errors.As(err, &refused) {
			return err
		}
		limit(^uint64(0))
		if err = task.Task.Do(context.Background(), repo); err == nil {
			_, _ = os.Stdout.WriteString("was full")
		}
	}
	return errors.Join(err, repo.Close())
}

// limit lets files grow up to a size, and no write succeed beyond.
func limit(size uint64) {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: size, Max: ^uint64(0)}
	if syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit) != nil {
		os.Exit(3)
	}
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
		Open: func(ctx context.Context, dir string, suites []publish.Suite) (publish.Archive, error) {
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
		Crash: func(t testing.TB, dir string, suites []publish.Suite, do publishtest.Task, n int) bool {
			t.Helper()
			finished, _ := run(t, crashTask{Dir: dir, Suites: suites, Task: do, N: n})
			return finished
		},
	}
}

// run runs a task in another process, and tells whether it has not been killed, and what it said.
func run(t testing.TB, task crashTask) (finished bool, said string) {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FOUNDRY_TEST_CRASH="+string(text))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return false, ""
	}
	if err != nil {
		t.Fatalf("crash at %d: %v: %s", task.N, err, out)
	}
	return true, string(out)
}

func TestContract(t *testing.T) { publishtest.Run(t, adapter()) }
