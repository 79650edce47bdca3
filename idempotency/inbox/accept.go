package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

const (
	// maxShare is how many events share a commit.
	maxShare = 64

	// acceptTimeout bounds a commit that many share, with a little more for each event: a
	// request may carry thousands.
	acceptTimeout    = 10 * time.Second
	acceptTimeoutFor = 5 * time.Millisecond
)

// Accept implements [idempotency.Accepter].
func (b *Inbox) Accept(ctx context.Context, items []idempotency.Item) idempotency.Outcome {
	entries := make([]Entry, len(items))
	for i, item := range items {
		if item.Delivery == nil {
			return idempotency.OutcomeOf(idempotency.KindUnavailable, errors.New("inbox: an event without a delivery"))
		}
		entries[i] = Entry{Key: item.Key, Fingerprint: item.Fingerprint, Group: b.groupOf(item), Delivery: item.Delivery.Stored()}
	}
	results, err := b.accepts.do(ctx, b.queue, entries)
	if err != nil {
		return idempotency.OutcomeOf(idempotency.KindUnavailable, fmt.Errorf("accept: %w", err))
	}
	b.hurry()
	return outcomeOf(results)
}

// outcomeOf is the outcome of a request whose events were accepted.
func outcomeOf(results []Enqueued) idempotency.Outcome {
	known, dead := 0, 0
	for _, r := range results {
		switch {
		case r.Mismatch:
			return idempotency.OutcomeOf(idempotency.KindMismatch, nil)
		case r.Dead:
			dead++
		case r.Duplicate:
			known++
		}
	}
	switch {
	case known+dead < len(results):
		return idempotency.Outcome{Kind: idempotency.KindAccepted}
	case dead > 0 && known == 0:
		return idempotency.OutcomeOf(idempotency.KindDead, nil)
	}
	return idempotency.OutcomeOf(idempotency.KindDuplicate, nil)
}

func (b *Inbox) groupOf(item idempotency.Item) string {
	e := b.endpoint(item.Key.Endpoint())
	if e == nil || e.group == nil {
		return ""
	}
	return shorten(e.group(item.Delivery))
}

func shorten(group string) string {
	if len(group) <= MaxGroupBytes {
		return group
	}
	digest := sha256.Sum256([]byte(group))
	return hex.EncodeToString(digest[:])
}

// accepts has concurrent requests share commits: while one is on its way, those that
// arrive are gathered, and go with the next. Alone, a request goes at once.
type accepts struct {
	mu      sync.Mutex
	flying  bool // a goroutine is committing, and will take what has gathered
	waiting []*share
}

// A share is what one request adds to a commit.
type share struct {
	entries []Entry
	results []Enqueued
	err     error
	done    chan struct{}
	lead    chan struct{} // closed when it is this one's turn to commit
}

func (a *accepts) do(ctx context.Context, q Queue, entries []Entry) ([]Enqueued, error) {
	s := &share{entries: entries, done: make(chan struct{}), lead: make(chan struct{})}
	a.mu.Lock()
	a.waiting = append(a.waiting, s)
	if !a.flying {
		a.flying = true
		close(s.lead)
	}
	a.mu.Unlock()
	select {
	case <-s.done:
		return s.results, s.err
	case <-s.lead:
	case <-ctx.Done():
		if a.withdraw(s) {
			return nil, ctx.Err()
		}
		select { // it is being committed, which does not end with ctx
		case <-s.done:
			return s.results, s.err
		case <-s.lead:
		}
	}
	group := a.take()
	defer a.pass()
	size := 0
	for _, s := range group {
		size += len(s.entries)
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptTimeout+time.Duration(size)*acceptTimeoutFor)
	defer cancel()
	commit(bounded, q, group)
	<-s.done
	return s.results, s.err
}

// withdraw takes s back if it is not being committed.
func (a *accepts) withdraw(s *share) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-s.lead:
		return false
	default:
	}
	for i, other := range a.waiting {
		if other == s {
			a.waiting = append(a.waiting[:i], a.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take returns the shares of the next commit. The leader's is the first of them.
func (a *accepts) take() []*share {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, size := 0, 0
	for n < len(a.waiting) && (n == 0 || size+len(a.waiting[n].entries) <= maxShare) {
		size += len(a.waiting[n].entries)
		n++
	}
	group := a.waiting[:n:n]
	a.waiting = a.waiting[n:]
	return group
}

// pass has the first of those that wait lead.
func (a *accepts) pass() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		a.flying, a.waiting = false, nil
		return
	}
	close(a.waiting[0].lead)
}

// commit stores the entries of the shares. If that fails, it tries the halves, so that an
// entry that the queue cannot take fails alone.
func commit(ctx context.Context, q Queue, shares []*share) {
	entries, places := merge(shares)
	results, err := q.Enqueue(ctx, entries)
	if err != nil && len(shares) > 1 && ctx.Err() == nil {
		half := len(shares) / 2
		commit(ctx, q, shares[:half])
		commit(ctx, q, shares[half:])
		return
	}
	for i, s := range shares {
		if s.err = err; err == nil {
			s.results = make([]Enqueued, len(s.entries))
			for k, place := range places[i] {
				s.results[k] = results[place.at]
				if place.again {
					s.results[k].Duplicate = true
					s.results[k].Mismatch = !entries[place.at].Fingerprint.Matches(s.entries[k].Fingerprint)
				}
			}
		}
		close(s.done)
	}
}

// A place is where an entry stands in those that are stored.
type place struct {
	at    int
	again bool // its key stands before it already
}

// merge returns the entries of all shares, each key once.
func merge(shares []*share) (entries []Entry, places [][]place) {
	seen := make(map[idempotency.Key]int)
	for _, s := range shares {
		own := make([]place, len(s.entries))
		for k, e := range s.entries {
			at, again := seen[e.Key]
			if !again {
				at = len(entries)
				seen[e.Key] = at
				entries = append(entries, e)
			}
			own[k] = place{at, again}
		}
		places = append(places, own)
	}
	return entries, places
}
