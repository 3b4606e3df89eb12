// Package publishtest is the contract suite of foundry/pkg/publish: what every repository must do
// however it is kept. It judges with the programs that users have, apt and gpgv, and with a check of
// its own that follows every hash from InRelease to the packages.
//
// It needs dpkg-deb, apt-get and gpgv.
package publishtest

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"foundry/pkg/publish"
)

// An Adapter makes repositories of the kind under test.
type Adapter struct {
	// Open opens the repository that is kept in dir, made when it is new, and waits as
	// publish.Repository demands.
	Open func(ctx context.Context, dir string, suites []publish.Suite) (publish.Archive, error)
	// Output is the folder of dir that is served, Key the file of the armored public key.
	Output func(dir string) string
	Key    func(dir string) string
	// Crash does a task in another process, which kills itself before its n-th change on disk,
	// and tells whether it had less than n to make and so has finished. Of tasks other than Include, changes of one
	// kind that follow one another may count as one.
	Crash func(t testing.TB, dir string, suites []publish.Suite, task Task, n int) (finished bool)
}

// A Task is a call of one method of a repository.
type Task struct {
	Include *publish.Upload
	Change  *publish.Change
	Resign  string        // codename
	Refresh time.Duration // within
}

// Do does the task.
func (task Task) Do(ctx context.Context, repo publish.Archive) (err error) {
	switch {
	case task.Include != nil:
		_, err = repo.Include(ctx, *task.Include)
	case task.Change != nil:
		_, err = repo.Change(ctx, *task.Change)
	case task.Resign != "":
		err = repo.Resign(ctx, task.Resign)
	default:
		err = repo.Refresh(ctx, task.Refresh)
	}
	return err
}

// Suites are those that repositories under test have: the codenames alpha, of amd64 and arm64,
// and beta, of amd64.
func Suites() []publish.Suite {
	return []publish.Suite{
		{Codename: "alpha", Suite: "stable", Component: "main", Architectures: []string{"amd64", "arm64"}, Origin: "Test", Label: "Test", Description: "Under test"},
		{Codename: "beta", Component: "main", Architectures: []string{"amd64"}, Origin: "Test", Label: "Test"},
	}
}

// Run runs the suite.
func Run(t *testing.T, a Adapter) {
	for _, program := range [][2]string{{"dpkg-deb", "dpkg"}, {"apt-get", "apt"}, {"gpgv", "gpgv"}} {
		if _, err := exec.LookPath(program[0]); err != nil {
			t.Fatalf("%s is not installed; run: apt-get install %s", program[0], program[1])
		}
	}
	for _, c := range []struct {
		name string
		run  func(t *testing.T, f *fixture)
	}{
		{"empty repository", testEmpty},
		{"include", testInclude},
		{"twice", testTwice},
		{"other bytes", testOtherBytes},
		{"other signature", testOtherSignature},
		{"unknown codename", testUnknownCodename},
		{"versions", testVersions},
		{"architectures", testArchitectures},
		{"names", testNames},
		{"shared orig", testSharedOrig},
		{"architecture all", testArchitectureAll},
		{"architecture changes", testArchitectureChanges},
		{"versions of binaries", testBinaryVersions},
		{"zero epoch", testZeroEpoch},
		{"two source versions", testTwoSourceVersions},
		{"used sources", testUsedSources},
		{"sources", testSources},
		{"udebs", testUdebs},
		{"buildinfo", testBuildinfo},
		{"bad files", testBadFiles},
		{"refresh", testRefresh},
		{"concurrent", testConcurrent},
		{"concurrent versions", testConcurrentVersions},
		{"second process waits", testWaits},
		{"reopened", testReopened},
		{"client meanwhile", testClientMeanwhile},
		{"components", testComponents},
		{"keep", testKeep},
		{"remembered", testRemembered},
		{"downgrade", testDowngrade},
		{"snapshots", testSnapshots},
		{"rollback", testRollback},
		{"remove", testRemove},
		{"copy", testCopy},
		{"promote", testPromote},
		{"bad changes", testBadChanges},
		{"resign", testResign},
		{"killed", testKilled},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, &fixture{Adapter: a, suites: Suites(), dir: t.TempDir(), packages: t.TempDir()})
		})
	}
}

// fixture is one repository under test.
type fixture struct {
	Adapter
	suites   []publish.Suite
	dir      string
	packages string // folder of packages to include
	made     int
}

func (f *fixture) open(t testing.TB) publish.Archive {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	repo, err := f.Open(ctx, f.dir, f.suites)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	return repo
}

// include includes an upload that must be let in, and checks the outcome.
func (f *fixture) include(t testing.TB, repo publish.Repository, upload publish.Upload) publish.Publication {
	t.Helper()
	publication, err := repo.Include(t.Context(), upload)
	if err != nil {
		t.Fatalf("include %s %s: %v", upload.Source, upload.Version, err)
	}
	f.consistent(t, upload.Codename)
	return publication
}
