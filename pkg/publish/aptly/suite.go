package aptly

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/metadata"
)

// keepRecords is how many lists of a suite are kept, so that as many publishes can be rolled back.
const keepRecords = 20

// suite is what is known of one codename. Its fields are those of the generation that is served.
type suite struct {
	publish.Suite
	record
	entries []*entry             // sorted as in the indexes
	dropped map[string]time.Time // package keys that were in the suite before, and until when
	release metadata.Release     // of the generation
}

// record says what a generation holds. It is kept in the database under codename and serial.
type record struct {
	Serial  uint64    `json:"serial"`
	Time    time.Time `json:"time"` // when it was published
	Keys    []string  `json:"keys"` // of aptly's package database
	Setting string    `json:"setting"`
}

// setting is all but packages and dates that shows in the metadata; when it changes the suite is
// published anew.
func (r *Repo) setting(s publish.Suite) string {
	text, err := json.Marshal(struct {
		publish.Suite
		Key string
	}{s, r.opts.Signer.Fingerprint()})
	if err != nil {
		return ""
	}
	return string(text)
}

// recordPrefix begins the database keys of records; none of aptly's keys begins so.
const recordPrefix = "foundry record "

func recordKey(codename string, serial uint64) []byte {
	return fmt.Appendf(nil, "%s%s %020d", recordPrefix, codename, serial)
}

func droppedKey(codename, key string) []byte {
	return fmt.Appendf(nil, "foundry dropped %s %s", codename, key)
}

// load reads the state of the generation that is served. Where the served folder has lost it, the
// newest list in the database is taken, and renew will publish that.
func (r *Repo) load(option publish.Suite) error {
	s := &suite{Suite: option, dropped: map[string]time.Time{}}
	r.suites[s.Codename] = s
	serial, err := r.served(s.Codename)
	if err != nil {
		return err
	}
	lost := serial == 0
	if lost {
		if serial, err = r.lastRecord(s.Codename); err != nil || serial == 0 {
			return err
		}
	}
	if s.record, err = r.readRecord(s.Codename, serial); err != nil {
		return fmt.Errorf("%s shows publish %d, and %s does not know it: the two folders do not belong together: %w",
			r.link(s.Codename), serial, r.opts.Dir, err)
	}
	if s.entries, err = r.resolve(s, s.Keys); err != nil {
		return err
	}
	if err := r.loadDropped(s); err != nil || lost {
		s.Setting = ""
		return err
	}
	if s.release, err = metadata.Read(filepath.Join(r.generation(s.Codename, serial), "Release")); err != nil {
		r.opts.Log.Warn().Err(err).Str("codename", s.Codename).Msg("published metadata is damaged: publishing anew")
		s.release, s.Setting = metadata.Release{}, ""
	}
	return nil
}

// lastRecord returns the highest serial of which there is a list, or 0.
func (r *Repo) lastRecord(codename string) (last uint64, err error) {
	prefix := recordPrefix + codename + " "
	for _, key := range r.db.KeysByPrefix([]byte(prefix)) {
		serial, err := strconv.ParseUint(strings.TrimPrefix(string(key), prefix), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("decode %s: %w", key, err)
		}
		last = max(last, serial)
	}
	return last, nil
}

func (r *Repo) loadDropped(s *suite) error {
	prefix := droppedKey(s.Codename, "")
	return r.db.ProcessByPrefix(prefix, func(key, value []byte) error {
		seconds, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return fmt.Errorf("decode %s: %w", key, err)
		}
		s.dropped[string(key[len(prefix):])] = time.Unix(seconds, 0)
		return nil
	})
}

// resolve returns the entries of package keys.
func (r *Repo) resolve(s *suite, keys []string) ([]*entry, error) {
	list := make([]*entry, 0, len(keys))
	for _, key := range keys {
		e, err := r.entry(s.Component, key)
		if err != nil {
			return nil, fmt.Errorf("read package %s: %w", key, err)
		}
		list = append(list, e)
	}
	return list, nil
}

func (r *Repo) link(codename string) string {
	return filepath.Join(r.opts.Output, "dists", codename)
}

func (r *Repo) generation(codename string, serial uint64) string {
	return filepath.Join(r.opts.Output, "dists", "."+codename, strconv.FormatUint(serial, 10))
}

// served returns the serial of the generation that clients see, or 0.
func (r *Repo) served(codename string) (uint64, error) {
	target, err := os.Readlink(r.link(codename))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w (not made by foundry?)", err)
	}
	dir, base := filepath.Split(target)
	serial, err := strconv.ParseUint(base, 10, 64)
	if err != nil || dir != "."+codename+"/" {
		return 0, fmt.Errorf("link %s points to %s: not made by foundry", r.link(codename), target)
	}
	return serial, nil
}
