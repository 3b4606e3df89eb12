package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"foundry/bots/foundry/world"

	"foundry/bots/foundry/transaction"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// A rebuildRun rebuilds one level of packages after the other. What it has done it reads from the
// bus, so another run goes on where one was interrupted.
type rebuildRun struct {
	*client
	s      *session
	o      rebuilding
	roots  []string
	report rebuildReport
}

func (r *rebuildRun) run(ctx context.Context, w world.World) error {
	out := r.out
	if r.JSON {
		out = r.errs
	}
	if r.o.dryRun {
		r.foresee(w)
	}
	for level := 1; !r.o.dryRun; level++ {
		begun, any := r.begin(ctx, w, level, out)
		if !any {
			break
		}
		if err := r.await(ctx, begun, out); err != nil {
			return err
		}
		worlds, err := r.s.worlds(ctx)
		if err != nil {
			return err
		}
		w = worlds[r.o.codename]
	}
	if r.JSON {
		if err := printJSON(r.out, r.report); err != nil {
			return err
		}
	} else {
		r.print()
	}
	if !r.o.dryRun && slices.ContainsFunc(r.report.Packages, func(p *rebuilt) bool { return p.State == transaction.Failed || p.State == rebuildLeftOut }) {
		return bot.Exit(bot.ExitFailure)
	}
	return nil
}

// uploadAgain is why an uploaded package is left out: there is no commit to make it of.
const uploadAgain = "it was uploaded: upload a new version of it"

// foresee tells what would become of each package if all goes well.
func (r *rebuildRun) foresee(w world.World) {
	for _, p := range r.report.Packages {
		_, current, before := r.after(w, p)
		switch {
		case w[p.Source].Source.Uploaded():
			p.State, p.Reason = rebuildLeftOut, uploadAgain
		case r.o.dependents && current && before == "":
			p.State = rebuildDone
		}
	}
}

// begin announces what of a level is to be rebuilt, and returns the transactions to await.
func (r *rebuildRun) begin(ctx context.Context, w world.World, level int, out io.Writer) (begun map[string]*rebuilt, any bool) {
	begun = map[string]*rebuilt{}
	for _, p := range r.report.Packages {
		if p.Level != level {
			continue
		}
		any = true
		if err := r.beginOne(ctx, w, p); err != nil {
			p.State, p.Reason = transaction.Failed, err.Error()
		}
		if p.State == transaction.Running {
			begun[p.Context] = p
		}
		fmt.Fprintln(out, bot.Printable(p.line()))
	}
	return begun, any
}

// beginOne announces a package unless it was rebuilt already, is being rebuilt, or is to be left out.
func (r *rebuildRun) beginOne(ctx context.Context, w world.World, p *rebuilt) error {
	have := w[p.Source]
	if have == nil {
		p.State, p.Reason = rebuildLeftOut, "its messages are no longer kept"
		return nil
	}
	after, current, lacking := r.after(w, p)
	switch {
	case lacking != "":
		p.State, p.Reason = rebuildLeftOut, lacking+" was not rebuilt"
		return nil
	case r.o.dependents && current:
		p.State, p.Version = rebuildDone, have.Source.Version
		return nil
	case have.Source.Uploaded():
		p.State, p.Reason = rebuildLeftOut, uploadAgain
		return nil
	}
	commit := message.Commit{Origin: have.Source.Origin, Time: have.Source.Time, Author: have.Source.Committer}
	if have.Commit != nil {
		commit = *have.Commit
	}
	commit.Bump = true
	name, state, err := r.latest(ctx, commit, after)
	switch {
	case err != nil:
		return err
	case state == transaction.Published && r.o.dependents: // a moment ago
		p.State, p.Context = rebuildDone, name
		return nil
	case state != transaction.Running:
		if commit.Count, err = r.s.nextCount(ctx, commit); err != nil {
			return err
		}
		m, err := message.NewCommit(r.s.self, &commit)
		if err != nil {
			return err
		}
		if _, err := r.s.publish(ctx, m); err != nil {
			return fmt.Errorf("announce %s: %w", commit.Ref, err)
		}
		name = m.Context
	}
	p.State, p.Context = transaction.Running, name
	return nil
}

// after is the sequence of the message since which p is to have been rebuilt: when the last of what
// it needs was published. current tells whether it was built with that, and lacking is one that was
// to be rebuilt and was not.
func (r *rebuildRun) after(w world.World, p *rebuilt) (after uint64, current bool, lacking string) {
	current = true
	some, states := map[string]bool{}, map[string]*rebuilt{}
	for _, name := range r.roots {
		if r.o.dependents && w[name] != nil {
			some[name] = true
		}
	}
	for _, o := range r.report.Packages {
		if o.Level < p.Level && w[o.Source] != nil {
			some[o.Source], states[o.Source] = true, o
		}
	}
	for _, name := range w.Makers(w[p.Source], some) {
		after = max(after, w[name].Out)
		current = current && w[p.Source].Current(w[name])
		if o := states[name]; o != nil && o.State != transaction.Published && o.State != rebuildDone && !w[name].Source.Uploaded() {
			lacking = name
		}
	}
	return after, current, lacking
}

// latest is the last transaction that rebuilds the commit and was announced after the given message,
// and its state; both are empty where there is none.
func (r *rebuildRun) latest(ctx context.Context, commit message.Commit, after uint64) (name, state string, err error) {
	err = r.s.Bus.Tail(ctx, bus.Filter{Topics: []message.Topic{message.Commits}}, func(raw bus.Raw) error {
		if raw.Sequence < after {
			return nil
		}
		m, body, err := r.s.sealer.Open(raw)
		if c, ok := body.(*message.Commit); err == nil && ok && c.Bump && c.Origin == commit.Origin {
			name = m.Context
		}
		return nil
	})
	if err != nil || name == "" {
		return "", "", err
	}
	t, err := r.s.transactions().Load(ctx, name)
	if err != nil {
		return "", "", err
	}
	return name, t.State(), nil
}

// await follows the transactions of a level until all have ended.
func (r *rebuildRun) await(ctx context.Context, begun map[string]*rebuilt, out io.Writer) error {
	if len(begun) == 0 {
		return nil
	}
	arches := r.s.transactions().Architectures(ctx)
	all := map[string]*transaction.Transaction{}
	for name := range begun {
		all[name] = &transaction.Transaction{Context: name, Architectures: arches}
	}
	err := r.s.Bus.Tail(ctx, bus.Filter{Follow: true}, func(raw bus.Raw) error {
		for name, t := range all {
			if !r.s.transactions().Take(t, raw) {
				continue
			}
			p := begun[name]
			if p.State = t.State(); p.State == transaction.Running {
				continue
			}
			delete(all, name)
			if f := t.Failures(); len(f) > 0 {
				p.Reason = f[0].Stage + ": " + f[0].Reason
			} else if p.State == transaction.Skipped {
				p.State, p.Reason = transaction.Failed, "no architecture builds it"
			}
			fmt.Fprintln(out, bot.Printable(p.line()))
		}
		if len(all) == 0 {
			return transaction.ErrEnded
		}
		return nil
	})
	switch {
	case errors.Is(err, transaction.ErrEnded):
		return nil
	case err == nil:
		err = ctx.Err()
	}
	again := "foundry rebuild " + strings.Join(r.roots, " ") + " --codename " + r.o.codename
	if r.o.dependents {
		again += " --rebuild-dependents"
	}
	if r.o.transitive {
		again += " --transitive"
	}
	return bot.Hint(fmt.Errorf("%d of %d packages of this level have not ended: %w", len(all), len(begun), err), "they go on; then go on with: "+again)
}

// line is one line about p for a person.
func (p *rebuilt) line() string {
	line := fmt.Sprintf("  %2d  %-9s  %s %s", p.Level, p.State, p.Source, p.Version)
	if p.Context != "" {
		line += "  " + p.Context
	}
	if p.Reason != "" {
		line += "  (" + p.Reason + ")"
	}
	return line
}

// print sums up; of a dry run it tells the plan.
func (r *rebuildRun) print() {
	counts := map[string]int{}
	for _, p := range r.report.Packages {
		if r.o.dryRun {
			fmt.Fprintln(r.out, bot.Printable(p.line()))
		}
		counts[p.State]++
	}
	var parts []string
	for _, state := range []string{rebuildPlanned, transaction.Published, rebuildDone, transaction.Failed, rebuildLeftOut} {
		if counts[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing build-depends on " + strings.Join(r.roots, ", ")}
	}
	fmt.Fprintf(r.out, "%s: %s\n", r.report.Codename, strings.Join(parts, ", "))
}
