package bot

import (
	"fmt"
	"strings"
)

// Nearest is the hint for a name that is not among those known: the closest of them, or the first
// few; empty where nothing is known.
func Nearest(name string, known []string) string {
	best, distance := "", len(name)/2+2
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	switch {
	case len(known) == 0:
		return ""
	case len(known) > manyNames:
		return fmt.Sprintf("known are %s and %d more", strings.Join(known[:manyNames], ", "), len(known)-manyNames)
	}
	return fmt.Sprintf("known are %s", join(known))
}

// manyNames is how many names a hint lists at the most.
const manyNames = 12

// editDistance counts the letters to insert, delete or replace to make b of a (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func join(words []string) string {
	s := ""
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			s += " and "
		default:
			s += ", "
		}
		s += w
	}
	return s
}
