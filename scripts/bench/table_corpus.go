package main

import (
	"fmt"
	"io"
	"time"
)

// What is expected of foundry for each package of the corpus.
const (
	mostBeyondPlain = time.Second // warm
	mostOverSbuild  = 1.0         // cold
	mostOverlap     = 1.0         // two buildbots over one
)

// print writes the part about the corpus.
func (r *corpusResults) print(w io.Writer) {
	row := func(name, cold, sbuild, warm, plain string) {
		fmt.Fprintf(w, "  %-20s %-22s %-22s %-22s %s\n", name, cold, sbuild, warm, plain)
	}
	fmt.Fprintf(w, "\n  from sources to builds, of source packages of the distribution; sbuild has its base system in a tarball\n")
	row("", "foundry, cold", "sbuild", "foundry, warm", "dpkg-buildpackage")
	for _, p := range r.rows {
		row(p.name, p.cold.String(), p.sbuild.String(), p.warm.String(), p.plain.String())
	}
	fmt.Fprintf(w, "  two packages at once, warm: %s with one buildbot, %s with two\n", r.one, r.two)
}

// expect writes whether the expectations are met.
func (r *corpusResults) expect(w io.Writer) {
	for _, p := range r.rows {
		ratio := p.cold.median().Seconds() / p.sbuild.median().Seconds()
		expect(w, fmt.Sprintf("%s, cold, foundry over sbuild: %.2f", p.name, ratio), fmt.Sprintf("%.2f", mostOverSbuild), ratio <= mostOverSbuild)
		beyond := p.warm.median() - p.plain.median()
		expect(w, fmt.Sprintf("%s, warm, beyond dpkg-buildpackage: %+.1f s", p.name, beyond.Seconds()),
			fmt.Sprintf("%+.1f s", mostBeyondPlain.Seconds()), beyond <= mostBeyondPlain)
	}
	ratio := r.two.median().Seconds() / r.one.median().Seconds()
	expect(w, fmt.Sprintf("two packages at once, two buildbots over one: %.2f", ratio), fmt.Sprintf("%.2f", mostOverlap), ratio < mostOverlap)
}
