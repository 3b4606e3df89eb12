package aptly

import (
	"fmt"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
)

// judgement is what has been decided of a suite and is not published yet.
type judgement struct {
	*catalog.Draft
	suite     *suite
	downgrade bool                  // lower versions may go in
	fresh     map[string]*candidate // by ID
	claimed   map[string]string     // SHA-256 by path of files of fresh packages
}

func newJudgement(s *suite, downgrade bool) *judgement {
	return &judgement{
		Draft: s.list.Draft(s.Suite), suite: s, downgrade: downgrade || s.AllowDowngrade,
		fresh: map[string]*candidate{}, claimed: map[string]string{},
	}
}

// judge decides about each candidate: one that the suite has, or had, with the same content is
// replaced by that; what may not go in is refused; what remains goes in, and what it overtakes out.
// It returns those that are new.
func (r *Repo) judge(j *judgement, candidates []*candidate) (fresh []*candidate, err error) {
	had := map[*candidate]bool{}
	var open []*candidate
	binaries := 0
	for _, c := range candidates {
		there, before, err := r.known(j, c)
		if err != nil {
			return nil, err
		}
		if there {
			continue
		}
		open, had[c] = append(open, c), before
		if !c.IsSource() && !(before && j.Newer(c.Entry) != nil) {
			binaries++
		}
	}
	back := false
	for _, c := range open {
		newer := j.Newer(c.Entry)
		if newer != nil && (!c.IsSource() || binaries == 0) {
			if !j.downgrade && had[c] {
				continue // it was here until a newer one came
			}
			if !j.downgrade {
				return nil, &publish.RefusedError{
					File:   c.Main().Name,
					Reason: fmt.Sprintf("%s has the higher version %s of %s for %s", j.suite.Codename, newer.Version, newer.Name, newer.Arch),
					Hint:   "raise the version; a repository never goes back unless told to by --allow-downgrade",
				}
			}
			back = true
		}
		if err := r.checkPaths(c); err != nil {
			return nil, err
		}
		j.Add(c.Entry)
		fresh = append(fresh, c)
	}
	if back {
		for _, c := range fresh {
			j.StepBack(c.Entry)
		}
	}
	j.Settle()
	return fresh, nil
}

// known tells whether the suite has a candidate, with the same content, or had it before. The candidate then
// stands for that one. Signatures do not count as content: a package may be signed again, with another time
// or key, and the first one stays. What has the version of a package and other content is refused, also
// when that package has been removed long ago.
func (r *Repo) known(j *judgement, c *candidate) (there, before bool, err error) {
	digest, id, err := r.ledger.Had(j.suite.Codename, identity(c.Entry), j.suite.snapshot.Serial)
	if err != nil {
		return false, false, err
	}
	if e := j.Find(c.Entry); e != nil {
		if f := j.fresh[e.ID()]; f != nil && f.built != "" {
			digest = f.built
		}
		if e.Key != c.Key && digest != c.built {
			return false, false, sameVersion(c.Main().Name, e, "is")
		}
		c.Entry, c.pkg, c.text = e, nil, nil
		return true, true, nil
	}
	if digest == "" {
		return false, false, nil
	}
	if digest != c.built {
		return false, false, sameVersion(c.Main().Name, c.Entry, "was")
	}
	if _, key := catalog.SplitID(id); key != "" {
		if old := r.stock.Entry(catalog.ID(c.Component, key)); old != nil {
			c.Entry, c.pkg, c.text = old, nil, nil
		}
	}
	return false, true, nil
}

// conflicts tells whether fresh packages have files whose place is claimed by others.
func (j *judgement) conflicts(fresh []*candidate) bool {
	for _, c := range fresh {
		for _, f := range c.Files {
			if sum, ok := j.claimed[c.Path(f)]; ok && sum != f.SHA256 {
				return true
			}
		}
	}
	return false
}

// accept takes note of what has been let in.
func (j *judgement) accept(fresh []*candidate) {
	for _, c := range fresh {
		j.fresh[c.ID()] = c
		for _, f := range c.Files {
			j.claimed[c.Path(f)] = f.SHA256
		}
	}
}

// plan is what the judgement comes to.
func (j *judgement) plan(reason string) plan {
	p := plan{reason: reason, fresh: j.fresh}
	p.added, p.dropped = j.Delta()
	return p
}
