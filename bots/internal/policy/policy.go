// Package policy reads what a package says about its own builds: debian/foundry.toml. It also has the words
// in which sourcebot's flags say the same for all packages.
//
// The file counts as it is on the repository's default branch. That of a commit under test has no
// effect, so that a branch cannot give itself rights. Codenames and committers stay within what the operator
// allows; the rest is the package's own affair, unless the operator has policies ignored.
//
//	enable = true                            # false: nothing of this repository is built
//	codenames = ["trixie", "stable:bookworm"] # codename, or branch:codename
//	architectures = ["amd64", "any-arm64"]   # only these; wildcards as in debian/control
//	network = false                          # true: builds may use the network
//	timeout = "2h"                           # of a build
//	profiles = ["nocheck"]                   # build profiles
//	options = ["nocheck"]                    # words of DEB_BUILD_OPTIONS
//	allow-committers = ["alice@example.org"] # or fingerprints: who of the known committers
//	outputs = ["=report.xml", "%*.log", "!tmp/*"] # further files of the source tree to keep
//
// All keys may be absent, as may the file.
package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"foundry/pkg/bot"
)

// File is where the policy is in a repository.
const File = "debian/foundry.toml"

// maxFile is how many bytes the file may have. The time that TOML takes rises with the square of how deep a
// hostile one nests, which all of these bytes could be for: then a second.
const maxFile = 8 << 10

// A Policy is what debian/foundry.toml says. What Default returns holds without one.
type Policy struct {
	Enable          bool
	Codenames       Routes   // empty for what the operator says
	Architectures   []string // names or wildcards; empty for all
	Network         bool
	Timeout         time.Duration // 0 for what the operator says
	Profiles        []string      // beside the operator's
	Options         []string      // beside the operator's
	AllowCommitters []string      // fingerprints in upper case, or e-mail addresses in lower case; empty for all whom the operator allows
	Outputs         []string      // globs after "=", "%" or "!"
}

// Default is the policy of a repository that has none.
func Default() *Policy { return &Policy{Enable: true} }

// Parse reads a debian/foundry.toml. Its errors begin with the key and carry a hint.
func Parse(data []byte) (*Policy, error) {
	if len(data) > maxFile {
		return nil, bot.Hint(fmt.Errorf("it has %d bytes, more than %d", len(data), maxFile), "shorten it")
	}
	if !utf8.Valid(data) {
		return nil, bot.Hint(errors.New("it is not UTF-8"), "write it anew: iconv -f ISO-8859-1 -t UTF-8")
	}
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			err = fmt.Errorf("line %d: %s", parse.Position.Line, parse.Message)
		}
		return nil, bot.Hint(err, "the format is TOML, https://toml.io")
	}
	p := Default()
	keys := p.keys()
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		set := keys[key]
		if set == nil {
			return nil, bot.Hint(fmt.Errorf("unknown key %q", cut(key)), bot.Nearest(key, slices.Sorted(maps.Keys(keys))))
		}
		if err := set(tree[key]); err != nil {
			return nil, fmt.Errorf("key %q: %w", key, err)
		}
	}
	return p, nil
}

// keys are the keys of the file and what each sets.
func (p *Policy) keys() map[string]func(any) error {
	return map[string]func(any) error{
		"enable":  flag(&p.Enable),
		"network": flag(&p.Network),
		"timeout": p.setTimeout,
		"codenames": texts(1, 64, func(list []string) (err error) {
			p.Codenames, err = ParseRoutes(list)
			return err
		}),
		"architectures":    texts(1, 256, each(&p.Architectures, architecture)),
		"profiles":         texts(0, MaxWords, each(&p.Profiles, Profile)),
		"options":          texts(0, MaxWords, each(&p.Options, option)),
		"allow-committers": texts(1, 256, each(&p.AllowCommitters, committer)),
		"outputs":          texts(0, 64, each(&p.Outputs, output)),
	}
}

// maxTimeout is the longest that a message can say.
const maxTimeout = 30 * 24 * time.Hour

// setTimeout takes a duration as text, or a whole number of seconds.
func (p *Policy) setTimeout(value any) error {
	const hint = `write it as text with its unit, such as "90m" or "2h", or in whole seconds: 5400`
	switch v := value.(type) {
	case int64:
		if v < 1 || v > int64(maxTimeout/time.Second) {
			return bot.Hint(fmt.Errorf("%d seconds is not between 1s and %s", v, maxTimeout), hint)
		}
		p.Timeout = time.Duration(v) * time.Second
	case string:
		d, err := time.ParseDuration(v)
		switch {
		case err != nil:
			return bot.Hint(fmt.Errorf("%q is not a duration", cut(v)), hint)
		case d < time.Second || d > maxTimeout:
			return bot.Hint(fmt.Errorf("%s is not between 1s and %s", cut(v), maxTimeout), hint)
		}
		p.Timeout = d
	default:
		return bot.Hint(fmt.Errorf("is %s, neither text nor whole seconds", kind(value)), hint)
	}
	return nil
}
