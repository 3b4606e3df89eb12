package message

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// An ID names a message: 32 hexadecimal digits, the first half of a SHA-256. It follows from what
// the message answers and not from when or by whom it is said, so work done twice has one id.
type ID string

// MakeID returns the id of the message of the given type on topic that answers parent. siblings
// tell apart several such answers. No part may hold a newline that another could be mistaken
// for: each is written with its length.
func MakeID(topic Topic, typ Type, parent ID, siblings ...string) ID {
	h := sha256.New()
	fmt.Fprintf(h, "foundry %d\n", Version)
	for _, part := range append([]string{string(topic), string(typ), string(parent)}, siblings...) {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	return ID(hex.EncodeToString(h.Sum(nil)[:16]))
}

// CommitID is the id of the message that announces c. It follows from repository, branch, commit
// and count alone, so announcing a commit again changes nothing.
func CommitID(c *Commit) ID {
	return MakeID(Commits, TypeCommit, "", c.Repository, c.Branch, c.Ref, fmt.Sprint(c.Count))
}

// ContextOf names the transaction that c begins: repository name, date and time of the commit in
// UTC, and the first six digits of its id.
func ContextOf(c *Commit) string {
	return fmt.Sprintf("%s-%s-%s", SafeKey(RepositoryName(c.Repository)),
		c.Time.UTC().Format("20060102-150405"), CommitID(c)[:6])
}

// NewCommit makes the message that announces c and begins a transaction.
func NewCommit(bot Bot, c *Commit) (*Message, error) {
	m, err := New(bot, Commits, ContextOf(c), "", c)
	if err != nil {
		return nil, err
	}
	m.ID = CommitID(c)
	return m, nil
}

// maxRepositoryName is the most bytes of a repository's name that are used.
const maxRepositoryName = 200

// RepositoryName is the last element of a repository's URL, scp-like address or path, without
// ".git" and cut at 200 bytes. It is empty where there is none.
func RepositoryName(url string) string {
	url = strings.TrimRight(url, "/")
	url = strings.TrimRight(strings.TrimSuffix(url, "/.git"), "/")
	name := strings.TrimSuffix(url[strings.LastIndexAny(url, "/:")+1:], ".git")
	if name == "." || name == ".." {
		return ""
	}
	if len(name) > maxRepositoryName {
		name = strings.ToValidUTF8(name[:maxRepositoryName], "")
	}
	return name
}

// SafeKey makes s fit to be one token of a subject: what is not a letter, digit, "-" or "_"
// becomes "_", and an empty string "_".
func SafeKey(s string) string {
	if s == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
}

// MaxAge is how long a message is kept and how old one may be to be acted on.
const MaxAge = 30 * 24 * time.Hour

// SafeKeyOrAll is SafeKey, but leaves the empty string, which stands for all keys, as it is.
func SafeKeyOrAll(s string) string {
	if s == "" {
		return ""
	}
	return SafeKey(s)
}
