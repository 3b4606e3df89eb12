package gitrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"foundry/pkg/gitrepo/git"
)

// A Commit is what a commit object says (gitformat-signature(5), git-commit-tree(1)).
type Commit struct {
	Hash           string
	Tree           string   // hash
	Parents        []string // hashes
	Author, Email  string
	Committer      string
	CommitterEmail string
	Time           time.Time // committer's, UTC
	Subject        string    // first line of the message, made printable, 500 bytes at most
	Signature      string    // armored, or ""
	Payload        []byte    // the bytes that Signature signs
}

// maxCommit is the size in bytes of the largest commit object that is read.
const maxCommit = 4 << 20

// Commit returns a commit that was fetched, or ErrNoCommit.
func (m *Mirror) Commit(ctx context.Context, hash string) (Commit, error) {
	if !git.IsHash(hash) {
		return Commit{}, fmt.Errorf("read commit: %w: %q is not a full hash", git.ErrNoCommit, git.Plain(hash, 80))
	}
	raw, err := m.Git(ctx, "cat-file", "commit", hash)
	if err != nil {
		if !m.Has(ctx, hash) && ctx.Err() == nil {
			err = fmt.Errorf("%w in the mirror of %s", git.ErrNoCommit, m.URL())
		}
		return Commit{}, fmt.Errorf("read commit %s: %w", hash, err)
	}
	if objectHash(raw, len(hash)) != hash {
		return Commit{}, fmt.Errorf("read commit %s: its content has another hash", hash)
	}
	c, err := parseCommit(raw)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s: %w", hash, err)
	}
	c.Hash = hash
	return c, nil
}

// objectHash is the hash, of the given length in hexadecimal digits, of a commit with this content.
func objectHash(raw []byte, length int) string {
	if length == 40 {
		return plumbing.ComputeHash(plumbing.CommitObject, raw).String()
	}
	sum := sha256.Sum256(append(fmt.Appendf(nil, "commit %d\x00", len(raw)), raw...))
	return hex.EncodeToString(sum[:])
}

// parseCommit reads a commit object. Its payload is what git signs: the object without its
// signature's header lines.
func parseCommit(raw []byte) (Commit, error) {
	if len(raw) > maxCommit {
		return Commit{}, fmt.Errorf("larger than %d bytes", maxCommit)
	}
	header, message, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		header, message = bytes.TrimSuffix(raw, []byte("\n")), nil
	}
	c := Commit{Payload: make([]byte, 0, len(raw))}
	signature := newSignature(&c)
	rest := header
	for len(rest) > 0 {
		line, next, _ := bytes.Cut(rest, []byte("\n"))
		if !signature.take(line) {
			if err := c.set(string(line)); err != nil {
				return Commit{}, err
			}
		}
		rest = next
	}
	if signature.count > 1 {
		return Commit{}, errors.New("more than one signature")
	}
	c.Payload = append(c.Payload, raw[len(header)+min(1, len(raw)-len(header)):]...)
	if c.Tree == "" || c.Time.IsZero() {
		return Commit{}, errors.New("no tree or no committer")
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(string(message), "\n"), "\n")
	c.Subject = git.Plain(subject, 500)
	return c, nil
}

// signatureLines collects the lines of the gpgsig header and gives all others to the payload.
type signatureLines struct {
	commit *Commit
	name   string // of the header that holds the signature, by the length of hashes
	inside bool
	count  int
}

func newSignature(c *Commit) *signatureLines { return &signatureLines{commit: c} }

// take handles one header line and tells whether it was one of a signature.
func (s *signatureLines) take(line []byte) bool {
	if s.name == "" { // the first line: "tree HASH"
		s.name = "gpgsig "
		if len(line) > len("tree ")+40 {
			s.name = "gpgsig-sha256 "
		}
	}
	if s.inside && len(line) > 0 && line[0] == ' ' {
		s.commit.Signature += string(line[1:]) + "\n"
		return true
	}
	s.inside = bytes.HasPrefix(line, []byte(s.name))
	if s.inside {
		s.count++
		s.commit.Signature = string(line[len(s.name):]) + "\n"
		return true
	}
	s.commit.Payload = append(append(s.commit.Payload, line...), '\n')
	return false
}

// set notes one header line.
func (c *Commit) set(line string) error {
	name, value, _ := strings.Cut(line, " ")
	switch name {
	case "tree":
		c.Tree = value
	case "parent":
		c.Parents = append(c.Parents, value)
	case "author":
		c.Author, c.Email, _ = parsePerson(value)
	case "committer":
		var err error
		c.Committer, c.CommitterEmail, err = parsePerson(value)
		if err != nil {
			return err
		}
		c.Time, err = parseTime(value)
		return err
	}
	return nil
}

// parsePerson reads "NAME <EMAIL> SECONDS ZONE".
func parsePerson(value string) (name, email string, err error) {
	open, end := strings.Index(value, "<"), strings.LastIndex(value, ">")
	if open < 0 || end < open {
		return "", "", fmt.Errorf("bad author or committer %q", git.Plain(value, 80))
	}
	return git.Plain(value[:open], 200), git.Plain(value[open+1:end], 200), nil
}

// maxTime is the largest time taken: the last second of year 9999, beyond which RFC 3339 ends.
const maxTime = 253402300799

func parseTime(value string) (time.Time, error) {
	fields := strings.Fields(value[strings.LastIndex(value, ">")+1:])
	if len(fields) == 0 {
		return time.Time{}, errors.New("committer without a time")
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds < 0 || seconds > maxTime {
		return time.Time{}, fmt.Errorf("bad committer time %q", git.Plain(fields[0], 40))
	}
	return time.Unix(seconds, 0).UTC(), nil
}
