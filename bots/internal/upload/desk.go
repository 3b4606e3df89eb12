package upload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// A Desk takes uploads: the rules by which, and what it hands them on to. It may be used concurrently.
type Desk struct {
	Uploaders     string // path of the keyring of those who may upload
	AllowUnsigned bool   // also take what none of them has signed
	Downgrade     bool   // also take versions lower than what is published
	Links         bool   // follow links beside the file given: the folder is the caller's own

	Codename  string   // for which all is built; empty for what each upload says
	Codenames []string // that are built; empty where that is not known
	Pools     []string // folders of apt repositories, which may have the orig tarball of a new revision
	Build     Build

	Self    message.Bot
	Store   artifact.Store
	Bus     bus.Bus
	Values  bus.Values
	Sealer  *bus.Sealer
	Publish func(ctx context.Context, m *message.Message) (fresh bool, err error)
}

// Build says how uploads are built.
type Build struct {
	IndepArchitecture string // that also builds arch:all
	Profiles, Options []string
	Timeout           time.Duration // 0 is the buildbot's default
}

func refuse(hint, format string, args ...any) error {
	return &bot.Failure{Class: message.ClassPolicy, Reason: fmt.Sprintf(format, args...), Hint: hint}
}

func broken(hint, format string, args ...any) error {
	return &bot.Failure{Class: message.ClassPackage, Reason: fmt.Sprintf(format, args...), Hint: hint}
}

// target decides what the parcel is built for. A .dsc names no distribution, a .changes exactly one.
func (d *Desk) target(p *Parcel) (string, error) {
	switch {
	case d.Codename != "":
		return d.Codename, nil
	case p.Changes == nil && len(d.Codenames) == 1:
		return d.Codenames[0], nil
	case p.Changes == nil:
		return "", refuse("say which: --codename "+strings.Join(d.Codenames, " or "), "%s does not say for which codename it is", p.Name)
	case len(d.Codenames) > 0 && !slices.Contains(d.Codenames, p.Changes.Distribution):
		return "", refuse(fmt.Sprintf("name one in debian/changelog: dch --release --distribution %[1]s; or have it built for one: foundry upload --codename %[1]s", d.Codenames[0]),
			"%s is for %s; built are %s", p.Name, p.Changes.Distribution, strings.Join(d.Codenames, ", "))
	}
	return p.Changes.Distribution, nil
}

// Pools lists the folders of apt repositories that a foundry publishes below its state folder.
func Pools(state string) (all []string) {
	root := filepath.Join(state, "repo")
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil // none is published here
	}
	for _, e := range entries {
		all = append(all, filepath.Join(root, e.Name()))
	}
	return all
}
