package message

import (
	"fmt"
	"slices"
	"strings"
)

// Summary says in a few words what a message is about.
func Summary(body Body) string {
	about := About(body)
	what := strings.Join(slices.DeleteFunc([]string{about.Source, about.Version, about.Codename, about.Architecture}, func(word string) bool { return word == "" }), " ")
	switch b := body.(type) {
	case *Commit:
		return fmt.Sprintf("%s#%s %.10s %s", b.Repository, b.Branch, b.Ref, b.Subject)
	case *Source:
		if b.Uploaded() {
			return what + " uploaded by " + b.Committer
		}
	case *Provision:
		if b.Outcome == Skipped {
			return what + " skipped: " + b.Reason
		}
		if b.Outcome == Waiting {
			return what + " waiting for " + strings.Join(b.WaitsFor, ", ")
		}
		return what + " image " + fmt.Sprintf("%.12s", b.Image.Key)
	case *Failure:
		if what == "" {
			what = RepositoryName(b.Repository)
		}
		return fmt.Sprintf("%s %s (%s): %s", what, b.Stage, b.Class, b.Reason)
	case *Dist:
		return what + " in " + b.Archive
	case *Reject:
		return "rejected: " + b.Reason
	}
	return what
}
