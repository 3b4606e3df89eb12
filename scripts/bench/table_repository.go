package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"foundry/scripts/bench/repository"
)

// What is expected of distbot.
const (
	mostOne      = 150 * time.Millisecond // one package more into repository.Small, from message to InRelease
	mostOneLarge = 500 * time.Millisecond // into repository.Large
	mostBulk     = 30 * time.Second       // of repository.Small packages
	mostGrowth   = 1.3                    // time for each package, last quarter of the bulk over the first
)

// publishing is what was measured of repositories, with the sides in the order of the table.
type publishing struct{ repository.Results }

// named is a side of it.
type named struct {
	name string
	repository.Side
}

func (p publishing) peers() []named { return []named{{"reprepro", p.Reprepro}, {"aptly", p.Aptly}} }

// print writes the part about publishing.
func (p publishing) print(w io.Writer) {
	row := func(name, one, large, bulk string) {
		fmt.Fprintf(w, "  %-22s %-26s %-26s %s\n", name, one, large, bulk)
	}
	fmt.Fprintf(w, "\n  publishing, with Contents and signatures; of distbot from its message to an InRelease that verifies\n")
	row("", fmt.Sprintf("one more into %d", repository.Small), fmt.Sprintf("one more into %d", repository.Large), fmt.Sprintf("%d at once", repository.Small))
	for _, s := range append([]named{{"distbot", p.Distbot}}, p.peers()...) {
		row(s.name, fine(s.One), fine(s.OneLarge), seconds(s.Bulk))
	}
	for _, s := range p.peers() {
		row("distbot over "+s.name, quotient(p.Distbot.One, s.One), quotient(p.Distbot.OneLarge, s.OneLarge), fmt.Sprintf("%.2f", p.Distbot.Bulk.Seconds()/s.Bulk.Seconds()))
	}
	fmt.Fprintf(w, "  distbot, each package of the bulk, in its quarters:")
	for _, q := range p.Distbot.Quarters {
		fmt.Fprintf(w, " %s", milliseconds(q))
	}
	fmt.Fprintln(w)
	for _, s := range p.peers() {
		if !s.Kept.IsZero() {
			fmt.Fprintf(w, "  the %d at once of %s were measured on %s and not in this run\n", repository.Small, s.name, s.Kept.Format(time.DateOnly))
		}
		if s.Left != "" {
			fmt.Fprintf(w, "  left out: one more into %d: %s\n", repository.Large, s.Left)
		}
	}
}

// expect writes whether the expectations are met.
func (p publishing) expect(w io.Writer) {
	d := p.Distbot
	one, large := samples(d.One).median(), samples(d.OneLarge).median()
	expect(w, fmt.Sprintf("distbot, one more into %d: %.3f s", repository.Small, one.Seconds()), fmt.Sprintf("%.3f s", mostOne.Seconds()), one <= mostOne)
	expect(w, fmt.Sprintf("distbot, one more into %d: %.3f s", repository.Large, large.Seconds()), fmt.Sprintf("%.3f s", mostOneLarge.Seconds()), large <= mostOneLarge)
	expect(w, fmt.Sprintf("distbot, %d at once: %s", repository.Small, seconds(d.Bulk)), seconds(mostBulk), d.Bulk <= mostBulk)
	if len(d.Quarters) > 0 {
		growth := d.Quarters[len(d.Quarters)-1].Seconds() / d.Quarters[0].Seconds()
		expect(w, fmt.Sprintf("distbot, last quarter of these over the first: %.2f", growth), fmt.Sprintf("%.2f", mostGrowth), growth <= mostGrowth)
	}
	for _, s := range p.peers() {
		expect(w, fmt.Sprintf("distbot over %s, one more: %s", s.name, quotient(d.One, s.One)), "1.00", one < samples(s.One).median())
	}
}

// fine is the median in milliseconds, with the range.
func fine(s samples) string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f s (%.3f to %.3f)", s.median().Seconds(), slices.Min(s).Seconds(), slices.Max(s).Seconds())
}

func quotient(a, b samples) string {
	if len(a) == 0 || len(b) == 0 {
		return "-"
	}
	return over(a, b)
}
