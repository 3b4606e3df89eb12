// Package ledger keeps, in aptly's database and beside aptly's own records, what a repository
// remembers: the list of each snapshot, when packages left, which content a version had, and what
// indexes show of each package.
//
// A snapshot is kept as the difference to the one before, with a full list now and then, so that the
// cost of a publish follows what changes. What belongs to one publish is written in one transaction,
// and counts as soon as the serial of the publish is served.
package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aptly-dev/aptly/database"
	"github.com/aptly-dev/aptly/database/goleveldb"
)

// Prefixes of keys; none of aptly's own begins so. Numbers in keys have 20 digits.
const (
	snapshotPrefix = "foundry snapshot " // CODENAME SERIAL: Snapshot
	listPrefix     = "foundry list "     // CODENAME SERIAL: IDs of all packages
	changePrefix   = "foundry change "   // CODENAME SERIAL: change
	gonePrefix     = "foundry gone "     // CODENAME ID: when the package left
	hadPrefix      = "foundry had "      // CODENAME ARCHITECTURE NAME VERSION: what content it had
	shownPrefix    = "foundry shown "    // KEY: Package
	intentPrefix   = "foundry intent "   // CODENAME: Intent
)

// Open opens the database at path, and repairs it first where a power failure has damaged it.
func Open(path string) (database.Storage, error) {
	db, err := goleveldb.NewOpenDB(path)
	if err == nil {
		return db, nil
	}
	if goleveldb.RecoverDB(path) != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if db, err = goleveldb.NewOpenDB(path); err != nil {
		return nil, fmt.Errorf("open repaired database: %w", err)
	}
	return db, nil
}

// A Ledger reads what is remembered. It may be used concurrently.
type Ledger struct{ db database.Storage }

// New returns the ledger in a database.
func New(db database.Storage) *Ledger { return &Ledger{db} }

// A Snapshot describes one publish of a codename.
type Snapshot struct {
	Serial   uint64    `json:"serial"`
	Time     time.Time `json:"time"`
	Reason   string    `json:"reason,omitempty"`
	Added    int       `json:"added"`
	Removed  int       `json:"removed"`
	Packages int       `json:"packages"`
	Release  string    `json:"release"` // SHA-256 of the Release file
	Setting  string    `json:"setting"` // what else shows in the metadata
	Base     uint64    `json:"base"`    // serial of the full list that it builds on
	Weight   int       `json:"weight"`  // how many differences there are since that
}

// change is what a snapshot changes to the one before.
type change struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Had     []string `json:"had,omitempty"` // keys of what is remembered since this publish
}

func numbered(prefix, codename string, serial uint64) []byte {
	return fmt.Appendf(nil, "%s%s %020d", prefix, codename, serial)
}

// get decodes the value of a key, and tells whether there is one.
func (l *Ledger) get(key []byte, value any) (bool, error) {
	text, err := l.db.Get(key)
	if errors.Is(err, database.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", key, err)
	}
	return true, nil
}

// Snapshot returns the snapshot of that serial, and whether it is kept.
func (l *Ledger) Snapshot(codename string, serial uint64) (s Snapshot, ok bool, err error) {
	ok, err = l.get(numbered(snapshotPrefix, codename, serial), &s)
	return s, ok, err
}

// Snapshots returns all that are there of a codename, the oldest first.
func (l *Ledger) Snapshots(codename string) (list []Snapshot, err error) {
	prefix := snapshotPrefix + codename + " "
	err = l.db.ProcessByPrefix([]byte(prefix), func(key, value []byte) error {
		var s Snapshot
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		list = append(list, s)
		return nil
	})
	return list, err
}

// Codenames returns the codenames of which there are snapshots.
func (l *Ledger) Codenames() (list []string) {
	for _, key := range l.db.KeysByPrefix([]byte(snapshotPrefix)) {
		codename, _, _ := strings.Cut(strings.TrimPrefix(string(key), snapshotPrefix), " ")
		if len(list) == 0 || list[len(list)-1] != codename {
			list = append(list, codename)
		}
	}
	return list
}

// List returns the IDs of the packages of a snapshot.
func (l *Ledger) List(codename string, s Snapshot) (map[string]bool, error) {
	var full []string
	if ok, err := l.get(numbered(listPrefix, codename, s.Base), &full); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("the list of publish %d is not there", s.Base), err)
	}
	list := make(map[string]bool, len(full))
	for _, id := range full {
		list[id] = true
	}
	for serial := s.Base + 1; serial <= s.Serial; serial++ {
		var c change
		if ok, err := l.get(numbered(changePrefix, codename, serial), &c); err != nil || !ok {
			return nil, errors.Join(fmt.Errorf("the changes of publish %d are not there", serial), err)
		}
		for _, id := range c.Removed {
			delete(list, id)
		}
		for _, id := range c.Added {
			list[id] = true
		}
	}
	return list, nil
}

// Gone says since when a package is not in its codename any more.
type Gone struct {
	Serial uint64    // of the first snapshot that does not have it
	Since  time.Time // when the last snapshot that has it was given up; zero while one is kept
}

// Gone returns the packages of a codename that have left it, by ID.
func (l *Ledger) Gone(codename string) (map[string]Gone, error) {
	list := map[string]Gone{}
	prefix := gonePrefix + codename + " "
	err := l.db.ProcessByPrefix([]byte(prefix), func(key, value []byte) error {
		number, seconds, _ := strings.Cut(string(value), " ")
		serial, err := strconv.ParseUint(number, 10, 64)
		since, err2 := strconv.ParseInt(seconds, 10, 64)
		if err := errors.Join(err, err2); err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		g := Gone{Serial: serial}
		if since != 0 {
			g.Since = time.Unix(since, 0)
		}
		list[string(key[len(prefix):])] = g
		return nil
	})
	return list, err
}

// Had returns the digest of what a version of a package had in it and the ID that it had first, if it has
// been in the codename in a publish up to that serial; else "".
func (l *Ledger) Had(codename, identity string, serial uint64) (digest, id string, err error) {
	text, err := l.db.Get([]byte(hadPrefix + codename + " " + identity))
	if errors.Is(err, database.ErrNotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	number, rest, _ := strings.Cut(string(text), " ")
	since, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return "", "", fmt.Errorf("read what %s had: %w", identity, err)
	}
	if since > serial {
		return "", "", nil
	}
	digest, id, _ = strings.Cut(rest, " ")
	return digest, id, nil
}

// An Intent names files that a publish is about to make, so that they can be removed if it does not
// come to its end.
type Intent struct {
	Serial uint64   `json:"serial"` // of the publish; once that is served the intent is past
	Served []string `json:"served"` // below the output folder
	Pooled []string `json:"pooled"` // in aptly's pool
	Keys   []string `json:"keys"`   // in aptly's package database
}

// Intents returns those of publishes that have not come to their end, by codename.
func (l *Ledger) Intents() (map[string]Intent, error) {
	list := map[string]Intent{}
	err := l.db.ProcessByPrefix([]byte(intentPrefix), func(key, value []byte) error {
		var i Intent
		if err := json.Unmarshal(value, &i); err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		list[strings.TrimPrefix(string(key), intentPrefix)] = i
		return nil
	})
	return list, err
}

// Intend notes what a publish is about to make.
func (l *Ledger) Intend(codename string, i Intent) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return l.db.Put([]byte(intentPrefix+codename), text)
}

// Settled forgets the intent of a codename.
func (l *Ledger) Settled(codename string) error { return l.db.Delete([]byte(intentPrefix + codename)) }
