package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// What is expected of foundry.
const (
	mostHop      = time.Millisecond
	mostOverhead = 1500 * time.Millisecond
	mostRatio    = 0.5
)

// samples are the durations of the runs of one case.
type samples []time.Duration

func (s *samples) add(d time.Duration) { *s = append(*s, d) }

// measure adds how long f takes.
func (s *samples) measure(f func() error) error {
	begun := time.Now()
	if err := f(); err != nil {
		return err
	}
	s.add(time.Since(begun))
	return nil
}

// median is the middle one, or the mean of the two in the middle.
func (s samples) median() time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// String is the median in seconds, with the range where there is one.
func (s samples) String() string {
	switch len(s) {
	case 0:
		return "-"
	case 1:
		return seconds(s[0])
	}
	return fmt.Sprintf("%s (%.1f to %.1f)", seconds(s.median()), slices.Min(s).Seconds(), slices.Max(s).Seconds())
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// stages are the durations of foundry's stages, by topic.
type stages map[string]samples

func (s *stages) add(run map[string]time.Duration) {
	if *s == nil {
		*s = stages{}
	}
	for topic, d := range run {
		(*s)[topic] = append((*s)[topic], d)
	}
}

// String lists the medians, the longest first.
func (s stages) String() string {
	topics := slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		return cmp.Or(cmp.Compare(s[b].median(), s[a].median()), cmp.Compare(a, b))
	})
	var parts []string
	for _, t := range topics {
		parts = append(parts, fmt.Sprintf("%s %.2f s", t, s[t].median().Seconds()))
	}
	return strings.Join(parts, ", ")
}

// results are all that was measured.
type results struct {
	hop                     hop
	foundryCold, sbuildCold samples
	foundryWarm, sbuildWarm samples
	plain                   samples
	stages                  stages
	corpus                  corpusResults
	publishing              publishing
}

// print writes the table of what was measured.
func (r *results) print(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "\nfoundry benchmark, %s; medians, with the range of the runs\n\n", now.UTC().Format(time.DateOnly))
	if r.hop.p50 > 0 {
		fmt.Fprintf(w, "  %-40s p50 %s, p99 %s\n", "hop of a signed message", milliseconds(r.hop.p50), milliseconds(r.hop.p99))
	}
	if len(r.foundryWarm) > 0 {
		r.printPackages(w)
	}
	if len(r.corpus.rows) > 0 {
		r.corpus.print(w)
	}
	if len(r.publishing.Distbot.One) > 0 {
		r.publishing.print(w)
	}
	fmt.Fprintf(w, "\n  %-62s %s\n", "expected", "at most")
	if r.hop.p50 > 0 {
		expect(w, "hop of a signed message, p50: "+milliseconds(r.hop.p50), milliseconds(mostHop), r.hop.p50 <= mostHop)
	}
	if len(r.foundryWarm) > 0 {
		r.expectPackages(w)
	}
	if len(r.corpus.rows) > 0 {
		r.corpus.expect(w)
	}
	if len(r.publishing.Distbot.One) > 0 {
		r.publishing.expect(w)
	}
}

// expectPackages writes what is expected of the small package.
func (r *results) expectPackages(w io.Writer) {
	overhead := r.foundryWarm.median() - r.plain.median()
	expect(w, fmt.Sprintf("warm, foundry beyond dpkg-buildpackage: %+.1f s", overhead.Seconds()),
		fmt.Sprintf("%+.1f s", mostOverhead.Seconds()), overhead <= mostOverhead)
	ratio := r.foundryWarm.median().Seconds() / r.sbuildWarm.median().Seconds()
	expect(w, fmt.Sprintf("warm, foundry over sbuild and reprepro: %.2f", ratio), fmt.Sprintf("%.2f", mostRatio), ratio <= mostRatio)
}

// printPackages writes the part about the package.
func (r *results) printPackages(w io.Writer) {
	row := func(name, cold, warm string) { fmt.Fprintf(w, "  %-40s %-22s %s\n", name, cold, warm) }
	fmt.Fprintln(w)
	row("small arch:all package", fmt.Sprintf("cold, runs: %d", len(r.foundryCold)), fmt.Sprintf("warm, runs: %d", len(r.foundryWarm)))
	row("foundry, announcement to installable", r.foundryCold.String(), r.foundryWarm.String())
	row("dpkg-buildpackage in the same image", "-", r.plain.String())
	row("sbuild and reprepro", r.sbuildCold.String(), r.sbuildWarm.String())
	if len(r.foundryCold) > 0 && len(r.sbuildCold) > 0 {
		row("foundry over sbuild and reprepro", over(r.foundryCold, r.sbuildCold), over(r.foundryWarm, r.sbuildWarm))
	}
	fmt.Fprintf(w, "  of foundry's warm time: %s\n", r.stages)
}

func over(a, b samples) string {
	return fmt.Sprintf("%.2f", a.median().Seconds()/b.median().Seconds())
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.3f ms", d.Seconds()*1e3) }

// expect writes one expectation and whether it is met.
func expect(w io.Writer, what, most string, met bool) {
	answer := "met"
	if !met {
		answer = "NOT MET"
	}
	fmt.Fprintf(w, "  %-62s %-16s %s\n", what, most, answer)
}
