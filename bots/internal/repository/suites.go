package repository

import (
	"cmp"
	"strconv"
	"strings"

	"foundry/pkg/publish"
)

// Suites are the codenames of the repository as the port describes them. SignedBy is as in the settings.
func (s *Settings) Suites() ([]publish.Suite, error) {
	versions, err := s.valued("release-version", s.ReleaseVersions, validVersion, "give a version such as 12.1, or bookworm=12.1")
	if err != nil {
		return nil, err
	}
	keep, err := s.valued("keep", s.Keep, validCount, "give a number such as 3, or bookworm=3")
	if err != nil {
		return nil, err
	}
	manual, err := s.switched("not-automatic", s.NotAutomatic)
	if err != nil {
		return nil, err
	}
	upgrades, err := s.switched("but-automatic-upgrades", s.ButAutomatic)
	if err != nil {
		return nil, err
	}
	downgrade, err := s.switched("allow-downgrade", s.AllowDowngrade)
	if err != nil {
		return nil, err
	}
	var rules []publish.Rule
	for _, r := range s.ComponentRules {
		glob, component, _ := strings.Cut(r, "=")
		rules = append(rules, publish.Rule{Source: glob, Component: component})
	}
	var suites []publish.Suite
	for _, c := range s.Codenames {
		codename, suite, _ := strings.Cut(c, "=")
		count, _ := strconv.Atoi(keep[codename]) // zero is the default
		suites = append(suites, publish.Suite{
			Codename: codename, Suite: suite, Architectures: s.Arches,
			Component: s.components()[0], Components: s.components()[1:], Rules: rules, DebugComponent: s.DebugComponent,
			Origin: cmp.Or(s.Origin, s.Name), Label: cmp.Or(s.Label, s.Name), Description: s.Description,
			Version: versions[codename], Keep: count, AllowDowngrade: downgrade[codename], Zstd: s.Zstd,
			// Without NotAutomatic apt does not look at ButAutomaticUpgrades (apt_preferences(5)).
			NotAutomatic: manual[codename] || upgrades[codename], ButAutomaticUpgrades: upgrades[codename], SignedBy: s.SignedBy,
		})
	}
	return suites, nil
}
