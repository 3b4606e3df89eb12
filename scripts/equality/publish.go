package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly"
	"foundry/pkg/trust"
	"foundry/scripts/internal/rig"
)

// indexes are what one program says of the packages, uncompressed, by names such as "main/binary-amd64/Packages".
type indexes map[string]string

// files returns the packages with one of the extensions.
func (e *equality) files(extensions ...string) (paths []string, err error) {
	entries, err := os.ReadDir(e.packages)
	for _, entry := range entries {
		if slices.Contains(extensions, filepath.Ext(entry.Name())) {
			paths = append(paths, filepath.Join(e.packages, entry.Name()))
		}
	}
	return paths, err
}

// uploads are the packages, those of one source package together.
func (e *equality) uploads(ctx context.Context) (list []*publish.Upload, err error) {
	of := map[message.Package]*publish.Upload{}
	get := func(source, version string) *publish.Upload {
		p := message.Package{Source: source, Version: version, Codename: codename}
		if of[p] == nil {
			of[p] = &publish.Upload{Package: p, Architecture: architectures[0]}
			list = append(list, of[p])
		}
		return of[p]
	}
	paths, err := e.files(".deb", ".udeb")
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		out, err := e.rig.Output(ctx, rig.Command{Name: "dpkg-deb", Args: []string{"--show", "--showformat=${source:Package} ${source:Version}", path}})
		if err != nil {
			return nil, err
		}
		source, version, _ := strings.Cut(out, " ")
		u := get(source, version)
		u.Files = append(u.Files, path)
	}
	if paths, err = e.files(".dsc"); err != nil {
		return nil, err
	}
	for _, path := range paths {
		out, err := e.rig.Output(ctx, rig.Command{Name: "sed", Args: []string{"-n", `s/^\(Source\|Version\): //p; /^Files:/,/^[^ F]/s/^ [0-9a-f]* [0-9]* //p`, path}})
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		u := get(lines[0], lines[1])
		u.Dsc = path
		for _, file := range lines[2:] {
			u.SourceFiles = append(u.SourceFiles, filepath.Join(e.packages, file))
		}
	}
	slices.SortFunc(list, func(a, b *publish.Upload) int { return cmp.Compare(a.Source, b.Source) })
	return list, nil
}

// foundry publishes the packages, and returns the folder that is served.
func (e *equality) foundry(ctx context.Context) (dir string, x indexes, err error) {
	uploads, err := e.uploads(ctx)
	if err != nil {
		return "", nil, err
	}
	state := filepath.Join(e.rig.Dir, "foundry")
	key := filepath.Join(state, "key.asc")
	if _, _, err := trust.LoadOrCreate(key, "equality"); err != nil {
		return "", nil, err
	}
	signer, err := trust.OpenSigner(ctx, key)
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(state, "repo")
	repo, err := aptly.Open(ctx, publish.Options{
		Dir: filepath.Join(state, "aptly"), Output: dir, Archive: "equality", Signer: signer, Log: zerolog.Nop(),
		Suites: []publish.Suite{{Codename: codename, Architectures: architectures, Keep: 5}},
	})
	if err != nil {
		return "", nil, err
	}
	for _, u := range uploads {
		if _, err := repo.Include(ctx, *u); err != nil {
			return "", nil, errors.Join(err, repo.Close())
		}
	}
	if err := repo.Close(); err != nil {
		return "", nil, err
	}
	x, err = readIndexes(filepath.Join(dir, "dists", codename))
	return dir, x, err
}

// readIndexes reads the files of a codename, those that are there compressed by gzip only too.
func readIndexes(dir string) (indexes, error) {
	x := indexes{}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	return x, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		base := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
		if err != nil || strings.Contains(name, "by-hash") || !strings.HasSuffix(name, ".gz") || !isIndex(base) {
			return err
		}
		text, err := unzip(path)
		x[strings.TrimSuffix(name, ".gz")] = text
		return err
	})
}

func isIndex(base string) bool {
	return base == "Packages" || base == "Sources" || base == "Translation-en" || strings.HasPrefix(base, "Contents-")
}

func unzip(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	r, err := gzip.NewReader(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	var out bytes.Buffer
	_, err = io.Copy(&out, r)
	return out.String(), err
}

// byAptly publishes the packages with aptly.
func (e *equality) byAptly(ctx context.Context) (indexes, error) {
	dir := filepath.Join(e.rig.Dir, "aptly")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`{"rootDir": %q, "architectures": ["amd64", "arm64", "source"]}`, filepath.Join(dir, "root"))
	if err := os.WriteFile(filepath.Join(dir, "aptly.conf"), []byte(config), 0o644); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"repo", "create", "-distribution=" + codename, "-component=main", "equality"},
		{"repo", "add", "equality", e.packages},
		{"publish", "repo", "-skip-signing", "equality"},
	} {
		err := e.rig.Run(ctx, rig.Command{Name: e.aptly, Args: append([]string{"-config=" + filepath.Join(dir, "aptly.conf")}, args...)})
		if err != nil {
			return nil, err
		}
	}
	return readIndexes(filepath.Join(dir, "root", "public", "dists", codename))
}

// byFtparchive has apt-ftparchive index foundry's pool.
func (e *equality) byFtparchive(ctx context.Context, served string) (indexes, error) {
	udebs := filepath.Join(e.rig.Dir, "udebs")
	if err := e.linkUdebs(served, udebs); err != nil {
		return nil, err
	}
	x := indexes{}
	run := func(dir string, args ...string) (string, error) {
		return e.rig.Output(ctx, rig.Command{Name: "apt-ftparchive", Args: append(args, "pool"), Dir: dir, Env: []string{"LC_ALL=C.UTF-8"}})
	}
	var err error
	if x["main/source/Sources"], err = run(served, "sources"); err != nil {
		return nil, err
	}
	for _, arch := range architectures {
		all, err := run(served, "--arch", arch, "packages")
		if err != nil {
			return nil, err
		}
		for stanza := range strings.SplitAfterSeq(all, "\n\n") {
			index := "main/binary-" + arch + "/Packages"
			if strings.Contains(stanza, ".udeb\n") {
				index = "main/debian-installer/binary-" + arch + "/Packages"
			}
			x[index] += stanza
		}
		if x["main/Contents-"+arch], err = run(served, "--arch", arch, "contents"); err != nil {
			return nil, err
		}
		if x["main/Contents-udeb-"+arch], err = run(udebs, "--arch", arch, "contents"); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// linkUdebs links the files of udebs under other names: apt-ftparchive makes Contents of .deb files only.
func (e *equality) linkUdebs(served, to string) error {
	if err := os.MkdirAll(filepath.Join(to, "pool"), 0o755); err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Join(served, "pool"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".udeb" {
			return err
		}
		return os.Link(path, filepath.Join(to, "pool", strings.TrimSuffix(filepath.Base(path), ".udeb")+".deb"))
	})
}
