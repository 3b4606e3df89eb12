package aptly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
)

// Change makes a change and publishes it.
func (r *Repo) Change(ctx context.Context, change publish.Change) (list []publish.Changed, err error) {
	done, err := r.use()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", change.Kind, err)
	}
	defer done()
	defer recovered(&err)
	s, err := r.suite(change.Codename)
	if err == nil {
		ctx = context.WithoutCancel(ctx)
		switch change.Kind {
		case publish.Rollback:
			list, err = r.rollback(ctx, s, change)
		case publish.Remove:
			list, err = r.removal(ctx, s, change)
		case publish.Copy, publish.Promote:
			list, err = r.transfer(ctx, s, change)
		default:
			err = errors.New("unknown kind of change")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmp.Or(change.Kind, "change"), err)
	}
	return list, nil
}

// apply publishes what has been judged, unless that is nothing or not wanted.
func (r *Repo) apply(ctx context.Context, j *judgement, change publish.Change, reason string) (publish.Changed, error) {
	p := j.plan(cmp.Or(change.Reason, reason))
	if len(p.added)+len(p.dropped) > 0 && !change.DryRun {
		if err := r.publish(ctx, j.suite, p); err != nil {
			return publish.Changed{}, fmt.Errorf("%s: %w", j.suite.Codename, err)
		}
	}
	return publish.Changed{
		Codename: j.suite.Codename, Serial: j.suite.snapshot.Serial,
		Added: listed(p.added), Removed: listed(p.dropped),
	}, nil
}

// rollback publishes the packages of an earlier snapshot. It is a step back that somebody wants.
func (r *Repo) rollback(ctx context.Context, s *suite, change publish.Change) ([]publish.Changed, error) {
	then, err := r.entries(s, change.Serial)
	if err != nil {
		return nil, err
	}
	j := newJudgement(s, true)
	there := make(map[string]bool, len(then))
	for _, e := range then {
		e = e.In(restore(s.Suite, e))
		there[e.ID()] = true
		if !j.Has(e) {
			j.Put(e)
		}
	}
	for e := range s.list.All() {
		if !there[e.ID()] {
			j.Drop(e)
		}
	}
	changed, err := r.apply(ctx, j, change, fmt.Sprintf("rollback to %d", change.Serial))
	return []publish.Changed{changed}, err
}

// removal removes packages. Sources stay that packages which stay were built with.
func (r *Repo) removal(ctx context.Context, s *suite, change publish.Change) ([]publish.Changed, error) {
	chosen, err := choose(s, change.Select)
	if err != nil {
		return nil, err
	}
	j := newJudgement(s, true)
	kept := dropAll(j, chosen)
	changed, err := r.apply(ctx, j, change, "remove "+describe(change.Select))
	changed.Kept = listed(kept)
	return []publish.Changed{changed}, err
}

// dropAll drops packages, and returns the sources among them that others need.
func dropAll(j *judgement, chosen []*catalog.Entry) (kept []*catalog.Entry) {
	for _, e := range chosen {
		if !e.IsSource() {
			j.Drop(e)
		}
	}
	for _, e := range chosen {
		switch {
		case !e.IsSource():
		case j.Needed(e):
			kept = append(kept, e)
		default:
			j.Drop(e)
		}
	}
	j.Settle()
	return kept
}

// transfer copies packages from another codename and, to promote them, removes them there. Killed between
// the two both have them, and the same change again does the rest.
func (r *Repo) transfer(ctx context.Context, s *suite, change publish.Change) ([]publish.Changed, error) {
	from, err := r.suite(change.From)
	switch {
	case err != nil:
		return nil, err
	case from == s:
		return nil, fmt.Errorf("%s is where the packages are", s.Codename)
	}
	chosen, err := choose(from, change.Select)
	if err != nil {
		if _, there := choose(s, change.Select); change.Kind != publish.Promote || there != nil {
			return nil, err
		}
		chosen = nil // they have gone the whole way before
	}
	candidates, err := r.copies(s, from, chosen)
	if err != nil {
		return nil, err
	}
	j := newJudgement(s, change.AllowDowngrade)
	for _, group := range candidates {
		fresh, err := r.judge(j, group)
		if err != nil {
			return nil, err
		}
		j.accept(fresh)
	}
	copied, err := r.apply(ctx, j, change, fmt.Sprintf("%s %s from %s", change.Kind, describe(change.Select), from.Codename))
	if err != nil || change.Kind == publish.Copy {
		return []publish.Changed{copied}, err
	}
	r.step("promoted")
	leave := newJudgement(from, true)
	kept := dropAll(leave, chosen)
	left, err := r.apply(ctx, leave, change, fmt.Sprintf("promote %s to %s", describe(change.Select), s.Codename))
	left.Kept = listed(kept)
	return []publish.Changed{copied, left}, err
}

// copies makes candidates for the suite of packages that another has, in the order of the versions of their
// sources, with the sources that they were built with. Packages for architectures that the suite does not
// have are left out.
func (r *Repo) copies(s, from *suite, chosen []*catalog.Entry) (groups [][]*candidate, err error) {
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(e *catalog.Entry) bool {
		return !e.IsSource() && e.Arch != "all" && !slices.Contains(s.Architectures, e.Arch)
	})
	bySource := map[string][]*candidate{}
	var order []*catalog.Entry
	for _, e := range chosen {
		source := e.Source + " " + e.SourceVersion
		if bySource[source] == nil {
			order = append(order, e)
		}
		for _, one := range append([]*catalog.Entry{e}, from.list.Used(e)...) {
			c, err := r.copyOf(s, from, one)
			if err != nil {
				return nil, err
			}
			bySource[source] = append(bySource[source], c)
		}
	}
	slices.SortStableFunc(order, catalog.CompareSources)
	for _, e := range order {
		groups = append(groups, bySource[e.Source+" "+e.SourceVersion])
	}
	return groups, nil
}

func (r *Repo) copyOf(s, from *suite, e *catalog.Entry) (*candidate, error) {
	digest, _, err := r.ledger.Had(from.Codename, identity(e), from.snapshot.Serial)
	if err != nil {
		return nil, err
	}
	c := &candidate{Entry: e, built: digest}
	return c, place(s.Suite, "", []*candidate{c})
}
