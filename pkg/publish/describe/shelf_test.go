package describe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/publish"
	"foundry/pkg/publish/describe"
	"foundry/pkg/trust"
)

// shelf is a repository of packages that apt-ftparchive lists, for what is only to be put into one.
type shelf struct {
	publish.Archive
	opts publish.Options

	mu       sync.Mutex
	versions map[string]map[string]string // by codename and source package
	included []string
	pushed   int
	refuse   error // what Include returns instead
}

func (s *shelf) Sources(codename string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions[codename], nil
}

func (s *shelf) Include(ctx context.Context, u publish.Upload) (publish.Publication, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return publish.Publication{}, s.refuse
	}
	for _, file := range u.Files {
		data, err := os.ReadFile(file)
		if err != nil {
			return publish.Publication{}, err
		}
		pool := filepath.Join(s.opts.Output, "pool", u.Codename, filepath.Base(file))
		if old, err := os.ReadFile(pool); err == nil && !bytes.Equal(old, data) {
			return publish.Publication{}, &publish.RefusedError{File: file, Reason: "other bytes"}
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(pool), 0o755), os.WriteFile(pool, data, 0o644)); err != nil {
			return publish.Publication{}, err
		}
	}
	s.included = append(s.included, u.Codename+" "+u.Source+" "+u.Version)
	s.versions[u.Codename][u.Source] = u.Version
	return publish.Publication{}, s.publish(ctx, u.Codename)
}

func (s *shelf) Push(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed++
	return nil
}

// Resign signs all codenames.
func (s *shelf) Resign(ctx context.Context, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for codename := range s.versions {
		if err := s.publish(ctx, codename); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) publish(ctx context.Context, codename string) error {
	script := `set -e; mkdir -p "pool/$1" "dists/$1/main/binary-amd64"; apt-ftparchive packages "pool/$1" > "dists/$1/main/binary-amd64/Packages"
		apt-ftparchive -o APT::FTPArchive::Release::Codename="$1" -o APT::FTPArchive::Release::Architectures=amd64 \
			-o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::ValidTime=864000 release "dists/$1" > "$2"; mv "$2" "dists/$1/Release"`
	cmd := exec.Command("sh", "-c", script, "sh", codename, filepath.Join(s.opts.Dir, "Release"))
	cmd.Dir = s.opts.Output
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-ftparchive (apt-get install apt-utils): %w: %s", err, out)
	}
	release := filepath.Join(s.opts.Output, "dists", codename, "Release")
	text, err := os.ReadFile(release)
	if err != nil {
		return err
	}
	signed, err := s.opts.Signer.Clearsign(ctx, text)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(release), "InRelease"), signed, 0o644)
}

func (s *shelf) Snapshots(_ context.Context, codename string) ([]publish.Snapshot, error) {
	return []publish.Snapshot{
		{Codename: codename, Serial: 8, Time: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC), Packages: 1234, Current: true},
		{Codename: codename, Serial: 7, Time: time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC), Packages: 1233},
	}, nil
}

// fixture is a repository to describe.
type fixture struct {
	*shelf
	options describe.Options
}

func newFixture(t *testing.T, change func(o *describe.Options)) *fixture {
	t.Helper()
	output := t.TempDir()
	o := describe.Options{
		Options: publish.Options{
			Dir: t.TempDir(), Output: output, Archive: "test", URI: "file:" + output, Log: zerolog.Nop(), Signer: openKey(t, keyFile(t, "repository")),
			Suites: []publish.Suite{
				{Codename: "bookworm", Suite: "stable", Origin: "Example", Description: "packages of Example", Architectures: []string{"amd64"}},
				{Codename: "trixie", Origin: "Example", Architectures: []string{"amd64"}},
			},
		},
		KeyringPackage: true, PackageKeys: filepath.Join(t.TempDir(), "packages.asc"),
	}
	if change != nil {
		change(&o)
	}
	var err error
	if o.Options, err = o.Complete(); err != nil {
		t.Fatal(err)
	}
	f := &fixture{&shelf{opts: o.Options, versions: map[string]map[string]string{}}, o}
	for _, s := range o.Suites {
		f.versions[s.Codename] = map[string]string{}
	}
	if err := f.Resign(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return f
}

// describe describes it once.
func (f *fixture) describe(t *testing.T) {
	t.Helper()
	if err := describe.New(f.options, f.shelf).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// sign lets signer sign from now on.
func (f *fixture) sign(t *testing.T, signer trust.Signer) {
	t.Helper()
	f.options.Signer, f.opts.Signer = signer, signer
	if err := f.Resign(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	f.describe(t)
}

// file returns the text of a file of what is served.
func (f *fixture) file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.options.Output, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func keyFile(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".asc")
	if _, _, err := trust.LoadOrCreate(path, name); err != nil {
		t.Fatal(err)
	}
	return path
}

func openKey(t *testing.T, spec string) trust.Signer {
	t.Helper()
	s, err := trust.OpenSigner(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// public writes the public key of a signer to a file.
func public(t *testing.T, s trust.Signer, file string) {
	t.Helper()
	data, err := s.Public()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}
