package describe

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"foundry/pkg/publish"
)

// sources returns a source list that apt can use as it is (sources.list(5), deb822 style). It names no
// architectures: apt would fetch all of those named, whatever the machine's are.
func (d *Describer) sources(s publish.Suite, signedBy string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By:%s\n",
		d.opts.URI, s.Codename, strings.Join(components(s), " "), signedBy)
	return b.Bytes()
}

// listPath is where machines have the source list. apt passes over names with other characters (sources.list(5)).
func listPath(archive string) string {
	return "/etc/apt/sources.list.d/" + strings.NewReplacer("+", "-", "~", "-").Replace(archive) + ".sources"
}

// components are all that packages of the suite can have.
func components(s publish.Suite) []string {
	all := []string{s.Component}
	add := func(name string) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, c := range s.Components {
		add(c)
	}
	for _, r := range s.Rules {
		add(r.Component)
	}
	add(s.DebugComponent)
	return all
}

// inline is the value of Signed-By with an armored key in it.
func inline(armored []byte) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(string(armored))) {
		line = strings.TrimSpace(line)
		if line == "" {
			line = "." // an empty line would end the stanza
		}
		b.WriteString("\n " + line)
	}
	return b.String()
}
