package message

import "time"

// A Digest is the SHA-256 of an artifact's bytes, 64 lower-case hexadecimal digits.
type Digest string

// An Artifact refers to a file whose bytes are in the artifact store.
type Artifact struct {
	Name   string `json:"name"` // a plain file name
	Size   int64  `json:"size"` // bytes
	SHA256 Digest `json:"sha256"`
}

// Origin says which commit a message goes back to. It stands in every message from commit to dist.
type Origin struct {
	Repository string `json:"repository"` // URL or absolute path, as the watchbot was given it
	Branch     string `json:"branch"`     // short name of the branch, or "tags/NAME"
	Ref        string `json:"ref"`        // full commit hash
}

// Package says which source package, version and target a message is about.
type Package struct {
	Source   string `json:"source"`
	Version  string `json:"version"`  // with epoch and revision, as in the changelog
	Codename string `json:"codename"` // target distribution
}

// Commit announces a commit. It begins a transaction.
type Commit struct {
	Origin
	Count   int       `json:"count,omitempty"` // 0, or which deliberate rebuild of this commit it is
	Author  string    `json:"author,omitempty"`
	Bump    bool      `json:"bump,omitempty"`    // the rebuild gets a version of its own, "+build" and Count
	Subject string    `json:"subject,omitempty"` // first line of the commit message
	Time    time.Time `json:"time"`              // committer date
}

// Source announces a source package, made once for all architectures.
type Source struct {
	Origin
	Package
	Format            string     `json:"format"`             // Debian source format, "3.0 (quilt)"
	Architectures     []string   `json:"architectures"`      // the Architecture field of the .dsc, split
	IndepArchitecture string     `json:"indep_architecture"` // the architecture that also builds arch:all
	Relations         Relations  `json:"relations"`
	Files             []Artifact `json:"files"`            // the .dsc first, then what it lists
	Signer            string     `json:"signer,omitempty"` // fingerprint of the key that signed the commit; empty when unsigned commits are allowed
	Committer         string     `json:"committer,omitempty"`
	Time              time.Time  `json:"time"` // committer date
	Profiles          []string   `json:"profiles,omitempty"`
	Options           []string   `json:"options,omitempty"`  // DEB_BUILD_OPTIONS beside parallel=N
	Timeout           int        `json:"timeout,omitempty"`  // seconds a build may take; 0 is the buildbot's default
	Binaries          []string   `json:"binaries,omitempty"` // the Binary field of the .dsc, split
	Only              []string   `json:"only,omitempty"`     // architectures or wildcards that it is built for; empty for all
	Network           bool       `json:"network,omitempty"`  // the build may use the host's network
	Outputs           []string   `json:"outputs,omitempty"`  // which further files to keep: globs after "=", "%" or "!"
	Count             int        `json:"count,omitempty"`    // of an upload: 0, or which deliberate rebuild it is
	Upload            *Artifact  `json:"upload,omitempty"`   // of an upload: the .changes as its uploader signed it; nil where the .dsc alone was given
}

// Relations are the build relations of a source package as its .dsc has them (Debian policy 7.7).
type Relations struct {
	BuildDepends        string `json:"build_depends,omitempty"`
	BuildDependsArch    string `json:"build_depends_arch,omitempty"`
	BuildDependsIndep   string `json:"build_depends_indep,omitempty"`
	BuildConflicts      string `json:"build_conflicts,omitempty"`
	BuildConflictsArch  string `json:"build_conflicts_arch,omitempty"`
	BuildConflictsIndep string `json:"build_conflicts_indep,omitempty"`
}

// The outcomes of provisioning.
const (
	Ready   = "ready"   // Image is set
	Skipped = "skipped" // not for this architecture; Reason says why
	Waiting = "waiting" // for WaitsFor; Ready, Skipped or a failure follows
)

// Provision announces that an environment is ready to build a source package in, or that the
// package is not built on this architecture, or not yet.
type Provision struct {
	Origin
	Package
	Architecture string     `json:"architecture"`
	Outcome      string     `json:"outcome"`          // Ready, Skipped or Waiting
	Reason       string     `json:"reason,omitempty"` // why skipped
	Indep        bool       `json:"indep"`            // this build also makes the arch:all packages
	Arch         bool       `json:"arch"`             // this build makes architecture-dependent packages
	Image        *Image     `json:"image,omitempty"`
	Files        []Artifact `json:"files"` // the source package, as in Source
	Time         time.Time  `json:"time"`  // committer date
	Profiles     []string   `json:"profiles,omitempty"`
	Options      []string   `json:"options,omitempty"`
	Timeout      int        `json:"timeout,omitempty"`
	WaitsFor     []string   `json:"waits_for,omitempty"` // build dependencies that no source list can satisfy yet: "a (>= 2)"
	Binaries     []string   `json:"binaries,omitempty"`  // as in Source, of a waiting package
	Network      bool       `json:"network,omitempty"`   // as in Source
	Outputs      []string   `json:"outputs,omitempty"`   // as in Source
}

// Image names an immutable environment.
type Image struct {
	Key      string     `json:"key"`                // SHA-256 of what it holds: base, source lists, exact package versions
	ID       string     `json:"id"`                 // the container engine's id of it, "sha256:…"
	Base     string     `json:"base"`               // key of the base system
	Packages []string   `json:"packages"`           // "name=version" of each build dependency installed on top
	Manifest *Artifact  `json:"manifest,omitempty"` // OCI manifest; nil when the image was not shared
	Blobs    []Artifact `json:"blobs,omitempty"`    // what the manifest refers to
}

// Build announces what a build has made.
type Build struct {
	Origin
	Package
	Architecture string     `json:"architecture"`
	ImageKey     string     `json:"image_key"`
	Changes      string     `json:"changes"`      // name of the .changes among Files
	Files        []Artifact `json:"files"`        // .changes, .buildinfo and all that .changes lists
	SourceFiles  []Artifact `json:"source_files"` // as in Source
	Log          Artifact   `json:"log"`          // whole build log, zstd
	Seconds      float64    `json:"seconds"`      // duration of the build itself
	Outputs      []Output   `json:"outputs,omitempty"`
}

// Output is a further file of a build that the package's policy asks to keep, such as a test report.
type Output struct {
	Path      string   `json:"path"` // relative to the folder that the package was built in
	File      Artifact `json:"file"`
	MayChange bool     `json:"may_change,omitempty"` // may differ when the same source is built again
}

// Sign announces a signed build.
type Sign struct {
	Origin
	Package
	Architecture string     `json:"architecture"`
	Changes      string     `json:"changes"`
	Files        []Artifact `json:"files"`        // after signing: .changes, .buildinfo, packages
	SourceFiles  []Artifact `json:"source_files"` // after signing: .dsc and what it lists
	Built        []Artifact `json:"built"`        // the files that signing altered, as they were before
	Key          string     `json:"key"`          // fingerprint of the package key
	Log          Artifact   `json:"log"`
}

// Dist announces that packages can be installed.
type Dist struct {
	Origin
	Package
	Architecture string      `json:"architecture"` // of the build that was included
	Archive      string      `json:"archive"`      // name of the apt repository
	Packages     []Published `json:"packages"`
	Release      Digest      `json:"release"` // SHA-256 of the Release file that first listed them
	Key          string      `json:"key"`     // fingerprint of the repository key
}

// Published is one file of a package as the repository serves it.
type Published struct {
	Package      string `json:"package"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"` // "source" for a .dsc
	Filename     string `json:"filename"`     // relative to the repository's root
	Size         int64  `json:"size"`
	SHA256       Digest `json:"sha256"`
}

// Test announces the result of a test of a build.
type Test struct {
	Origin
	Package
	Architecture string   `json:"architecture"`
	Test         string   `json:"test"` // "lintian", "autopkgtest", …
	Passed       bool     `json:"passed"`
	Log          Artifact `json:"log"`
}

// The classes of failure.
const (
	ClassPackage        = "package"        // the package is at fault; trying again changes nothing
	ClassPolicy         = "policy"         // refused by a rule, such as an unsigned commit
	ClassInfrastructure = "infrastructure" // trouble that five tries did not get over
)

// Failure ends a transaction, or the part of it for one architecture or codename.
type Failure struct {
	Origin
	Package
	Architecture string    `json:"architecture,omitempty"`
	Stage        string    `json:"stage"` // name of the bot that failed
	Class        string    `json:"class"`
	Reason       string    `json:"reason"`            // one line
	Hint         string    `json:"hint,omitempty"`    // one line: what to do
	Log          *Artifact `json:"log,omitempty"`     // whole log, zstd
	Tail         []string  `json:"tail,omitempty"`    // last lines of the log, 40 at most
	Outputs      []Output  `json:"outputs,omitempty"` // what there was of them when a build failed
}

// Reject reports a message that was not believed. It never quotes the content.
type Reject struct {
	Subject  string `json:"subject"` // of the rejected message, cut at 256 bytes
	Reason   string `json:"reason"`
	SHA256   Digest `json:"sha256"` // of the rejected payload
	Size     int64  `json:"size"`   // of the rejected payload, bytes
	Sequence uint64 `json:"sequence"`
}

// The actions of a Control message.
const (
	ActionStop = "stop" // finish the job, take no other
)

// Control tells one bot what to do. It is not kept.
type Control struct {
	Action   string `json:"action"`
	Instance string `json:"instance"`
}

func (*Commit) Type() Type    { return TypeCommit }
func (*Source) Type() Type    { return TypeSource }
func (*Provision) Type() Type { return TypeProvision }
func (*Build) Type() Type     { return TypeBuild }
func (*Sign) Type() Type      { return TypeSign }
func (*Dist) Type() Type      { return TypeDist }
func (*Test) Type() Type      { return TypeTest }
func (*Failure) Type() Type   { return TypeFailure }
func (*Reject) Type() Type    { return TypeReject }
func (*Control) Type() Type   { return TypeControl }

func (c *Commit) SubjectKey() string    { return RepositoryName(c.Repository) }
func (s *Source) SubjectKey() string    { return s.Source }
func (p *Provision) SubjectKey() string { return p.Architecture }
func (b *Build) SubjectKey() string     { return b.Architecture }
func (s *Sign) SubjectKey() string      { return s.Architecture }
func (d *Dist) SubjectKey() string      { return d.Codename }
func (t *Test) SubjectKey() string      { return t.Architecture }
func (r *Reject) SubjectKey() string    { return "" }
func (c *Control) SubjectKey() string   { return c.Instance }

// SubjectKey is the source package, or the repository's name where there is none yet.
func (f *Failure) SubjectKey() string {
	if f.Source != "" {
		return f.Source
	}
	return RepositoryName(f.Repository)
}
