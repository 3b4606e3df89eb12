// Package repository is what distbot and the commands for people know of an apt repository: the flags
// that describe it, and how it is opened with its keys, adapter and targets.
//
// The settings that distbot was last started with stay in the state folder, so that a command opens the
// repository as distbot would when none is running. They hold no secrets: of a key its file or fingerprint.
package repository

import (
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"foundry/pkg/publish"
)

// Settings describe one repository. Where one is for some codenames only it is written "CODENAME=VALUE", or
// just "CODENAME" for what is on or off, which may also be "true" and "false" for all; "*" and "?" stand for any
// characters of a codename.
type Settings struct {
	Name        string   `json:"name"`
	Output      string   `json:"output"`
	Codenames   []string `json:"codename"` // "bookworm" or "bookworm=stable"
	Arches      []string `json:"arch"`
	Keys        []string `json:"gpg_key"`
	NextKeys    []string `json:"next_key"` // files of public keys
	PackageKeys string   `json:"trust_packages"`
	Description string   `json:"description"`
	Origin      string   `json:"origin"`
	Label       string   `json:"label"`
	URI         string   `json:"uri"`
	Targets     []string `json:"target"`

	NoKeyringPackage bool `json:"no_keyring_package"`
	KeyringSources   bool `json:"keyring_sources"`

	Components      []string `json:"component"`
	ComponentRules  []string `json:"component_rule"`
	DebugComponent  string   `json:"dbgsym_component"`
	ReleaseVersions []string `json:"release_version"`
	NotAutomatic    []string `json:"not_automatic"`
	ButAutomatic    []string `json:"but_automatic_upgrades"`
	SignedBy        []string `json:"signed_by"`

	Keep           []string      `json:"keep"`
	AllowDowngrade []string      `json:"allow_downgrade"`
	Zstd           bool          `json:"zstd"`
	ValidFor       time.Duration `json:"valid_for"`
	Retain         time.Duration `json:"retain"`
	KeepIndexes    time.Duration `json:"keep_indexes"`
	Snapshots      int           `json:"snapshots"`
}

// Declare adds the flags of s to fs.
func (s *Settings) Declare(fs *pflag.FlagSet) {
	fs.StringVar(&s.Name, "name", "main", "`name` of the repository")
	fs.StringVar(&s.Output, "output", "", "`folder` of the repository (default: repo/NAME in the state folder)")
	fs.StringArrayVar(&s.Codenames, "codename", nil, "codename to serve, or CODENAME=SUITE to give it a second name such as stable (repeatable)")
	fs.StringArrayVar(&s.Arches, "arch", nil, "architecture of the repository (repeatable)")
	fs.StringArrayVar(&s.Keys, "gpg-key", nil, "repository `key`: a file, or a fingerprint or user id that gpg knows; with several the metadata has a signature of each (repeatable; default: keys/repository.asc in the state folder)")
	fs.StringVar(&s.Description, "description", "", "description of the repository")
	fs.StringVar(&s.Origin, "origin", "", "origin of the repository, for apt's pinning (default: its name)")
	fs.StringVar(&s.Label, "label", "", "label of the repository, for apt's pinning (default: its name)")
	fs.StringVar(&s.URI, "uri", "", "`URI` under which clients reach the repository, for the .sources files in it")
	fs.StringArrayVar(&s.Targets, "target", nil, "`place` that the repository is copied to with each publish: s3://BUCKET/PREFIX?endpoint=URL, ssh://HOST/PATH, rsync://HOST/MODULE or file:///PATH (repeatable)")
	fs.StringArrayVar(&s.NextKeys, "next-key", nil, "`file` of public keys that shall sign later: clients learn of them now, from the keyring package (repeatable)")
	fs.StringVar(&s.PackageKeys, "trust-packages", "", "keyring `file` of the keys that may sign packages (default: trust/packages.asc in the state folder)")
	fs.BoolVar(&s.NoKeyringPackage, "no-keyring-package", false, "do not build and publish the package NAME-archive-keyring")
	fs.BoolVar(&s.KeyringSources, "keyring-sources", false, "let the keyring package bring /etc/apt/sources.list.d/NAME.sources (needs --uri; default: as an example in its documentation)")
	s.declareSuites(fs)
	fs.BoolVar(&s.Zstd, "zstd", false, "compress indexes with zstd too, beside gzip and xz")
	fs.DurationVar(&s.ValidFor, "valid-for", publish.DefaultValidFor, "how long clients believe metadata that is not signed anew")
	fs.DurationVar(&s.Retain, "retain", publish.DefaultRetain, "how long packages can still be fetched after the last publish that has them was given up (--snapshots)")
	fs.DurationVar(&s.KeepIndexes, "keep-indexes", publish.DefaultKeepIndexes, "how long indexes that were replaced can still be fetched by hash")
	fs.IntVar(&s.Snapshots, "snapshots", publish.DefaultSnapshots, "how many publishes of each codename are remembered and can be rolled back to")
}

// declareSuites adds the flags whose values may differ by codename.
func (s *Settings) declareSuites(fs *pflag.FlagSet) {
	fs.StringArrayVar(&s.Components, "component", nil, "component of the repository; the first is for packages whose Section names none of the others (repeatable; default "+publish.DefaultComponent+")")
	fs.StringArrayVar(&s.ComponentRules, "component-rule", nil, "`GLOB=COMPONENT`: component of all packages of the source packages that match, whatever their Section (repeatable, the first that matches counts)")
	fs.StringVar(&s.DebugComponent, "dbgsym-component", "", "`component` of packages with debugging symbols (default: that of the packages they belong to)")
	fs.StringArrayVar(&s.ReleaseVersions, "release-version", nil, "`[CODENAME=]VERSION` of the release, such as bookworm=12.1 (repeatable)")
	fs.StringArrayVar(&s.NotAutomatic, "not-automatic", nil, "apt installs packages from these codenames only when asked; --not-automatic='*-experimental' for some (repeatable)")
	fs.StringArrayVar(&s.ButAutomatic, "but-automatic-upgrades", nil, "apt upgrades packages from these codenames that were installed from there, and installs others only when asked; --but-automatic-upgrades='*-backports' for some (repeatable)")
	fs.StringArrayVar(&s.SignedBy, "signed-by", nil, "`fingerprint` of a key that clients shall believe from now on, or \"keys\" for those that sign (repeatable; default: clients keep to the keys they know)")
	fs.StringArrayVar(&s.Keep, "keep", nil, "`[CODENAME=]N`: how many versions of each package stay (repeatable; default 1)")
	fs.StringArrayVar(&s.AllowDowngrade, "allow-downgrade", nil, "take versions lower than what is there; --allow-downgrade=CODENAME for some (repeatable)")
	for _, name := range []string{"not-automatic", "but-automatic-upgrades", "allow-downgrade"} {
		fs.Lookup(name).NoOptDefVal = all // people know them as switches
	}
}

// all is the pattern of all codenames.
const all = "*"

// Dir is the folder below the state folder where the repository named name has its database and pool.
func Dir(state, name string) string { return filepath.Join(state, "aptly", name) }
