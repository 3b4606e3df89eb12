package publish

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/debian"
	"foundry/pkg/trust"
)

// Suite describes one codename of a repository (Release fields of the Debian repository format).
type Suite struct {
	Codename      string
	Suite         string   // alias such as "stable"; empty for none
	Component     string   // default "main"
	Architectures []string // without "source" and "all"
	Origin        string
	Label         string
	Description   string

	// Components beside Component, the one for packages whose Section names none. Where there are
	// none beside it, all packages go there.
	Components []string
	// Rules give packages of some source packages a component, the first that matches; before Section does.
	Rules []Rule
	// DebugComponent is the component of packages with debugging symbols; empty: that of the others.
	DebugComponent string
	// Version is that of the release, such as "12.1".
	Version string
	// NotAutomatic keeps apt from installing packages of the suite unless asked (priority 1), and with
	// ButAutomaticUpgrades from all but upgrades of those (priority 100).
	NotAutomatic         bool
	ButAutomaticUpgrades bool
	// SignedBy names the fingerprints that clients shall believe from now on; empty for no such field.
	SignedBy []string
	// Keep is how many versions of each package stay; zero is 1.
	Keep int
	// AllowDowngrade lets lower versions in than are there.
	AllowDowngrade bool
	// Zstd adds indexes compressed with zstd to those with gzip and xz.
	Zstd bool
}

// Rule gives all packages of the source packages that it matches a component.
type Rule struct {
	Source    string // name of source packages, with * and ? as in path.Match
	Component string
}

// Defaults of Options.
const (
	DefaultValidFor    = 10 * 24 * time.Hour
	DefaultRetain      = 14 * 24 * time.Hour
	DefaultKeepIndexes = 24 * time.Hour
	DefaultSnapshots   = 1000
	DefaultComponent   = "main"
)

// MinValidFor is the shortest time that metadata may be valid for.
const MinValidFor = time.Hour

// Options describe a repository on disk.
type Options struct {
	Dir         string        // state: database, pool, lock
	Output      string        // what is served
	Archive     string        // name of the repository, "main": letters, digits, "-", "_", "."
	Suites      []Suite       // at least one
	Signer      trust.Signer  // of the metadata
	ValidFor    time.Duration // from signing to Valid-Until; zero is DefaultValidFor
	Retain      time.Duration // how long dropped packages can still be fetched; zero is DefaultRetain
	Snapshots   int           // how many are kept of each codename; zero is DefaultSnapshots
	KeepIndexes time.Duration // how long index files can be fetched by hash after they were last listed; zero is DefaultKeepIndexes
	URI         string        // where Output is served; empty if not known
	Log         zerolog.Logger
}

// ValidName tells whether s can be the name of a repository, a codename, a suite or a component, all of
// which become names of files and folders.
func ValidName(s string) bool { return debian.Codename(s).Valid() }

// ValidArchitecture tells whether s can be an architecture of a suite: one of machines, no wildcard.
func ValidArchitecture(s string) bool {
	return debian.Architecture(s).Valid() && !slices.Contains([]string{"all", "any", "source"}, s)
}

// Complete returns the options with defaults filled in and architectures in order, or what is wrong
// with them.
func (o Options) Complete() (Options, error) {
	o.ValidFor = cmp.Or(o.ValidFor, DefaultValidFor)
	o.Retain = cmp.Or(o.Retain, DefaultRetain)
	o.Snapshots = cmp.Or(o.Snapshots, DefaultSnapshots)
	o.KeepIndexes = cmp.Or(o.KeepIndexes, DefaultKeepIndexes)
	switch {
	case o.Dir == "" || o.Output == "":
		return o, errors.New("no folder given")
	case filepath.Clean(o.Dir) == filepath.Clean(o.Output):
		return o, errors.New("state and output folder must not be the same")
	case !ValidName(o.Archive):
		return o, fmt.Errorf("bad name %q", o.Archive)
	case o.Signer == nil:
		return o, errors.New("no signing key given")
	case o.ValidFor < MinValidFor:
		return o, fmt.Errorf("valid for %s, less than an hour", o.ValidFor)
	case len(o.Suites) == 0:
		return o, errors.New("no codename given")
	case o.Retain < 0, o.Snapshots < 0, o.KeepIndexes < 0:
		return o, errors.New("negative time or number of snapshots to keep")
	}
	o.Suites = slices.Clone(o.Suites)
	names := map[string]bool{}
	for i := range o.Suites {
		if err := o.Suites[i].complete(names); err != nil {
			return o, fmt.Errorf("codename %q: %w", o.Suites[i].Codename, err)
		}
	}
	return o, nil
}

// complete checks one suite; names are those of the suites before it.
func (s *Suite) complete(names map[string]bool) error {
	s.Component = cmp.Or(s.Component, DefaultComponent)
	switch {
	case !ValidName(s.Codename), s.Suite != "" && !ValidName(s.Suite):
		return errors.New(`a name begins with a letter or digit; then "+", "~", "-", "_" and "." may follow`)
	case strings.ContainsAny(s.Origin+s.Label+s.Description+s.Version+strings.Join(s.SignedBy, ""), "\n\r"):
		return errors.New("line break in origin, label, version, description or fingerprints")
	case len(s.Architectures) == 0:
		return errors.New("no architecture given")
	}
	if err := s.checkComponents(); err != nil {
		return err
	}
	for _, a := range s.Architectures {
		if !ValidArchitecture(a) {
			return fmt.Errorf("bad architecture %q", a)
		}
	}
	for _, name := range []string{s.Codename, s.Suite} {
		if name != "" && names[name] {
			return fmt.Errorf("%q is given twice", name)
		}
		names[name] = true
		if s.Suite == s.Codename {
			break
		}
	}
	s.Architectures = slices.Compact(slices.Sorted(slices.Values(s.Architectures)))
	return nil
}

// checkComponents checks the names of components, which become names of folders, and the rules for them.
func (s *Suite) checkComponents() error {
	names := append([]string{s.Component}, s.Components...)
	for _, rule := range s.Rules {
		if _, err := path.Match(rule.Source, ""); rule.Source == "" || err != nil {
			return fmt.Errorf("bad rule for source packages %q", rule.Source)
		}
		names = append(names, rule.Component)
	}
	if s.DebugComponent != "" {
		names = append(names, s.DebugComponent)
	}
	for _, name := range names {
		if !ValidName(name) {
			return fmt.Errorf("bad component %q", name)
		}
	}
	if s.Keep < 0 {
		return fmt.Errorf("%d versions of each package are to be kept", s.Keep)
	}
	return nil
}
