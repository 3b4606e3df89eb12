package repoctl

import (
	"errors"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// describe makes of an error what travels.
func describe(err error) *problem {
	p := &problem{Text: err.Error(), Hint: bot.HintOf(err)}
	var refused *publish.RefusedError
	if errors.As(err, &refused) {
		p.Kind, p.File, p.Reason = kindRefused, refused.File, refused.Reason
		if refused.Hint != "" {
			p.Hint = refused.Hint
		}
		return p
	}
	for kind, sentinel := range kinds() {
		if errors.Is(err, sentinel) {
			p.Kind = kind
		}
	}
	return p
}

// remoteError is an error that the other side has had.
type remoteError struct {
	text  string
	hint  string
	cause error // what a caller tells it by; nil for nothing
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Hint() string  { return e.hint }
func (e *remoteError) Unwrap() error { return e.cause }

// err makes the error of what has traveled.
func (p *problem) err() error {
	e := &remoteError{text: p.Text, hint: p.Hint, cause: kinds()[p.Kind]}
	if p.Kind == kindRefused {
		e.cause = &publish.RefusedError{File: p.File, Reason: p.Reason, Hint: p.Hint}
	}
	return e
}
