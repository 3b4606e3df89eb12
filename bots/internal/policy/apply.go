package policy

import (
	"fmt"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// For lists the codenames that a branch is built for: those that the policy maps it to, else those of the
// operator's that it names, else the operator's. None is an error only where the policy leaves none.
func (p *Policy) For(branch string, operator Routes) ([]debian.Codename, error) {
	theirs := operator.Codenames(branch)
	if len(p.Codenames) == 0 {
		return theirs, nil
	}
	known := operator.All()
	for _, r := range p.Codenames {
		if !slices.Contains(known, r.Codename) {
			return nil, bot.Hint(fmt.Errorf("key %q: %s is not among what is built here", "codenames", r.Codename), bot.Nearest(string(r.Codename), words(known)))
		}
	}
	if mapped := p.Codenames.mapped(branch); mapped != nil {
		return mapped, nil
	}
	named := p.Codenames.others()
	kept := slices.DeleteFunc(slices.Clone(theirs), func(c debian.Codename) bool { return !slices.Contains(named, c) })
	if len(kept) == 0 {
		return nil, bot.Hint(fmt.Errorf("key %q: nothing of %s is for branch %s", "codenames", p.Codenames, branch),
			fmt.Sprintf("add %q or the like; built here are %s", branch+":"+string(known[0]), strings.Join(words(known), ", ")))
	}
	return kept, nil
}

func words(codenames []debian.Codename) []string {
	list := make([]string, len(codenames))
	for i, c := range codenames {
		list[i] = string(c)
	}
	return list
}

// Allows tells whether the key with this fingerprint and these e-mail addresses may sign commits, as far as
// the policy goes.
func (p *Policy) Allows(fingerprint string, emails []string) bool {
	if len(p.AllowCommitters) == 0 || slices.Contains(p.AllowCommitters, fingerprint) {
		return true
	}
	return slices.ContainsFunc(emails, func(e string) bool { return slices.Contains(p.AllowCommitters, strings.ToLower(e)) })
}

// Only tells whether the architecture is among those that the policy keeps to.
func (p *Policy) Only(arch debian.Architecture) bool {
	return len(p.Architectures) == 0 || arch.Builds(p.Architectures)
}

// Join returns the operator's words and those of the policy, each once.
func Join(operator, own []string) ([]string, error) {
	joined := slices.Clone(operator)
	for _, w := range own {
		if !slices.Contains(joined, w) {
			joined = append(joined, w)
		}
	}
	if len(joined) > MaxWords {
		return nil, bot.Hint(fmt.Errorf("with those of the operator there are %d, more than %d", len(joined), MaxWords), "leave some out")
	}
	return joined, nil
}
