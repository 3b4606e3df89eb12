package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"foundry/pkg/bot"
	"foundry/pkg/gitrepo"
	"foundry/pkg/message"
)

func packageFault(reason, hint string) *bot.Failure {
	return &bot.Failure{Class: message.ClassPackage, Reason: reason, Hint: hint}
}

func policyFault(reason, hint string) *bot.Failure {
	return &bot.Failure{Class: message.ClassPolicy, Reason: reason, Hint: hint}
}

// gitFault decides whose fault an error of gitrepo is: a commit that is gone or a tree that cannot be
// exported is the package's, all else is trouble that may pass.
func gitFault(err error) error {
	for _, fault := range []error{gitrepo.ErrNoCommit, gitrepo.ErrNoBranch, gitrepo.ErrUnsafe, gitrepo.ErrSubmodule, gitrepo.ErrURL} {
		if errors.Is(err, fault) {
			return packageFault(err.Error(), gitrepo.Hint(err))
		}
	}
	return bot.Hint(err, gitrepo.Hint(err))
}

// toolError is the failure of a program that was run on the package.
type toolError struct {
	name string
	last string // the line that says most
	err  error
}

func (e *toolError) Error() string {
	if e.last != "" {
		return e.name + ": " + e.last
	}
	return fmt.Sprintf("%s: %v", e.name, e.err)
}

func (e *toolError) Unwrap() error { return e.err }

// toolFault decides whose fault the failure of a program is. One that is missing, killed by others or
// out of space says nothing about the package.
func toolFault(ctx context.Context, err error, hint string) error {
	var t *toolError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &t):
		return err
	case errors.Is(err, exec.ErrNotFound):
		return bot.Hint(err, "apt-get install "+debianPackage(t.name))
	case outOfSpace.MatchString(t.last):
		return bot.Hint(err, "make room in the state folder, or start with --state on a larger disk")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return packageFault(t.Error(), hint)
	}
	return err
}

// debianPackage is the package that a program is in.
func debianPackage(program string) string {
	switch program {
	case "dpkg-source":
		return "dpkg-dev"
	case "xz", "lzma":
		return "xz-utils"
	}
	return program
}
