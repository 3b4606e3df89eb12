package aptly

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// maxBatch is how many uploads are published at once: enough to keep up, few enough that none
// waits long.
const maxBatch = 64

// request is one call of Include that waits for its turn.
type request struct {
	upload      publish.Upload
	candidates  []*candidate
	done        bool
	publication publish.Publication
	err         error
}

// Include puts the upload into its codename and publishes. Uploads that arrive while another is
// being published are published together, since the cost lies in the size of the suite.
func (r *Repo) Include(ctx context.Context, upload publish.Upload) (publish.Publication, error) {
	i := slices.IndexFunc(r.opts.Suites, func(s publish.Suite) bool { return s.Codename == upload.Codename })
	if i < 0 {
		return publish.Publication{}, fmt.Errorf("include %s %s in %q: %w", upload.Source, upload.Version, upload.Codename, publish.ErrUnknownCodename)
	}
	candidates, err := read(ctx, r.opts.Suites[i], upload)
	if err != nil {
		return publish.Publication{}, err
	}
	q := &request{upload: upload, candidates: candidates}
	r.queued.Lock()
	r.queue = append(r.queue, q)
	r.queued.Unlock()

	r.mu.Lock()
	defer r.mu.Unlock()
	for !q.done {
		r.settle(context.WithoutCancel(ctx), r.nextBatch())
	}
	return q.publication, q.err
}

// nextBatch takes from the queue what can be published at once: the first request and those for
// the same codename.
func (r *Repo) nextBatch() (batch []*request) {
	r.queued.Lock()
	defer r.queued.Unlock()
	r.queue = slices.DeleteFunc(r.queue, func(q *request) bool {
		if len(batch) >= maxBatch || len(batch) > 0 && batch[0].upload.Codename != q.upload.Codename {
			return false
		}
		batch = append(batch, q)
		return true
	})
	return batch
}

// settle decides about the requests of a batch in their order and publishes what goes in.
func (r *Repo) settle(ctx context.Context, batch []*request) {
	for len(batch) > 0 {
		n, err := r.settleSome(ctx, batch)
		if err != nil {
			n = len(batch)
		}
		for _, q := range batch[:n] {
			if !q.done {
				q.done, q.err = true, err
			}
		}
		batch = batch[n:]
	}
}

// settleSome publishes as many requests as can be judged before anything of them is published: one
// that is refused after others were let in, or replaces one of them, is judged again when those are
// there. It returns how many it has dealt with.
func (r *Repo) settleSome(ctx context.Context, batch []*request) (n int, err error) {
	defer recovered(&err)
	if r.db == nil {
		return 0, errors.New("include package: the repository is closed")
	}
	s := r.suites[batch[0].upload.Codename]
	draft := &suite{Suite: s.Suite, entries: s.entries, dropped: s.dropped}
	claimed := map[string]string{}
	var fresh []*candidate
	for _, q := range batch {
		next, more, err := r.judge(draft, q.candidates)
		if len(fresh) > 0 && (err != nil || conflict(claimed, more) || replaces(next, fresh)) {
			break
		}
		n++
		if err != nil {
			q.done, q.err = true, err
			continue
		}
		draft.entries, fresh = next, append(fresh, more...)
		claim(claimed, more)
	}
	if err := r.admit(ctx, s, draft.entries, fresh); err != nil {
		first := batch[0].upload
		return 0, fmt.Errorf("include %s %s in %s: %w", first.Source, first.Version, first.Codename, err)
	}
	for _, q := range batch[:n] {
		if !q.done {
			q.publication, q.err = r.publication(s, q.candidates), r.keepBuildinfo(s, q.upload)
			q.done = true
		}
	}
	return n, nil
}

func claim(claimed map[string]string, fresh []*candidate) {
	for _, c := range fresh {
		for _, f := range c.files {
			claimed[f.path] = f.sha256
		}
	}
}

// conflict tells whether fresh packages have files whose place is claimed by others.
func conflict(claimed map[string]string, fresh []*candidate) bool {
	for _, c := range fresh {
		for _, f := range c.files {
			if sum, ok := claimed[f.path]; ok && sum != f.sha256 {
				return true
			}
		}
	}
	return false
}

// replaces tells whether one of the fresh packages is not among the entries of next any more.
func replaces(next []*entry, fresh []*candidate) bool {
	there := map[*entry]bool{}
	for _, e := range dropSources(slices.Clone(next)) {
		there[e] = true
	}
	return slices.ContainsFunc(fresh, func(c *candidate) bool { return !there[c.entry] })
}

// admit imports fresh packages and publishes the suite with the entries next.
func (r *Repo) admit(ctx context.Context, s *suite, next []*entry, fresh []*candidate) error {
	if len(fresh) == 0 {
		return nil
	}
	for _, c := range fresh {
		if err := r.importFiles(c); err != nil {
			return err
		}
	}
	next = dropSources(slices.Clone(next))
	slices.SortFunc(next, compareEntries)
	return r.publish(ctx, s, next, fresh)
}

func (r *Repo) publication(s *suite, candidates []*candidate) publish.Publication {
	p := publish.Publication{Release: message.Digest(s.release.SHA256), Key: r.opts.Signer.Fingerprint()}
	for _, c := range candidates {
		p.Packages = append(p.Packages, c.published())
	}
	return p
}
