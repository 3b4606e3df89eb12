package upload

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"foundry/pkg/debian"
)

const (
	maxUnpacked  = 16 << 30 // bytes of a tarball that are looked through
	maxChangelog = 16 << 20
)

// dateDsc sets what a .dsc alone does not say, date and author of the upload, from the newest entry of
// the changelog in its tarball or diff.
func (d *Desk) dateDsc(ctx context.Context, p *Parcel) error {
	at, err := p.packaging()
	if err != nil {
		return err
	}
	r, err := d.open(ctx, at)
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := readChangelog(ctx, r, at.Name)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var log debian.Changelog
	if err == nil {
		log, err = debian.ParseChangelog(text)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("read %s: %w", at.Name, err)
	}
	if err != nil {
		return broken("give the _source.changes instead", "%s: %v", at.Name, err)
	}
	top := log.Top()
	if top.Source != p.Dsc.Source || top.Version != p.Dsc.Version {
		return broken("make it again with dpkg-source", "%s is of %s %s, its debian/changelog of %s %s", p.Name, p.Dsc.Source, p.Dsc.Version, top.Source, top.Version)
	}
	p.Date, p.Uploader = top.Date, top.Maintainer
	return nil
}

// packaging is the file of the source package that holds debian/changelog.
func (p *Parcel) packaging() (found, error) {
	var tarball found
	for _, f := range p.files {
		switch {
		case strings.Contains(f.Name, ".debian.tar."), strings.HasSuffix(f.Name, ".diff.gz"):
			return f, nil
		case strings.Contains(f.Name, ".tar.") && !strings.Contains(f.Name, ".orig") && !strings.HasSuffix(f.Name, ".asc"):
			tarball = f
		}
	}
	if tarball.Name == "" {
		return tarball, broken("make it again with dpkg-source", "%s lists no file that would hold debian/changelog", p.Name)
	}
	return tarball, nil
}

// readChangelog returns debian/changelog of a native tarball, a .debian.tar or a .diff, whose name tells
// how it is compressed.
func readChangelog(ctx context.Context, r io.Reader, name string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	plain, wait, err := decompress(ctx, r, filepath.Ext(name))
	if err != nil {
		return nil, err
	}
	defer func() { cancel(); wait() }()
	plain = io.LimitReader(plain, maxUnpacked)
	if strings.HasSuffix(name, ".diff.gz") {
		return changelogOfDiff(plain)
	}
	return changelogOfTar(plain)
}

// decompress returns the reader of what r holds; wait is called after ctx has been canceled.
func decompress(ctx context.Context, r io.Reader, extension string) (plain io.Reader, wait func(), err error) {
	nothing := func() {}
	switch extension {
	case ".gz":
		plain, err := gzip.NewReader(r)
		return plain, nothing, err
	case ".bz2":
		return bzip2.NewReader(r), nothing, nil
	case ".xz", ".lzma":
	default:
		return nil, nil, fmt.Errorf("unknown compression %s", extension)
	}
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--memlimit-decompress=1GiB")
	cmd.Stdin, cmd.Env = r, []string{}
	plain, err = cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	return plain, func() { _ = cmd.Wait() }, err // what was read of it is what counts
}

func changelogOfTar(r io.Reader) ([]byte, error) {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("there is no debian/changelog in it")
		}
		if err != nil {
			return nil, fmt.Errorf("read tarball: %w", err)
		}
		name := path.Clean(header.Name)
		if _, below, found := strings.Cut(name, "/"); name != "debian/changelog" && (!found || below != "debian/changelog") {
			continue
		}
		if header.Typeflag != tar.TypeReg {
			return nil, errors.New("its debian/changelog is not a file")
		}
		return readSome(archive)
	}
}

func readSome(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxChangelog+1))
	if err == nil && len(text) > maxChangelog {
		err = fmt.Errorf("its debian/changelog has more than %d bytes", maxChangelog)
	}
	return text, err
}

// changelogOfDiff returns debian/changelog where the diff of a 1.0 package makes it, as it does unless
// upstream has one too.
func changelogOfDiff(r io.Reader) ([]byte, error) {
	lines := bufio.NewReader(r)
	var text bytes.Buffer
	inside := false
	for {
		line, err := lines.ReadString('\n')
		switch {
		case err != nil && (!errors.Is(err, io.EOF) || line == ""):
			if text.Len() > 0 && errors.Is(err, io.EOF) {
				return text.Bytes(), nil
			}
			return nil, errors.Join(errors.New("it does not make debian/changelog"), notEOF(err))
		case strings.HasPrefix(line, "+++ "):
			_, name, _ := strings.Cut(strings.TrimSpace(line), "/")
			name, _, _ = strings.Cut(name, "\t")
			inside = name == "debian/changelog" && text.Len() == 0
		case inside && strings.HasPrefix(line, "@@ ") && !strings.HasPrefix(line, "@@ -0,0 "):
			return nil, errors.New("it alters upstream's debian/changelog")
		case inside && strings.HasPrefix(line, "+"):
			if text.WriteString(line[1:]); text.Len() > maxChangelog {
				return nil, fmt.Errorf("its debian/changelog has more than %d bytes", maxChangelog)
			}
		case text.Len() > 0:
			return text.Bytes(), nil
		}
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
