package repository

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
	"foundry/pkg/trust"
)

// Check tells what is wrong with the settings, as a usage error.
func (s *Settings) Check() error {
	if !publish.ValidName(s.Name) {
		return bot.Usage(fmt.Sprintf("--name %q: not a name", s.Name), `use letters, digits, "-", "_" and "."`)
	}
	if err := s.checkCodenames(); err != nil {
		return err
	}
	if err := s.checkComponents(); err != nil {
		return err
	}
	for _, text := range []struct{ flag, value string }{{"origin", s.Origin}, {"label", s.Label}, {"description", s.Description}} {
		if strings.ContainsAny(text.value, "\r\n") {
			return bot.Usage(fmt.Sprintf("--%s %q: has a line break", text.flag, text.value), "give one line")
		}
	}
	if err := s.checkTimes(); err != nil {
		return err
	}
	if err := s.checkKeys(); err != nil {
		return err
	}
	if _, err := s.targets(); err != nil {
		return err
	}
	_, err := s.Suites()
	return err
}

func (s *Settings) checkKeys() error {
	for _, file := range s.NextKeys {
		if _, err := trust.ReadKeyring(file); err != nil {
			return bot.Usage(fmt.Sprintf("--next-key: %v", err), "give a file that gpg --export has written")
		}
	}
	for _, print := range s.SignedBy {
		if print != signedByKeys && !fingerprint.MatchString(print) {
			return bot.Usage(fmt.Sprintf("--signed-by %q: not a fingerprint", print), `give the 40 digits that "gpg --fingerprint" shows, without blanks, or "keys"`)
		}
	}
	if s.KeyringSources && s.URI == "" {
		return bot.Usage("--keyring-sources without --uri", "say under which URI clients reach the repository")
	}
	if s.KeyringSources && s.NoKeyringPackage {
		return bot.Usage("--keyring-sources with --no-keyring-package", "leave one of them out")
	}
	return nil
}

// signedByKeys stands for the fingerprints of the keys that sign now and later.
const signedByKeys = "keys"

var fingerprint = regexp.MustCompile(`^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?$`)

func (s *Settings) checkCodenames() error {
	if len(s.Codenames) == 0 {
		return bot.Usage("no --codename given", "say what to serve, as in --codename bookworm")
	}
	if len(s.Arches) == 0 {
		return bot.Usage("no --arch given", "say what to serve, as in --arch amd64")
	}
	names := map[string]bool{}
	for _, c := range s.Codenames {
		codename, suite, aliased := strings.Cut(c, "=")
		if !publish.ValidName(codename) || aliased && !publish.ValidName(suite) {
			return bot.Usage(fmt.Sprintf("--codename %q: not a codename", c), "give one such as bookworm, or bookworm=stable")
		}
		if names[codename] || aliased && suite != codename && names[suite] {
			return bot.Usage(fmt.Sprintf("--codename %q: a name is given twice", c), "give each codename and each second name once")
		}
		names[codename], names[suite] = true, aliased
	}
	for _, a := range s.Arches {
		if !publish.ValidArchitecture(a) {
			return bot.Usage(fmt.Sprintf("--arch %q: not an architecture of machines", a), "give one such as amd64; source packages and those for all architectures are always served")
		}
	}
	return nil
}

func (s *Settings) checkComponents() error {
	for i, c := range s.Components {
		if !publish.ValidName(c) {
			return bot.Usage(fmt.Sprintf("--component %q: not a component", c), "use one such as main")
		}
		if slices.Contains(s.Components[:i], c) {
			return bot.Usage(fmt.Sprintf("--component %s is given twice", c), "")
		}
	}
	for _, r := range s.ComponentRules {
		glob, component, ok := strings.Cut(r, "=")
		if _, err := path.Match(glob, ""); err != nil || !ok || glob == "" {
			return bot.Usage(fmt.Sprintf("--component-rule %q: not a rule", r), "give names of source packages and their component, as in 'firmware-*=non-free'")
		}
		if !slices.Contains(s.components(), component) {
			return bot.Usage(fmt.Sprintf("--component-rule %q: there is no component %q", r, component), "add --component "+component+", or name one of "+strings.Join(s.components(), ", "))
		}
	}
	if s.DebugComponent != "" && !publish.ValidName(s.DebugComponent) {
		return bot.Usage(fmt.Sprintf("--dbgsym-component %q: not a component", s.DebugComponent), "use one such as debug")
	}
	return nil
}

func (s *Settings) checkTimes() error {
	if s.ValidFor < publish.MinValidFor {
		return bot.Usage(fmt.Sprintf("--valid-for %s: must be at least 1h", s.ValidFor), "a few days give you time to mend a distbot that has stopped")
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"retain", s.Retain}, {"keep-indexes", s.KeepIndexes}} {
		if d.value < minKept {
			return bot.Usage(fmt.Sprintf("--%s %s: must be at least %s", d.flag, d.value, minKept), "clients fetch what they have just read of")
		}
	}
	if s.Snapshots < 1 {
		return bot.Usage(fmt.Sprintf("--snapshots %d: must be at least 1", s.Snapshots), "give how many publishes can be rolled back to")
	}
	return nil
}

// minKept is the shortest time for which files stay that clients may be about to fetch.
const minKept = 10 * time.Minute

func (s *Settings) components() []string {
	if len(s.Components) == 0 {
		return []string{publish.DefaultComponent}
	}
	return s.Components
}

// names are the codenames without second names.
func (s *Settings) names() (list []string) {
	for _, c := range s.Codenames {
		codename, _, _ := strings.Cut(c, "=")
		list = append(list, codename)
	}
	return list
}

// matched calls f with each codename that pattern means, and refuses one that means none.
func (s *Settings) matched(flag, pattern string, f func(codename string)) error {
	found := false
	for _, name := range s.names() {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return bot.Usage(fmt.Sprintf("--%s %q: not a codename", flag, pattern), `"*" and "?" stand for any characters`)
		}
		if ok {
			found = true
			f(name)
		}
	}
	if !found {
		return bot.Usage(fmt.Sprintf("--%s %q: no such codename is served", flag, pattern), bot.Nearest(pattern, s.names()))
	}
	return nil
}

// switched returns the codenames for which one of the patterns stands.
func (s *Settings) switched(flag string, patterns []string) (map[string]bool, error) {
	on := map[string]bool{}
	for _, p := range patterns {
		switch p {
		case "true":
			p = all
		case "false":
			continue
		}
		if err := s.matched(flag, p, func(codename string) { on[codename] = true }); err != nil {
			return nil, err
		}
	}
	return on, nil
}

// valued returns the value of each codename: of those that name it the last, else the last that names none.
func (s *Settings) valued(flag string, values []string, valid func(string) bool, hint string) (map[string]string, error) {
	common, own := map[string]string{}, map[string]string{}
	for _, v := range values {
		pattern, value, named := strings.Cut(v, "=")
		into := own
		if !named {
			pattern, value, into = all, v, common
		}
		if !valid(value) {
			return nil, bot.Usage(fmt.Sprintf("--%s %q: not valid", flag, v), hint)
		}
		if err := s.matched(flag, pattern, func(codename string) { into[codename] = value }); err != nil {
			return nil, err
		}
	}
	for codename, value := range own {
		common[codename] = value
	}
	return common, nil
}

func validVersion(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+~-_") == ""
}

func validCount(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= 10000
}
