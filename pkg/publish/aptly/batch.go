package aptly

import (
	"context"
	"fmt"
	"slices"
	"time"

	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// maxBatch is how many uploads are published at once: so many that only the memory they take counts.
const maxBatch = 1000

// request is one call of Include that waits for its turn.
type request struct {
	upload      publish.Upload
	candidates  []*candidate
	done        bool          // it has been decided about
	finished    chan struct{} // closed when its publish has ended
	publication publish.Publication
	err         error
}

// Include puts the upload into its codename and publishes. Uploads that arrive while another is
// being published are published together.
func (r *Repo) Include(ctx context.Context, upload publish.Upload) (publish.Publication, error) {
	i := slices.IndexFunc(r.opts.Suites, func(s publish.Suite) bool { return s.Codename == upload.Codename })
	if i < 0 {
		return publish.Publication{}, fmt.Errorf("include %s %s in %q: %w", upload.Source, upload.Version, upload.Codename, publish.ErrUnknownCodename)
	}
	r.arrived.Add(1)
	r.under.Add(1)
	candidates, err := read(ctx, r.opts.Suites[i], upload)
	if err != nil {
		r.under.Add(-1)
		return publish.Publication{}, err
	}
	q := &request{upload: upload, candidates: candidates, finished: make(chan struct{})}
	r.queued.Lock()
	r.queue = append(r.queue, q)
	r.queued.Unlock()
	for {
		select {
		case <-q.finished:
			return q.publication, q.err
		case r.turn <- struct{}{}:
			r.publishNext(ctx)
			<-r.turn
		}
	}
}

// publishNext publishes what waits. One caller of Include does it at a time, for all.
func (r *Repo) publishNext(ctx context.Context) {
	r.gather(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	batch, begun := r.nextBatch(), time.Now()
	r.settleAll(context.WithoutCancel(ctx), batch)
	if len(batch) > 0 {
		r.published, r.took = time.Now(), time.Since(begun)
	}
	r.under.Add(-int64(len(batch)))
	for _, q := range batch {
		close(q.finished)
	}
}

// In a stream of uploads publishing takes one part in gatherFor of the time: a publish of many touches most of
// the indexes, so that its cost is that of what is there and not of what comes.
const (
	gatherFor  = 5
	gatherFrom = 16                    // fewer than these are no stream and wait for nobody
	lull       = 10 * time.Millisecond // a stream has ended when nothing comes for so long
)

// gather waits for more uploads of a stream, since many cost little more than few.
func (r *Repo) gather(ctx context.Context) {
	until := r.published.Add((gatherFor - 1) * r.took)
	for time.Now().Before(until) {
		r.queued.Lock()
		waiting := len(r.queue)
		r.queued.Unlock()
		under := int(r.under.Load())
		if under < gatherFrom || waiting >= maxBatch {
			return
		}
		before := r.arrived.Load()
		select {
		case <-ctx.Done():
			return
		case <-time.After(lull):
		}
		if waiting >= under && r.arrived.Load() == before {
			return // all wait, and no further one comes
		}
	}
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

// maxFailures is how many uploads fail one after another before the fault is taken to be the repository's.
const maxFailures = 3

// settleAll decides about the requests of a batch in their order and publishes what goes in. What cannot be
// published together is tried one by one, so that an upload whose files cannot be read holds up no other.
func (r *Repo) settleAll(ctx context.Context, batch []*request) {
	alone, failures := false, 0
	for len(batch) > 0 {
		some := batch
		if alone {
			some = batch[:1]
		}
		n, err := r.settleSome(ctx, some)
		switch {
		case err == nil:
			failures = 0
		case len(some) > 1:
			alone = true
			continue
		default:
			n = 1
			if failures++; failures == maxFailures {
				n = len(batch)
			}
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
	first := batch[0].upload
	if r.db == nil {
		return 0, fmt.Errorf("include %s %s in %s: %w", first.Source, first.Version, first.Codename, errClosed)
	}
	s := r.suites[first.Codename]
	j := newJudgement(s, false)
	var uploads []publish.Upload
	for _, q := range batch {
		for _, c := range q.candidates {
			c.begin()
		}
		mark := j.Mark()
		fresh, err := r.judge(j, q.candidates)
		if len(uploads) > 0 && (err != nil || j.conflicts(fresh) || j.Dropped(mark)) {
			j.Revert(mark)
			break
		}
		n++
		if err != nil {
			j.Revert(mark)
			q.done, q.err = true, err
			continue
		}
		j.accept(fresh)
		if len(fresh) > 0 {
			uploads = append(uploads, q.upload)
		}
	}
	if p := j.plan(reason(uploads)); len(p.added)+len(p.dropped) > 0 {
		p.uploads = uploads
		if err := r.publish(ctx, s, p); err != nil {
			return 0, fmt.Errorf("include %s %s in %s: %w", first.Source, first.Version, first.Codename, err)
		}
	}
	for _, q := range batch[:n] {
		if !q.done {
			q.publication, q.err = r.publication(s, q.candidates), r.keepBuildinfo(s, q.upload)
			q.done = true
		}
	}
	return n, r.dirty.Sync(r.opts.Output)
}

// reason says what a publish of uploads is for.
func reason(uploads []publish.Upload) string {
	if len(uploads) == 0 {
		return ""
	}
	text := "include " + uploads[0].Source + " " + uploads[0].Version
	if len(uploads) > 1 {
		text += fmt.Sprintf(" and %d more", len(uploads)-1)
	}
	return text
}

func (r *Repo) publication(s *suite, candidates []*candidate) publish.Publication {
	p := publish.Publication{Release: message.Digest(s.release.SHA256), Key: r.opts.Signer.Fingerprint()}
	for _, c := range candidates {
		p.Packages = append(p.Packages, c.Published())
	}
	return p
}
