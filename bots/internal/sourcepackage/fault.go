package sourcepackage

import (
	"context"
	"errors"
	"os/exec"

	"foundry/pkg/bot"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
	"foundry/pkg/message"
)

// PackageFault says that the package is at fault.
func PackageFault(reason, hint string) *bot.Failure {
	return &bot.Failure{Class: message.ClassPackage, Reason: reason, Hint: hint}
}

// PolicyFault says that the package breaks a rule that somebody has set.
func PolicyFault(reason, hint string) *bot.Failure {
	return &bot.Failure{Class: message.ClassPolicy, Reason: reason, Hint: hint}
}

// GitFault decides whose fault an error of gitrepo is: a commit that is gone or a tree that cannot be
// exported is the package's, all else is trouble that may pass.
func GitFault(err error) error {
	for _, fault := range []error{git.ErrNoCommit, git.ErrNoBranch, git.ErrUnsafe, gitrepo.ErrSubmodule, git.ErrURL} {
		if errors.Is(err, fault) {
			return PackageFault(err.Error(), git.Hint(err))
		}
	}
	return err
}

// ToolFault decides whose fault the failure of a program is. One that is missing, killed by others or
// out of space says nothing about the package.
func ToolFault(ctx context.Context, err error, hint string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed *toolError
	var exit *exec.ExitError
	if errors.As(err, &failed) && !failed.passing() && errors.As(err, &exit) && exit.ExitCode() > 0 {
		return PackageFault(failed.Error(), hint)
	}
	return err
}
