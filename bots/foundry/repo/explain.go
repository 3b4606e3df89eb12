package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// explain adds to the error of a change what there is instead.
func (a *archive) explain(ctx context.Context, change publish.Change, err error) error {
	switch {
	case errors.Is(err, publish.ErrUnknownSnapshot):
		kept, problem := a.Snapshots(ctx, change.Codename)
		if problem != nil {
			return err
		}
		return noSnapshot(change.Codename, change.Serial, kept)
	case errors.Is(err, publish.ErrUnknownPackage) && bot.HintOf(err) == "":
		codename := change.Codename
		if change.From != "" {
			codename = change.From
		}
		list, problem := a.Packages(ctx, codename, 0)
		if problem != nil {
			return err
		}
		return bot.Hint(err, hintPackage(codename, change.Select, list))
	}
	return err
}

// hintPackage is the hint for a selection of which something is not there.
func hintPackage(codename string, some []publish.Select, list []publish.Listed) string {
	for _, s := range some {
		known, versions := map[string]bool{}, map[string]bool{}
		binaryOf := ""
		for _, p := range list {
			name, version := p.Source, p.SourceVersion
			if s.Binary {
				name, version = p.Package, p.Version
			}
			known[name] = true
			if name == s.Name {
				versions[version] = true
			}
			if !s.Binary && p.Package == s.Name && p.Source != s.Name {
				binaryOf = p.Source
			}
		}
		switch {
		case known[s.Name] && s.Version != "" && !versions[s.Version]:
			return fmt.Sprintf("%s has %s %s", codename, s.Name, strings.Join(slices.Sorted(maps.Keys(versions)), ", "))
		case !known[s.Name] && binaryOf != "":
			return fmt.Sprintf("%s is a binary package of %s: name that, or give --binary", s.Name, binaryOf)
		case !known[s.Name]:
			return nearest(s.Name, known)
		}
	}
	return "see foundry repo list " + codename
}

// nearest is the hint for a name that is not among those known.
func nearest(name string, known map[string]bool) string {
	if len(known) == 0 {
		return "no packages are published yet"
	}
	return bot.Nearest(name, slices.Sorted(maps.Keys(known)))
}
