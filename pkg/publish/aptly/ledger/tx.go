package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aptly-dev/aptly/database"

	"foundry/pkg/publish/aptly/catalog"
)

// fullEvery is after how many snapshots a full list is written.
const fullEvery = 256

// A Tx is what one publish writes: all of it or nothing. It goes through the journal of the database, where
// a transaction of its own would cost a table each, and outlasts a power failure once the file system has
// been synced.
type Tx struct {
	batch
	l   *Ledger
	had []string
}

// batch lets aptly write its records as in a transaction.
type batch struct {
	database.Batch
	database.Reader
}

// Commit writes what has been put.
func (b batch) Commit() error { return b.Write() }

// Discard forgets what has been put.
func (batch) Discard() {}

var _ database.Transaction = batch{}

// Begin begins a publish.
func (l *Ledger) Begin() *Tx { return &Tx{batch: batch{l.db.CreateBatch(), l.db}, l: l} }

// Show keeps what indexes show of a package.
func (tx *Tx) Show(e *catalog.Entry, t *Text) error {
	return tx.Put([]byte(shownPrefix+e.Key), encode(e, t))
}

// Had remembers for good what a version had in it, unless it is remembered since an earlier publish.
func (tx *Tx) Had(codename, identity, digest, id string, serial uint64) error {
	old, _, err := tx.l.Had(codename, identity, serial-1)
	if err != nil || old != "" {
		return err
	}
	key := codename + " " + identity
	tx.had = append(tx.had, key)
	return tx.Put([]byte(hadPrefix+key), fmt.Appendf(nil, "%d %s %s", serial, digest, id))
}

// Snapshot writes a snapshot that follows previous; all returns the IDs of all its packages.
func (tx *Tx) Snapshot(codename string, s, previous Snapshot, added, removed []string, all func() []string) (Snapshot, error) {
	s.Base, s.Weight = previous.Base, previous.Weight+len(added)+len(removed)
	if previous.Base == 0 || s.Serial-s.Base >= fullEvery || s.Weight > s.Packages {
		s.Base, s.Weight = s.Serial, 0
		list := all()
		slices.Sort(list)
		if err := tx.put(numbered(listPrefix, codename, s.Serial), list); err != nil {
			return s, err
		}
	}
	if err := tx.put(numbered(changePrefix, codename, s.Serial), change{added, removed, tx.had}); err != nil {
		return s, err
	}
	return s, tx.put(numbered(snapshotPrefix, codename, s.Serial), s)
}

func (tx *Tx) put(key []byte, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Put(key, text)
}

// Left notes that a package is not in the codename any more.
func (tx *Tx) Left(codename, id string, g Gone) error { return putGone(tx, codename, id, g) }

func putGone(w database.Writer, codename, id string, g Gone) error {
	var since int64
	if !g.Since.IsZero() {
		since = g.Since.Unix()
	}
	return w.Put([]byte(gonePrefix+codename+" "+id), fmt.Appendf(nil, "%d %d", g.Serial, since))
}

// Prune gives up the snapshots of the codename from the oldest that is kept up to the one that is to be
// the oldest.
func (l *Ledger) Prune(codename string, from, to uint64) error {
	batch := l.db.CreateBatch()
	for serial := from; serial < to; serial++ {
		s, ok, err := l.Snapshot(codename, serial)
		next, more, err2 := l.Snapshot(codename, serial+1)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if !ok || !more {
			continue
		}
		if err := batch.Delete(numbered(snapshotPrefix, codename, serial)); err != nil {
			return err
		}
		// Nothing that is kept builds on what comes before its full list.
		for old := s.Base; old < next.Base; old++ {
			for _, prefix := range []string{listPrefix, changePrefix} {
				if err := batch.Delete(numbered(prefix, codename, old)); err != nil {
					return err
				}
			}
		}
	}
	return batch.Write()
}

// Undo removes what has been written of publishes after the serial that is served.
func (l *Ledger) Undo(codename string, served uint64) error {
	batch := l.db.CreateBatch()
	for _, key := range l.db.KeysByPrefix([]byte(changePrefix + codename + " ")) {
		if string(key) <= string(numbered(changePrefix, codename, served)) {
			continue
		}
		var c change
		if _, err := l.get(key, &c); err != nil {
			return err
		}
		number := strings.TrimPrefix(string(key), changePrefix)
		doomed := [][]byte{key, []byte(listPrefix + number), []byte(snapshotPrefix + number)}
		for _, had := range c.Had {
			doomed = append(doomed, []byte(hadPrefix+had))
		}
		for _, k := range doomed {
			if err := batch.Delete(k); err != nil {
				return err
			}
		}
	}
	return batch.Write()
}

// Expire notes when packages that have left the codename were given up.
func (l *Ledger) Expire(codename string, list map[string]Gone) error {
	batch := l.db.CreateBatch()
	for id, g := range list {
		if err := putGone(batch, codename, id, g); err != nil {
			return err
		}
	}
	return batch.Write()
}

// Back forgets that packages have left the codename.
func (l *Ledger) Back(codename string, ids []string) error {
	batch := l.db.CreateBatch()
	for _, id := range ids {
		if err := batch.Delete([]byte(gonePrefix + codename + " " + id)); err != nil {
			return err
		}
	}
	return batch.Write()
}

// Hide forgets what indexes show of packages that are gone for good.
func (l *Ledger) Hide(keys []string) error {
	batch := l.db.CreateBatch()
	for _, key := range keys {
		if err := batch.Delete([]byte(shownPrefix + key)); err != nil {
			return err
		}
	}
	return batch.Write()
}
