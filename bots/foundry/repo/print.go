package repo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// entry is a package of a codename, as JSON shows it.
type entry struct {
	Codename string `json:"codename"`
	publish.Listed
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// orEmpty makes JSON show a list that is empty as one.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// table writes rows in columns.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, bot.Printable(strings.Join(row, "\t")))
	}
	return t.Flush()
}

// merged are packages that differ in their architecture only.
type merged struct {
	Codename, Package, Version, Component string
	Udeb                                  bool
}

// rows makes a line of packages that differ in their architecture only.
func rows(entries []entry) [][]string {
	var order []merged
	arches := map[merged][]string{}
	for _, e := range entries {
		m := merged{e.Codename, e.Package, e.Version, e.Component, e.Udeb}
		if arches[m] == nil {
			order = append(order, m)
		}
		if !slices.Contains(arches[m], e.Architecture) {
			arches[m] = append(arches[m], e.Architecture)
		}
	}
	list := [][]string{{"PACKAGE", "VERSION", "CODENAME", "COMPONENT", "ARCHITECTURES"}}
	for _, m := range order {
		slices.SortFunc(arches[m], func(a, b string) int {
			return cmp.Or(last(a)-last(b), cmp.Compare(a, b))
		})
		name := m.Package
		if m.Udeb {
			name += " (udeb)"
		}
		list = append(list, []string{name, m.Version, m.Codename, m.Component, strings.Join(arches[m], ", ")})
	}
	return list
}

// last is 1 for the source, which is shown behind architectures.
func last(architecture string) int {
	if architecture == sourceArchitecture {
		return 1
	}
	return 0
}

const sourceArchitecture = "source"
