package aptrepo

import (
	"cmp"
	"slices"
	"sync"
)

// Severity of a Finding.
type Severity string

// Severities.
const (
	Error   Severity = "error"   // a client would be refused or deceived
	Warning Severity = "warning" // no client is hurt, yet
)

// A Finding is one thing that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Where    string   `json:"where"` // path in the repository, or name of a suite
	Hint     string   `json:"hint,omitempty"`
}

// A Report is what Verify has found.
type Report struct {
	Findings []Finding `json:"findings"` // errors first, then by place
	Suites   int       `json:"suites"`
	Indexes  int       `json:"indexes"`  // files that Release lists and that are there
	Packages int       `json:"packages"` // binary and source, each once for each suite
	Files    int       `json:"files"`    // of packages, checked
	Bytes    int64     `json:"bytes"`    // read
	Signed   int       `json:"signed"`   // packages and source packages with a good signature of their own
	Unsigned int       `json:"unsigned"` // those without any
	Signers  []string  `json:"signers"`  // fingerprints of keys that have signed suites

	mu sync.Mutex
}

// Errors returns how many findings are errors.
func (r *Report) Errors() (n int) {
	for _, f := range r.Findings {
		if f.Severity == Error {
			n++
		}
	}
	return n
}

func (r *Report) add(severity Severity, where, what, hint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Findings = append(r.Findings, Finding{severity, what, where, hint})
}

// count takes down that one more has a good signature of its own, or none.
func (r *Report) count(signed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if signed {
		r.Signed++
	} else {
		r.Unsigned++
	}
}

func (r *Report) sort() {
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Where, b.Where), cmp.Compare(a.What, b.What))
	})
	r.Findings = slices.Compact(r.Findings)
	slices.Sort(r.Signers)
	r.Signers = slices.Compact(r.Signers)
}
