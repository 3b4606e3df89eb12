package podman

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/mirror"
	"foundry/pkg/message"
)

// The archive that a foundry publishes is a source list of its own builds, and changes with each of them. Most of
// what comes in has no bearing on the environment of another package. What has is a package that the environment
// has installed, or that something in it, or the request, depends on by its name or by what it provides: then
// apt is asked again.

// Kinds of remembered values.
const (
	mentions = "mentions" // mention of each image, by its key
	nears    = "nears"    // nearAnswer of each request
)

// A mention has the names that the packages of an image mention.
type mention struct {
	ID    string   `json:"id"` // of the image
	Names []string `json:"names"`
}

// An ownArchive is an optional source list: what is published by those who build with it.
type ownArchive struct {
	list    environment.SourceList
	release string // SHA-256 of its Release file; empty while there is none
}

// readable tells whether its indexes can be looked at without asking anybody.
func (o ownArchive) readable() bool {
	return strings.HasPrefix(o.list.URI, "file:") && !strings.HasSuffix(o.list.Suite, "/")
}

// A nearAnswer is the image that was the answer to a request, and what it goes by.
type nearAnswer struct {
	ID      string        `json:"id"` // of the image
	Image   message.Image `json:"image"`
	Names   []string      `json:"names"`   // that have a bearing on it
	Bearing string        `json:"bearing"` // hash of what the own archives have of these names
}

// nearAnswer is the answer to a request that was the same but for own archives that have changed in nothing that
// has a bearing on it.
func (e *Engine) nearAnswer(p *plan) (message.Image, bool) {
	var known nearAnswer
	if p.near == "" || !e.index.Load(nears, p.near, &known) {
		return message.Image{}, false
	}
	now, ok := p.bearing(known.Names)
	if !ok || now != known.Bearing {
		return message.Image{}, false
	}
	return known.Image, e.promise(known.Image.ID)
}

// rememberNear keeps an answer for as long as nothing that has a bearing on it changes.
func (e *Engine) rememberNear(p *plan, image message.Image) error {
	var installed mention
	if p.near == "" || !e.index.Load(mentions, image.Key, &installed) {
		return nil
	}
	all := append(installed.Names, mentioned(p.Depends+"\n"+p.Conflicts)...)
	slices.Sort(all)
	all = slices.Compact(all)
	bearing, ok := p.bearing(all)
	if !ok {
		return nil // an archive has changed since it was looked at
	}
	return e.index.Save(nears, p.near, nearAnswer{image.ID, image, all, bearing})
}

var packageName = regexp.MustCompile(`(?:^|[,|\n])\s*([a-z0-9][a-z0-9+.-]+)`)

// mentioned lists the names of packages in relations, one or more lines, each once and sorted.
func mentioned(relations string) []string {
	set := map[string]bool{}
	for _, m := range packageName.FindAllStringSubmatch(relations, -1) {
		set[m[1]] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// bearing is a hash of what the own archives have of the given names, sorted. It is not known where an archive is
// not as it was when the plan was made, or cannot be read here.
func (p *plan) bearing(names []string) (string, bool) {
	h := sha256.New()
	for _, o := range p.own {
		if !o.readable() || o.release != "" && o.hash(h, p.Architecture, names) != nil {
			return "", false
		}
	}
	return hex.EncodeToString(h.Sum(nil)), true
}

// hash adds what the archive has of the names.
func (o ownArchive) hash(h hash.Hash, arch string, names []string) error {
	folder, err := mirror.FilePath(o.list.URI)
	if err != nil {
		return err
	}
	// A link that is switched to the next state of the archive is followed once.
	root, err := os.OpenRoot(filepath.Join(folder, "dists", filepath.FromSlash(o.list.Suite)))
	if err != nil {
		return err
	}
	defer root.Close()
	if err := o.unchanged(root); err != nil {
		return err
	}
	for _, component := range o.list.Components {
		f, err := root.Open(path.Join(component, "binary-"+arch, "Packages"))
		if err != nil {
			return err
		}
		err = hashStanzas(h, f, names)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// unchanged is an error unless the Release file is the one that the plan has seen.
func (o ownArchive) unchanged(root *os.Root) error {
	f, err := root.Open("InRelease")
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := mirror.HashRelease(f)
	if err == nil && sum != o.release {
		err = errors.New("it has changed")
	}
	return err
}

// hashStanzas adds the stanzas of an index (deb822(5)) that are of one of the names, or provide one.
func hashStanzas(h hash.Hash, r io.Reader, names []string) error {
	lines := bufio.NewReader(r)
	var stanza []byte
	bears := false
	for {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if strings.TrimSpace(line) == "" {
			if bears {
				h.Write(stanza)
			}
			stanza, bears = stanza[:0], false
			if err == io.EOF {
				return nil
			}
			continue
		}
		stanza = append(stanza, line...)
		for _, field := range []string{"Package:", "Provides:"} {
			if value, found := strings.CutPrefix(line, field); found && !bears {
				bears = slices.ContainsFunc(mentioned(value), func(name string) bool {
					_, found := slices.BinarySearch(names, name)
					return found
				})
			}
		}
	}
}
