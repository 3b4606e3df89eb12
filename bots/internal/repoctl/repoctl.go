// Package repoctl takes what people ask of an apt repository to the distbot that has it open.
//
// Distbot listens on a Unix socket in the state folder, which only its own user may open. Requests are
// HTTP, "POST /v1/METHOD" with a JSON object, where METHOD is one of publish.Archive's or "about". The answer
// is a line of JSON: {"result": …} or {"error": …}; before it come lines {"waiting": SECONDS} while the work
// lasts. So with curl:
//
//	curl --unix-socket STATE/run/distbot-main.socket -d '{"codename":"bookworm"}' http://distbot/v1/snapshots
//
// Client is a publish.Archive again. Errors keep what they are: *publish.RefusedError, the sentinels of
// package publish, and hints.
package repoctl

import (
	"errors"
	"path/filepath"
	"time"

	"foundry/pkg/publish"
)

// ErrNotRunning says that nobody listens on the socket.
var ErrNotRunning = errors.New("no distbot is running")

// About says whom a client has reached.
type About struct {
	Name      string            `json:"name"` // of the repository
	Codenames []string          `json:"codenames"`
	Suites    map[string]string `json:"suites"` // second names of codenames
	Output    string            `json:"output"` // folder that is served
	Keys      []byte            `json:"keys"`   // that sign it, armored
	PID       int               `json:"pid"`
	Version   string            `json:"version"`
}

// Path is the socket for the repository named name.
func Path(state, name string) string {
	return filepath.Join(state, "run", "distbot-"+name+".socket")
}

// maxRequest bounds a request: the longest is an upload of some thousand files.
const maxRequest = 16 << 20

// The requests, beside publish.Change and publish.Upload.
type (
	none    struct{}
	ofSuite struct {
		Codename string `json:"codename"`
	}
	ofSnapshot struct {
		Codename string `json:"codename"`
		Serial   uint64 `json:"serial"`
	}
	refresh struct {
		Within time.Duration `json:"within"` // nanoseconds
	}
)

// line is one line of an answer.
type line[A any] struct {
	Waiting int      `json:"waiting,omitempty"`
	Result  *A       `json:"result,omitempty"`
	Error   *problem `json:"error,omitempty"`
}

// problem is an error as it travels.
type problem struct {
	Kind   string `json:"kind,omitempty"` // one of kinds, or "refused"
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
	File   string `json:"file,omitempty"`   // of a refusal
	Reason string `json:"reason,omitempty"` // of a refusal
}

const kindRefused = "refused"

// kinds are the errors that a caller tells apart.
func kinds() map[string]error {
	return map[string]error{
		"unknown codename": publish.ErrUnknownCodename,
		"unknown snapshot": publish.ErrUnknownSnapshot,
		"unknown package":  publish.ErrUnknownPackage,
	}
}
