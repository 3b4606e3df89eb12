package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"foundry/bots/internal/policy"
	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
	"foundry/pkg/message"
)

// The values of --policy.
const (
	policyRead   = "read"
	policyIgnore = "ignore"
)

// terms are the policy that a repository sets itself.
type terms struct {
	policy.Policy
	branch string // where it was read
}

// fault is the failure of a commit that the repository's policy keeps from being built.
func (t terms) fault(err error) error {
	return sourcepackage.PolicyFault(fmt.Sprintf("%s on branch %s: %v", policy.File, t.branch, err), bot.HintOf(err))
}

// terms reads the policy of a repository from its default branch, as that is now.
//
// Whoever may write it must be trusted as much as whoever may commit: where commits have to be signed, the
// newest commit of the default branch has to be as well.
func (s *sourcebot) terms(ctx context.Context, mirror *gitrepo.Mirror, log zerolog.Logger) (terms, error) {
	none := terms{Policy: *policy.Default()}
	if s.policy == policyIgnore {
		return none, nil
	}
	branch, hash, err := mirror.DefaultBranch(ctx)
	if errors.Is(err, git.ErrEmpty) || errors.Is(err, git.ErrNoBranch) || errors.Is(err, git.ErrDetached) {
		log.Warn().Err(err).Msg("repository has no default branch, so no policy")
		return none, nil
	}
	if err != nil {
		return none, sourcepackage.GitFault(err)
	}
	t := terms{branch: branch}
	data, err := t.read(ctx, mirror, hash)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	commit, err := mirror.Commit(ctx, hash)
	if err != nil {
		return none, sourcepackage.GitFault(err)
	}
	_, err = s.verify(commit)
	var failure *bot.Failure
	if errors.As(err, &failure) {
		return none, sourcepackage.PolicyFault(fmt.Sprintf("%s on branch %s is not believed: %s", policy.File, branch, failure.Reason),
			"it says how every branch is built, so the newest commit there must be signed by one who may commit; sign it, or start sourcebot with --policy ignore")
	}
	if err != nil {
		return none, err
	}
	own, err := policy.Parse(data)
	if err != nil {
		return none, t.fault(err)
	}
	t.Policy = *own
	log.Debug().Str("policy", branch+"@"+hash).Msg("repository has a policy")
	return t, nil
}

// read returns the file; none is fs.ErrNotExist.
func (t terms) read(ctx context.Context, mirror *gitrepo.Mirror, hash string) ([]byte, error) {
	part, mode, err := mirror.Lstat(ctx, hash, policy.File)
	switch {
	case err != nil:
		return nil, err
	case part != policy.File: // the folder is not one, so there is no packaging either
		return nil, fs.ErrNotExist
	case mode == fs.ModeSymlink:
		return nil, t.fault(bot.Hint(errors.New("it is a symbolic link"), "make it a plain file"))
	case mode != 0:
		return nil, t.fault(bot.Hint(errors.New("it is not a file"), "make it a plain file"))
	}
	data, err := mirror.ReadFile(ctx, hash, policy.File)
	if errors.Is(err, gitrepo.ErrLarge) {
		return nil, t.fault(bot.Hint(fmt.Errorf("it is %w", gitrepo.ErrLarge), "shorten it"))
	}
	return data, err
}

// admit tells for which codenames the policy lets a commit be built, which the key signer has signed.
func (s *sourcebot) admit(t terms, about *message.Commit, signer string) ([]debian.Codename, error) {
	if !t.Enable {
		return nil, t.fault(bot.Hint(errors.New("nothing of this repository is built: enable = false"), "write enable = true, or do not watch the repository"))
	}
	if err := s.admitSigner(t, signer); err != nil {
		return nil, err
	}
	codenames, err := t.For(about.Branch, s.routes)
	if err != nil {
		return nil, t.fault(err)
	}
	if codenames == nil {
		return nil, sourcepackage.PolicyFault(fmt.Sprintf("unknown codename: branch %s is not mapped to any; known are %s", about.Branch, s.routes),
			fmt.Sprintf("start sourcebot with --codename %s:CODENAME", about.Branch))
	}
	return codenames, nil
}

func (s *sourcebot) admitSigner(t terms, signer string) error {
	const hint = "have it signed by one who is listed there, or add the fingerprint or an e-mail address of the key"
	if len(t.AllowCommitters) == 0 {
		return nil
	}
	if signer == "" {
		return t.fault(bot.Hint(errors.New(`key "allow-committers": the commit is not signed by a known key`), hint))
	}
	emails, err := s.emails(signer)
	if err != nil {
		return err
	}
	if !t.Allows(signer, emails) {
		who := strings.Join(append([]string{signer}, emails...), " ")
		return t.fault(bot.Hint(fmt.Errorf("key %q: the commit is signed by %s, who is not among them", "allow-committers", who), hint))
	}
	return nil
}

// apply puts into a source what policy and operator say about its builds.
func (m *maker) apply(source *message.Source) error {
	t := m.terms
	source.Network, source.Outputs, source.Only = t.Network, t.Outputs, t.Architectures
	timeout := m.buildTimeout
	if t.Timeout > 0 {
		timeout = t.Timeout
	}
	source.Timeout = int(timeout.Round(time.Second) / time.Second)
	var err error
	if source.Profiles, err = policy.Join(m.profiles, t.Profiles); err != nil {
		return t.fault(fmt.Errorf("key %q: %w", "profiles", err))
	}
	if source.Options, err = policy.Join(m.buildOptions, t.Options); err != nil {
		return t.fault(fmt.Errorf("key %q: %w", "options", err))
	}
	source.IndepArchitecture = m.indep
	if t.Only(debian.Architecture(m.indep)) || !slices.Contains(source.Architectures, string(debian.All)) {
		return nil
	}
	// Somebody has to build the packages for all.
	first := slices.IndexFunc(t.Architectures, func(a string) bool { return debian.Architecture(a).Known() })
	if first < 0 {
		return t.fault(bot.Hint(fmt.Errorf("key %q: %s, which is to build the packages for all, is not among them", "architectures", m.indep),
			"add the name of the architecture that is to build them"))
	}
	source.IndepArchitecture = t.Architectures[first]
	return nil
}
