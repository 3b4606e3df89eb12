package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/bot"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// sourcebot works on commits, several at a time.
type sourcebot struct {
	options
	mirrors string // folder
}

// results says what do will answer at most, as far as that is known before the repository's policy is read.
func (s *sourcebot) results(_ *message.Message, body message.Body) []bot.Result {
	c, ok := body.(*message.Commit)
	if !ok || !s.wanted(c.Branch) {
		return nil
	}
	codenames := s.routes.Codenames(c.Branch)
	if s.policy == policyRead {
		codenames = s.routes.All()
	}
	var results []bot.Result
	for _, codename := range codenames {
		results = append(results, bot.Result{Body: &message.Source{}, Siblings: []string{string(codename)}})
	}
	return results
}

// do makes the source packages of one commit.
func (s *sourcebot) do(ctx context.Context, j *bot.Job) ([]bot.Result, error) {
	about, ok := j.Body.(*message.Commit)
	if !ok {
		return nil, sourcepackage.PackageFault(fmt.Sprintf("message of type %s is not a commit", j.Message.Type), "let sourcebot watch commits")
	}
	log := j.Log.With().Str("repository", git.Redact(about.Repository)).Str("branch", about.Branch).Logger()
	if !s.wanted(about.Branch) {
		log.Info().Msg("branch is not built, see --build-branch")
		return nil, nil
	}
	mirror, err := gitrepo.OpenMirror(s.mirrors, about.Repository)
	if err != nil {
		return nil, sourcepackage.GitFault(err)
	}
	if err := mirror.Fetch(ctx, about.Ref, about.Branch); err != nil {
		return nil, sourcepackage.GitFault(err)
	}
	commit, err := mirror.Commit(ctx, about.Ref)
	if err != nil {
		return nil, sourcepackage.GitFault(err)
	}
	signer, err := s.verify(commit)
	if err != nil {
		return nil, err
	}
	if signer == "" {
		log.Info().Msg("commit is not signed by a known key")
	}
	terms, err := s.terms(ctx, mirror, log)
	if err != nil {
		return nil, err
	}
	codenames, err := s.admit(terms, about, signer)
	if err != nil {
		return nil, err
	}
	done, err := announced(ctx, j, codenames)
	if err != nil || len(done) == len(codenames) {
		return nil, err
	}
	if overtaken, err := s.overtaken(ctx, mirror, about); overtaken || err != nil {
		if overtaken {
			log.Info().Msg("commit is overtaken by a newer one, see --latest-only")
		}
		return nil, err
	}
	work := maker{sourcebot: s, job: j, mirror: mirror, commit: commit, about: about, signer: signer, terms: terms, codenames: codenames, announced: done}
	return work.logged(ctx)
}

// keyring reads the keys of those who may sign commits; none is a keyring that is nil.
func (s *sourcebot) keyring() (*trust.Keyring, error) {
	keyring, err := trust.ReadKeyring(s.committers)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return keyring, bot.Hint(err, "it should hold public keys: gpg --export --armor FINGERPRINT")
}

// emails returns the addresses of a key that has signed a commit.
func (s *sourcebot) emails(fingerprint string) ([]string, error) {
	keyring, err := s.keyring()
	if keyring == nil || err != nil {
		return nil, err
	}
	return keyring.Emails(fingerprint), nil
}

// verify returns the fingerprint of the key that signed the commit, "" for one that need not be signed.
func (s *sourcebot) verify(c gitrepo.Commit) (string, error) {
	keyring, err := s.keyring()
	if err != nil {
		return "", err
	}
	signer, missing := "", keyring == nil
	if !missing {
		signer, err = gitrepo.VerifyCommit(keyring, c)
	}
	var untrusted *trust.UntrustedError
	switch {
	case !missing && err == nil:
		return signer, nil
	case s.allowUnsigned:
		return "", nil
	case missing:
		return "", sourcepackage.PolicyFault(fmt.Sprintf("commit %s by %s: there is no keyring %s of those who may sign", c.Hash, c.Committer, s.committers),
			fmt.Sprintf("gpg --export --armor FINGERPRINT >>%s, or start sourcebot with --allow-unsigned", s.committers))
	case errors.Is(err, gitrepo.ErrUnsigned), errors.Is(err, gitrepo.ErrSignature):
		return "", sourcepackage.PolicyFault(fmt.Sprintf("%v (committed by %s)", err, c.Committer), git.Hint(err)+"; or start sourcebot with --allow-unsigned")
	case errors.As(err, &untrusted):
		return "", sourcepackage.PolicyFault(fmt.Sprintf("%v (committed by %s)", err, c.Committer),
			fmt.Sprintf("if that key is to be believed, add it: gpg --export --armor FINGERPRINT >>%s; keys there: %s", s.committers, strings.Join(keyring.Fingerprints(), " ")))
	}
	return "", err
}

// overtaken tells whether --latest-only passes over the commit: the branch has a newer one. A deliberate
// rebuild is never passed over.
func (s *sourcebot) overtaken(ctx context.Context, mirror *gitrepo.Mirror, about *message.Commit) (bool, error) {
	if !s.latestOnly || about.Count > 0 {
		return false, nil
	}
	err := mirror.Refresh(ctx, about.Branch)
	if errors.Is(err, git.ErrNoBranch) {
		return false, nil // deleted since; nothing is newer
	}
	if err != nil {
		return false, sourcepackage.GitFault(err)
	}
	head, err := mirror.Resolve(ctx, about.Branch)
	if errors.Is(err, git.ErrNoBranch) || head == about.Ref {
		return false, nil
	}
	if err != nil {
		return false, sourcepackage.GitFault(err)
	}
	newer, err := mirror.IsAncestor(ctx, about.Ref, head)
	if err != nil {
		return false, sourcepackage.GitFault(err)
	}
	return newer, nil
}
