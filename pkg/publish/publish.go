// Package publish is the port to a signed apt repository: packages go in, and whoever runs apt
// against it sees either the state before or the state after, never a mixture.
//
// foundry/pkg/publish/publishtest holds the contract suite that adapters pass.
package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foundry/pkg/message"
)

// ErrUnknownCodename says that the repository does not have the codename of an upload.
var ErrUnknownCodename = errors.New("unknown codename")

// RefusedError says why a package was not let in. The package is at fault, not the repository.
type RefusedError struct {
	File   string
	Reason string
	Hint   string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refuse %s: %s", e.File, e.Reason) }

// Upload is what one signed build brings: paths of local files, verified against the message that
// named them.
type Upload struct {
	message.Package
	Architecture string
	Changes      string   // path of the .changes
	Files        []string // paths of .deb, .udeb and .ddeb
	Dsc          string   // path of the .dsc; empty when another build has brought the source
	SourceFiles  []string // paths of what the .dsc lists
	Buildinfo    []string // paths of .buildinfo, kept below buildinfo/ and not among the packages
	Component    string   // that all packages are to be in, as after an import; empty: by rules and sections
	Owned        bool     // nobody else uses the files: they may be moved or linked instead of copied
}

// Publication is what the repository shows after an upload.
type Publication struct {
	Packages []message.Published
	Release  message.Digest // SHA-256 of the Release file
	Key      string         // fingerprint of the repository key
}

// Repository is one apt repository. Its methods may be called concurrently; another process that
// opens it meanwhile waits.
type Repository interface {
	// Include puts the upload into its codename and publishes. Including again what is there with
	// the same bytes changes nothing and returns the same packages. What may not go in is a
	// *RefusedError or ErrUnknownCodename, and then nothing has changed. A process killed at any
	// moment leaves the old or the new state for clients, and Include may be called again.
	Include(ctx context.Context, upload Upload) (Publication, error)
	// Sources returns the version of each source package that the codename has: the highest, where
	// it has several. A package of which there are binaries alone counts by the version that they
	// were built from. ErrUnknownCodename where the repository does not have the codename.
	Sources(codename string) (map[string]string, error)
	// Refresh signs the metadata anew where Valid-Until comes within the given time.
	Refresh(ctx context.Context, within time.Duration) error
	// Close releases the repository to other processes.
	Close() error
}
