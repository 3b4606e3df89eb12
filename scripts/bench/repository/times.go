package repository

import (
	"bytes"
	"slices"
	"time"
)

func latest(times []time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// quarters is the time for each package in each quarter of those that were answered.
func quarters(begun time.Time, times []time.Time) (list []time.Duration) {
	sorted := slices.SortedFunc(slices.Values(times), time.Time.Compare)
	from := begun
	for i := range 4 {
		first, end := i*len(sorted)/4, (i+1)*len(sorted)/4
		if first == end {
			return nil
		}
		list = append(list, sorted[end-1].Sub(from)/time.Duration(end-first))
		from = sorted[end-1]
	}
	return list
}

// count is how many packages of the benchmark the repository lists.
func (d *distbot) count() (int, error) {
	packages, err := d.packages()
	return bytes.Count(packages, []byte("-bench-")) / perStanza, err
}

// perStanza is how often a stanza says the name of its package: Package, Filename (folder and file), Homepage.
const perStanza = 4
