package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// note is what is on disk of a held build, in a file with the id of its message.
type note struct {
	Since time.Time `json:"since"`
}

// sweepNotes removes what a killed process has left half-done beside the notes.
func sweepNotes(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != "" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// restore takes up again what was held when the bot ended.
func (l *lockstep) restore(ctx context.Context) error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != "" {
			continue
		}
		n, err := readNote(filepath.Join(l.dir, e.Name()))
		if err == nil {
			err = l.restoreOne(ctx, message.ID(e.Name()), n)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("look up held build %s: %w", e.Name(), err)
		}
	}
	return nil
}

func (l *lockstep) restoreOne(ctx context.Context, id message.ID, n note) error {
	raw, err := l.Bus.Lookup(ctx, message.Topic(l.Settings.Watch), id)
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return err
	}
	var m *message.Message
	var body message.Body
	if err == nil {
		m, body, err = l.Sealer.Open(raw)
	}
	sign, ok := body.(*message.Sign)
	var rejected *bus.RejectError
	switch {
	case err == nil && ok:
		l.add(m, sign, n.Since)
		return nil
	case err == nil, errors.As(err, &rejected), errors.Is(err, bus.ErrNotFound):
		l.Log.Error().Err(err).Str("message", string(id)).Msg("held build is given up: its message is not there any more or not believed")
		return os.Remove(filepath.Join(l.dir, string(id)))
	}
	return err
}

// readNote reads a note. One that says nothing counts from now.
func readNote(path string) (note, error) {
	n := note{Since: time.Now().UTC()}
	text, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(text, &n) != nil {
		n = note{Since: time.Now().UTC()}
	}
	return n, err
}

// writeNote writes n so that it survives a power failure.
func writeNote(path string, n note) (err error) {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
