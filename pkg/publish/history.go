package publish

import (
	"context"
	"errors"
	"time"

	"foundry/pkg/message"
)

// ErrUnknownSnapshot says that a codename has no snapshot of that serial, or has it no longer.
var ErrUnknownSnapshot = errors.New("unknown snapshot")

// ErrUnknownPackage says that a selection names what the snapshot does not have.
var ErrUnknownPackage = errors.New("unknown package")

// Snapshot is one publish of a codename. Serials begin with 1 and grow by 1.
type Snapshot struct {
	Codename string         `json:"codename"`
	Serial   uint64         `json:"serial"`
	Time     time.Time      `json:"time"`
	Reason   string         `json:"reason"`  // what made it: "include hello 1.0-1", "rollback to 12", "sign anew"
	Added    int            `json:"added"`   // packages that the one before did not have
	Removed  int            `json:"removed"` // packages of the one before that it does not have
	Packages int            `json:"packages"`
	Release  message.Digest `json:"release,omitempty"` // SHA-256 of the Release file, where known
	Current  bool           `json:"current"`           // the one that clients see
}

// Listed is a package as a snapshot lists it.
type Listed struct {
	message.Published        // architecture "source" for a source package
	Component         string `json:"component"`
	Source            string `json:"source"`         // source package it was built from; its own name for a source package
	SourceVersion     string `json:"source_version"` // of that
	Udeb              bool   `json:"udeb,omitempty"`
}

// Kinds of Change.
const (
	Rollback = "rollback" // to the packages of an earlier snapshot
	Remove   = "remove"   // packages
	Copy     = "copy"     // packages from another codename, which keeps them
	Promote  = "promote"  // packages from another codename, which loses them
)

// Change is a change of one codename that a person asks for.
type Change struct {
	Kind           string   `json:"kind"`
	Codename       string   `json:"codename"`         // that is changed
	Serial         uint64   `json:"serial,omitempty"` // of Rollback: the snapshot to go back to
	From           string   `json:"from,omitempty"`   // of Copy and Promote: the codename to take packages from
	Select         []Select `json:"select,omitempty"` // of Remove, Copy and Promote: at least one
	AllowDowngrade bool     `json:"allow_downgrade,omitempty"`
	DryRun         bool     `json:"dry_run,omitempty"` // say what would change, and change nothing
	Reason         string   `json:"reason,omitempty"`  // put down with the snapshot
}

// Select names packages. A source package stands for itself and all binary packages built from it.
type Select struct {
	Name         string `json:"name"`                   // of a source package, or with Binary of a binary package
	Version      string `json:"version,omitempty"`      // empty: all that are there
	Architecture string `json:"architecture,omitempty"` // empty: all
	Binary       bool   `json:"binary,omitempty"`       // the binary package of that name alone
}

// Changed is what a Change has done, or with DryRun would do, to its codename.
type Changed struct {
	Codename string   `json:"codename"`
	Serial   uint64   `json:"serial"` // of the snapshot that shows it; that before where nothing changed
	Added    []Listed `json:"added"`
	Removed  []Listed `json:"removed"`
	Kept     []Listed `json:"kept,omitempty"` // selected sources that stay, since packages that stay were built from or with them
}

// History is what a repository remembers, and what a person can do to it. Its methods may be called
// concurrently, with each other and with those of Repository.
type History interface {
	// Snapshots returns the snapshots of the codename that are kept, the newest first.
	Snapshots(ctx context.Context, codename string) ([]Snapshot, error)
	// Packages returns what a snapshot lists, sorted by name, version and architecture; serial 0 is
	// the one that clients see.
	Packages(ctx context.Context, codename string, serial uint64) ([]Listed, error)
	// Change makes a change and publishes it. What may not be is a *RefusedError, and then nothing has
	// changed; ErrUnknownCodename, ErrUnknownSnapshot and ErrUnknownPackage say what does not exist. A
	// change that is there already changes nothing.
	Change(ctx context.Context, change Change) ([]Changed, error)
	// Resign signs the metadata of the codename anew, or that of all for "".
	Resign(ctx context.Context, codename string) error
}

// Archive is a repository with its history.
type Archive interface {
	Repository
	History
}
