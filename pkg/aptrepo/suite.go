package aptrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/debian"
)

// Suite is one suite of a repository as its Release file describes it.
type Suite struct {
	Name          string // as it was asked for
	Codename      string
	Suite         string
	Components    []string
	Architectures []string
	Date          time.Time
	ValidUntil    time.Time // zero for good
	ByHash        bool      // indexes can be fetched under their hashes
	Signer        string    // fingerprint of the key that has signed; empty if nothing was checked
	Files         map[string]File
	Text          []byte // of Release, as it was signed

	repo *Repo
	dir  string // of the Release file, below the repository
}

// releaseError is why a Release file is not believed.
type releaseError struct {
	error
	hint string
}

func (e *releaseError) Hint() string  { return e.hint }
func (e *releaseError) Unwrap() error { return e.error }

// Suite reads the Release file of a suite, "bookworm" or "bookworm/updates", or that of a flat repository, and checks its
// signature and dates.
func (r *Repo) Suite(ctx context.Context, name string) (*Suite, error) {
	s := &Suite{Name: name, repo: r, dir: path.Join("dists", name)}
	if name == Flat {
		s.dir = "."
	}
	if err := s.read(ctx); err != nil {
		return nil, fmt.Errorf("suite %s of %s: %w", name, r, err)
	}
	return s, nil
}

func (s *Suite) read(ctx context.Context) (err error) {
	if s.Text, s.Signer, err = s.release(ctx); errors.Is(err, ErrNotFound) && s.dir == "." && s.repo.opts.AllowUnsigned {
		return s.bare(ctx)
	}
	if err != nil {
		return err
	}
	stanzas, err := debian.ParseControl(s.Text)
	if err != nil || len(stanzas) != 1 {
		return errors.Join(errors.New("release file: not one paragraph"), err)
	}
	return s.parse(stanzas[0])
}

// release returns the text of the Release file and who has signed it: from InRelease or, where there is none, Release
// and Release.gpg.
func (s *Suite) release(ctx context.Context) (text []byte, signer string, err error) {
	inline, err := s.repo.small(ctx, path.Join(s.dir, "InRelease"))
	if err == nil && s.repo.opts.Keyring != nil {
		text, signer, err = s.repo.opts.Keyring.VerifyClearsigned(inline)
		return text, signer, distrusted("InRelease", err)
	}
	if err == nil {
		text, err = debian.Unsign(inline)
		return text, "", err
	}
	if !errors.Is(err, ErrNotFound) {
		return nil, "", err
	}
	if text, err = s.repo.small(ctx, path.Join(s.dir, "Release")); err != nil {
		return nil, "", err
	}
	if s.repo.opts.Keyring == nil {
		return text, "", nil
	}
	signature, err := s.repo.small(ctx, path.Join(s.dir, "Release.gpg"))
	if err != nil {
		return nil, "", distrusted("Release", err)
	}
	signer, err = s.repo.opts.Keyring.Verify(text, signature)
	return text, signer, distrusted("Release.gpg", err)
}

func distrusted(file string, err error) error {
	if err == nil {
		return nil
	}
	return &releaseError{fmt.Errorf("signature of %s: %w", file, err), "name the keyring that the repository is signed with, or allow it to be unsigned"}
}

// parse takes what the Release file says.
func (s *Suite) parse(release debian.Stanza) (err error) {
	s.Codename, s.Suite = release.Get("Codename"), release.Get("Suite")
	s.Components, s.Architectures = release.Words("Components"), release.Words("Architectures")
	s.ByHash = release.Get("Acquire-By-Hash") == "yes"
	if s.Date, err = date(release.Get("Date")); err != nil {
		return err
	}
	if s.ValidUntil, err = date(release.Get("Valid-Until")); err != nil {
		return err
	}
	if !s.ValidUntil.IsZero() && time.Now().After(s.ValidUntil) && !s.repo.opts.AllowExpired {
		return &releaseError{fmt.Errorf("it was valid until %s", s.ValidUntil.UTC().Format(time.RFC3339)), "its owner has to sign it anew"}
	}
	if names := []string{s.Codename, s.Suite, path.Join(s.Codename, "updates")}; s.dir != "." && !slices.Contains(names, s.Name) && (s.Codename != "" || s.Suite != "") {
		if base := path.Base(s.Name); !slices.Contains(names, base) {
			return fmt.Errorf("it calls itself %s (%s)", s.Codename, s.Suite)
		}
	}
	s.Files = map[string]File{}
	for line := range strings.Lines(release.Get("SHA256")) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 || len(words[0]) != 64 {
			return fmt.Errorf("release file: bad line %q", strings.TrimSpace(line))
		}
		size, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil || size < 0 {
			return fmt.Errorf("release file: bad size %q", words[1])
		}
		name, err := clean(words[2])
		if err != nil {
			return fmt.Errorf("release file: %w", err)
		}
		s.Files[name] = File{Path: path.Join(s.dir, name), Size: size, SHA256: strings.ToLower(words[0])}
	}
	if len(s.Files) == 0 {
		return errors.New("release file: it lists no SHA-256")
	}
	return nil
}

// date reads a date of a Release file (RFC 5322); "" is the zero time.
func date(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := mail.ParseDate(strings.Replace(text, " UTC", " +0000", 1))
	if err != nil {
		return t, fmt.Errorf("release file: date %q: %w", text, err)
	}
	return t, nil
}

// bare takes a flat repository without a Release file as it is.
func (s *Suite) bare(ctx context.Context) error {
	s.Files = map[string]File{}
	for _, name := range []string{"Packages", "Sources"} {
		for _, form := range forms {
			text, err := s.repo.small(ctx, name+form)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			sum := sha256.Sum256(text)
			s.Files[name+form] = File{Path: name + form, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
			break
		}
	}
	if len(s.Files) == 0 {
		return fmt.Errorf("release file and Packages: %w", ErrNotFound)
	}
	return nil
}

// Detached checks Release.gpg, and that it signs what InRelease does. A suite that has only one of the two is
// ErrNotFound.
func (s *Suite) Detached(ctx context.Context) error {
	text, err := s.repo.small(ctx, path.Join(s.dir, "Release"))
	if err != nil {
		return err
	}
	signature, err := s.repo.small(ctx, path.Join(s.dir, "Release.gpg"))
	if err != nil {
		return err
	}
	if s.repo.opts.Keyring != nil {
		if _, err := s.repo.opts.Keyring.Verify(text, signature); err != nil {
			return fmt.Errorf("signature of Release.gpg: %w", err)
		}
	}
	if !bytes.Equal(bytes.TrimRight(text, "\n"), bytes.TrimRight(s.Text, "\n")) {
		return errors.New("Release is not the text that InRelease signs")
	}
	return nil
}
