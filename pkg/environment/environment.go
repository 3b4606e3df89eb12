// Package environment is the port to clean places to build in: Provisioner makes immutable images
// that hold a base system and the build dependencies of a package, Runtime runs a throw-away
// instance of one.
//
// foundry/pkg/environment/environmenttest holds the contract suite that adapters pass.
package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

// ErrNoImage says that an image is neither on this host nor in the artifact store.
var ErrNoImage = errors.New("no such image")

// ErrTimeout says that an instance ran longer than it was allowed to and was ended.
var ErrTimeout = errors.New("time limit exceeded")

// ErrNoRelease says that a source list's repository has no such suite.
var ErrNoRelease = errors.New("no such release")

// UnsatisfiableError says which build dependencies no source list can satisfy. The package is at
// fault, not the provisioner.
type UnsatisfiableError struct {
	Missing []string // as in the relation: "libfoo-dev (>= 2)"
	Detail  string   // what apt said, several lines
	// Absent are the dependencies that no source list has a package for, of any version that would
	// do, when this is all that is wrong: another package may bring it. Empty where the trouble lies
	// elsewhere, such as in a conflict or in what a dependency itself needs.
	Absent []string
	Key    string // of the request when this was found, as Provisioner.Key names it
}

func (e *UnsatisfiableError) Error() string {
	return fmt.Sprintf("unsatisfiable build dependencies: %s", strings.Join(e.Missing, ", "))
}

// A SourceList is one apt source (sources.list(5)).
type SourceList struct {
	URI        string   // http, https or file; a file URI is an absolute folder on the provisioning host
	Suite      string   // suite or codename
	Components []string // empty only where Suite ends in "/"
	Keyring    string   // path on this host of the OpenPGP keyring that verifies it; empty for the release's own
	Optional   bool     // a repository or suite that is not there counts as one without packages
}

// A Base says from what the base system of a codename is made.
type Base struct {
	Release string // of the distribution, "bookworm"
	Mirror  string // URI
	Keyring string // path on this host of the OpenPGP keyring that verifies Mirror; empty for the distribution's
	// Components are those of Mirror that packages come from; "main" where there are none.
	Components []string
}

// A Request says what a package needs.
type Request struct {
	Base         Base
	Architecture string
	Sources      []SourceList // beside the base's own
	Depends      string       // build dependencies that count here, in control syntax, comma-separated
	Conflicts    string       // build conflicts that count here
	Profiles     []string     // active build profiles
	Proxy        string       // URL of the proxy that everything is downloaded through, of which nothing stays in the image; empty for none
}

// Provisioner makes images. Its methods may be called concurrently; two that need the same image,
// also in other processes on the host, make it once.
type Provisioner interface {
	// Provision returns the image for request, made or reused, and writes what it does to log. An
	// image counts as reused only while the Release files of all its sources are unchanged, or those of
	// optional ones have changed in nothing that has a bearing on it.
	// Unsatisfiable dependencies are an *UnsatisfiableError.
	Provision(ctx context.Context, request Request, log io.Writer) (message.Image, error)
	// Key names, in a moment, all that the answer to request depends on: while it stays the same, so
	// does what Provision answers.
	Key(ctx context.Context, request Request) (string, error)
	// Share puts the image into the artifact store and returns it with Manifest and Blobs set.
	Share(ctx context.Context, image message.Image, store artifact.Store) (message.Image, error)
}

// A Run says what to run in an instance of an image.
type Run struct {
	Name     string        // unique on this host; letters, digits, "_", "-"
	Image    message.Image //
	Script   string        // run by /bin/sh -e as root; its output is the log
	Inputs   string        // folder on the host, seen read-only at /in; empty for none
	Outputs  string        // folder on the host, seen at /out, where only root of the instance may write; empty for none
	Env      []string      // "NAME=value"; the environment has nothing else but PATH, LC_ALL=C.UTF-8 and TZ=UTC
	Network  bool          // explicit exception: the host's network
	Writable bool          // the instance's root file system may be written, as installing packages needs
	Limits   Limits
	Log      io.Writer // standard output and error, in order
}

// Limits bounds an instance. Zero fields are unlimited.
type Limits struct {
	Time   time.Duration
	Memory int64 // bytes
	CPUs   float64
	PIDs   int
}

// Runtime runs instances. Its methods may be called concurrently.
type Runtime interface {
	// Run starts an instance, waits for its script and removes every trace of it. It returns the
	// script's exit status; err is about the runtime, or ErrTimeout. The root file system is
	// read-only but for /build, /tmp and what the system needs; the user "build" exists. When ctx
	// ends the instance is killed.
	Run(ctx context.Context, run Run) (status int, err error)
	// Fetch makes sure that the image is on this host, from the artifact store where it is not, or
	// returns ErrNoImage.
	Fetch(ctx context.Context, image message.Image, store artifact.Store) error
	// Sweep removes the instances that a killed process of this host left behind.
	Sweep(ctx context.Context) error
}
