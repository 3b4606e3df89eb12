package trace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// said is a message that is believed.
type said struct {
	raw  bus.Raw
	m    *message.Message
	body message.Body
}

// keptFor is what to say about messages that are missing.
var keptFor = fmt.Sprintf("messages are kept for %d days", int(message.MaxAge.Hours()/24))

// candidate is one published file and the message that says so.
type candidate struct {
	message.Published
	dist said
}

// findPublished returns the message that published target: of several the first, since a repository
// that has a package already keeps it as it was first signed.
func (s *Reader) findPublished(ctx context.Context, target Target) (said, message.Published, error) {
	fail := func(err error) (said, message.Published, error) { return said{}, message.Published{}, err }
	all, rejected, err := s.allPublished(ctx)
	if err != nil {
		return fail(err)
	}
	var found candidate
	if target.Path != "" {
		found, err = findFile(all, target.Path)
	} else {
		found, err = findPackage(all, target)
	}
	if err != nil && rejected > 0 {
		err = bot.Hint(err, fmt.Sprintf("%d messages on dists are not believed, see foundry tail dists --no-follow", rejected))
	}
	if err != nil {
		return fail(err)
	}
	return found.dist, found.Published, nil
}

// allPublished lists all published files, the first ones first, and counts the messages that are not
// believed.
func (s *Reader) allPublished(ctx context.Context) (all []candidate, rejected int, err error) {
	err = s.Bus.Tail(ctx, bus.Filter{Topics: []message.Topic{message.Dists}}, func(raw bus.Raw) error {
		m, body, err := s.Sealer.Open(raw)
		if err != nil {
			rejected++
			return nil
		}
		dist, ok := body.(*message.Dist)
		if !ok {
			return nil
		}
		for _, p := range dist.Packages {
			all = append(all, candidate{p, said{raw, m, body}})
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read dists: %w", err)
	}
	return all, rejected, nil
}

// findFile finds the file with the same bytes, or tells what is known under its name.
func findFile(all []candidate, name string) (candidate, error) {
	digest, size, err := hashFile(name)
	if err != nil {
		return candidate{}, err
	}
	if i := slices.IndexFunc(all, func(c candidate) bool { return c.SHA256 == digest }); i >= 0 {
		if all[i].Size != size {
			return candidate{}, fmt.Errorf("%s was published with %d bytes and has %d", name, all[i].Size, size)
		}
		return all[i], nil
	}
	base := filepath.Base(name)
	if i := slices.IndexFunc(all, func(c candidate) bool { return path.Base(c.Filename) == base }); i >= 0 {
		return candidate{}, bot.Hint(fmt.Errorf("%s is not what was published under its name: it has SHA-256 %s, published was %s",
			name, digest, all[i].SHA256), "the file was altered, or comes from elsewhere; do not install it")
	}
	return candidate{}, bot.Hint(fmt.Errorf("no message says that %s was published (SHA-256 %s)", name, digest),
		"it was altered, comes from elsewhere, or is too old: "+keptFor)
}

// findPackage finds the published file of a package and version.
func findPackage(all []candidate, target Target) (candidate, error) {
	var some []candidate
	var architectures []string
	for _, c := range all {
		if c.Package != target.Package || c.Version != target.Version ||
			target.Arch == "" && c.Architecture == "source" || target.Arch != "" && c.Architecture != target.Arch {
			continue
		}
		some = append(some, c)
		if !slices.Contains(architectures, c.Architecture) {
			architectures = append(architectures, c.Architecture)
		}
	}
	switch {
	case len(some) == 0:
		return candidate{}, notPublished(all, target)
	case len(architectures) > 1:
		slices.Sort(architectures)
		return candidate{}, bot.Usage(fmt.Sprintf("%s was published for several architectures", target),
			fmt.Sprintf("say which: %s/%s", target, strings.Join(architectures, fmt.Sprintf(", %s/", target))))
	}
	for _, c := range some {
		if c.SHA256 != some[0].SHA256 {
			return candidate{}, bot.Hint(fmt.Errorf("%s was published with different contents", target), "give the file")
		}
	}
	return some[0], nil
}

// notPublished says that a package is unknown, and what is known instead.
func notPublished(all []candidate, target Target) error {
	var versions, names []string
	for _, c := range all {
		if c.Package == target.Package {
			other := Target{Package: c.Package, Version: c.Version, Arch: c.Architecture}.String()
			if !slices.Contains(versions, other) {
				versions = append(versions, other)
			}
		}
		names = append(names, c.Package)
	}
	err := fmt.Errorf("no message says that %s was published", target)
	switch {
	case len(versions) > 0:
		return bot.Hint(err, "known are "+strings.Join(versions[:min(len(versions), 5)], ", "))
	case len(names) > 0:
		slices.Sort(names)
		return bot.Hint(err, bot.Nearest(target.Package, slices.Compact(names)))
	}
	return bot.Hint(err, "nothing was published, or too long ago: "+keptFor)
}

// hashFile returns the SHA-256 and size of a file.
func hashFile(name string) (message.Digest, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, fmt.Errorf("read file: %w", err)
	}
	defer f.Close()
	digest, size, err := hashOf(f)
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", name, err)
	}
	return digest, size, nil
}

func hashOf(r io.Reader) (message.Digest, int64, error) {
	h := sha256.New()
	size, err := io.Copy(h, r)
	return message.Digest(hex.EncodeToString(h.Sum(nil))), size, err
}

// differs says that two digests differ, or nothing.
func differs(want, got message.Digest) error {
	if want == got {
		return nil
	}
	return fmt.Errorf("SHA-256 is %s and should be %s", got, want)
}
