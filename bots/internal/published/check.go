package published

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// Check refuses, as a *bot.Failure of class policy, a source package that no archive would take: each that
// has the package for the codename has a higher version of it, or the same version with other content.
// content is that of the .dsc, or empty before there is one; then, and where the record does not
// know it, the same version passes.
//
// Where only some archives would refuse it, it passes, since the others take it. Each codename has the
// repositories that a foundry gives it, and one for testing may be ahead of the one that is tested for.
func Check(ctx context.Context, values bus.Values, p message.Package, content message.Digest) error {
	version, err := debian.ParseVersion(p.Version)
	if err != nil {
		return fmt.Errorf("look what is published: %w", err)
	}
	all, _, err := read(ctx, values, p.Codename, p.Source)
	if err != nil {
		return err
	}
	var refusal error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		is := all[name]
		order := is.compare(version)
		switch {
		case order > 0:
			refusal = refuse(fmt.Sprintf("%s %s is lower than version %s, which %s has for %s", p.Source, p.Version, is.Version, name, p.Codename),
				"choose a version above "+is.Version+" in debian/changelog; a repository never goes back")
		case order == 0 && content != "" && is.Content != "" && is.Content != content:
			refusal = refuse(fmt.Sprintf("%s %s is not what %s has as this version for %s: their contents differ", p.Source, p.Version, name, p.Codename),
				"raise the version in debian/changelog, or start sourcebot with --autobump")
		default:
			return nil
		}
	}
	return refusal
}

func refuse(reason, hint string) error {
	return &bot.Failure{Class: message.ClassPolicy, Reason: reason, Hint: hint}
}
