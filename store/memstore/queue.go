package memstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
)

var _ inbox.Queue = (*Store)(nil)

// A queue is what a Store keeps for an inbox: for tests, so one lock and plain searches
// are enough. The zero queue is ready.
type queue struct {
	mu      sync.Mutex
	entries map[idempotency.Key]*entry
	last    int64 // the order of the latest entry
}

type entry struct {
	inbox.Entry
	state    inbox.State
	token    int64
	attempts int
	reason   string
	accepted time.Time
	due      time.Time
	order    int64
}

// Enqueue implements [inbox.Queue].
func (s *Store) Enqueue(ctx context.Context, entries []inbox.Entry) ([]inbox.Enqueued, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.entries == nil {
		q.entries = make(map[idempotency.Key]*entry)
	}
	results := make([]inbox.Enqueued, len(entries))
	for i, e := range entries {
		known, ok := q.entries[e.Key]
		record, done := s.done(e.Key)
		switch {
		case ok:
			results[i] = inbox.Enqueued{Duplicate: true, Dead: known.state == inbox.Dead, Mismatch: !known.Fingerprint.Matches(e.Fingerprint)}
		case done:
			results[i] = inbox.Enqueued{Duplicate: true, Done: true, Mismatch: !record.Fingerprint.Matches(e.Fingerprint)}
		default:
			q.last++
			now := time.Now()
			added := &entry{Entry: e, state: inbox.Waiting, accepted: now, due: now, order: q.last}
			if q.head(e.Key.Scope, e.Group) != nil {
				added.state = inbox.Blocked
			}
			q.entries[e.Key] = added
		}
	}
	return results, nil
}

// done returns the record of a key that was processed.
func (s *Store) done(key idempotency.Key) (rec lease.Record, done bool) {
	s.onRecord(key, func(r *record, now time.Duration) {
		rec, done = r.export(now), r.state == lease.Done
	})
	return rec, done
}

// onRecord calls f, with the shard locked, on the record of key, if there is one.
func (s *Store) onRecord(key idempotency.Key, f func(r *record, now time.Duration)) {
	s.init()
	name := appendName(nil, key)
	sh := s.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := s.now()
	if r := sh.records[string(name)]; r != nil && !r.expired(now) {
		f(r, now)
	}
}

// head returns the first of a group that is not dead.
func (q *queue) head(scope, group string) (first *entry) {
	if group == "" {
		return nil
	}
	for _, e := range q.entries {
		if e.Key.Scope == scope && e.Group == group && e.state != inbox.Dead && (first == nil || e.order < first.order) {
			first = e
		}
	}
	return first
}

// advance makes the first of a group due, if it is blocked.
func (q *queue) advance(scope, group string) {
	if e := q.head(scope, group); e != nil && e.state == inbox.Blocked {
		e.state, e.due = inbox.Waiting, time.Now()
	}
}

// sorted returns the entries of an endpoint in a state.
func (q *queue) sorted(endpoint string, state inbox.State) (all []*entry) {
	for _, e := range q.entries {
		if e.state == state && e.Key.Endpoint() == endpoint {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int {
		return cmp.Or(a.due.Compare(b.due), strings.Compare(a.Key.Scope, b.Key.Scope), strings.Compare(a.Key.ID, b.Key.ID))
	})
	return all
}

// Dequeue implements [inbox.Queue].
func (s *Store) Dequeue(ctx context.Context, endpoint string, limit int, lease time.Duration, suspects bool) (jobs []inbox.Job, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	state := inbox.Waiting
	if suspects {
		state = inbox.InFlight
	}
	now := time.Now()
	for _, e := range q.sorted(endpoint, state) {
		if len(jobs) == limit || e.due.After(now) {
			break
		}
		e.state, e.due = inbox.InFlight, now.Add(lease)
		e.token++
		e.attempts++
		jobs = append(jobs, inbox.Job{
			Ticket:      inbox.Ticket{Key: e.Key, Token: e.token},
			Fingerprint: e.Fingerprint,
			Attempts:    e.attempts,
			Age:         now.Sub(e.accepted),
		})
	}
	return jobs, nil
}

// Due implements [inbox.Queue].
func (s *Store) Due(ctx context.Context, endpoints []string) (due []inbox.Due, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, name := range endpoints {
		d := inbox.Due{Endpoint: name}
		for _, e := range q.entries {
			if e.Key.Endpoint() == name && !e.due.After(now) {
				d.Waiting = d.Waiting || e.state == inbox.Waiting
				d.Suspects = d.Suspects || e.state == inbox.InFlight
			}
		}
		if d.Waiting || d.Suspects {
			due = append(due, d)
		}
	}
	return due, nil
}

// holds returns the entry of a ticket, nil if that is no longer held.
func (q *queue) holds(t inbox.Ticket) *entry {
	e := q.entries[t.Key]
	if e == nil || e.state != inbox.InFlight || e.token != t.Token {
		return nil
	}
	return e
}

// Extend implements [inbox.Queue].
func (s *Store) Extend(ctx context.Context, tickets []inbox.Ticket, lease time.Duration) (lost []inbox.Ticket, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range tickets {
		if e := q.holds(t); e != nil {
			e.due = time.Now().Add(lease)
		} else {
			lost = append(lost, t)
		}
	}
	return lost, nil
}

// Settle implements [inbox.Queue].
func (s *Store) Settle(ctx context.Context, settlements []inbox.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, v := range settlements {
		e := q.holds(v.Ticket)
		if e == nil {
			continue
		}
		if v.Reason != "" {
			e.reason = v.Reason
		}
		switch v.Verdict {
		case inbox.Done:
			delete(q.entries, v.Key)
		case inbox.Die:
			e.state, e.due = inbox.Dead, time.Now()
		case inbox.Retry:
			e.state, e.due = inbox.Waiting, time.Now().Add(v.Delay)
			if v.Uncount {
				e.attempts--
			}
			continue
		}
		q.advance(e.Key.Scope, e.Group)
	}
	return nil
}

// Payload implements [inbox.Queue].
func (s *Store) Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error) {
	if err := ctx.Err(); err != nil {
		return hmacverify.Stored{}, err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.entries[key]; e != nil {
		return e.Delivery, nil
	}
	return hmacverify.Stored{}, idempotency.ErrNoPayload
}

// Entry implements [inbox.Queue].
func (s *Store) Entry(ctx context.Context, key idempotency.Key) (inbox.Status, error) {
	if err := ctx.Err(); err != nil {
		return inbox.Status{}, err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key]
	if e == nil {
		return inbox.Status{}, idempotency.ErrNotFound
	}
	return e.status(time.Now()), nil
}

func (e *entry) status(now time.Time) inbox.Status {
	return inbox.Status{
		Key:       e.Key,
		State:     e.state,
		Group:     e.Group,
		Attempts:  e.attempts,
		LastError: e.reason,
		Age:       now.Sub(e.accepted),
		Due:       e.due.Sub(now),
		Place:     e.due.UnixNano(),
	}
}

// Entries implements [inbox.Queue].
func (s *Store) Entries(ctx context.Context, endpoint string, state inbox.State, after *inbox.Status, limit int) (page []inbox.Status, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, e := range q.sorted(endpoint, state) {
		st := e.status(now)
		if after != nil && cmp.Or(cmp.Compare(st.Place, after.Place), strings.Compare(st.Key.Scope, after.Key.Scope), strings.Compare(st.Key.ID, after.Key.ID)) <= 0 {
			continue
		}
		if len(page) == limit {
			break
		}
		page = append(page, st)
	}
	return page, nil
}

// Count implements [inbox.Queue].
func (s *Store) Count(ctx context.Context, endpoint string, state inbox.State, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return min(len(s.queue.sorted(endpoint, state)), limit), nil
}

// Redeliver implements [inbox.Queue].
func (s *Store) Redeliver(ctx context.Context, key idempotency.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key]
	if e == nil {
		err := idempotency.ErrNotFound
		s.onRecord(key, func(r *record, _ time.Duration) {
			err = idempotency.ErrNotDead
			if r.state == lease.Dead {
				err = idempotency.ErrNoPayload
			}
		})
		return err
	}
	if e.state != inbox.Dead {
		return idempotency.ErrNotDead
	}
	s.onRecord(key, func(r *record, now time.Duration) {
		if r.state == lease.Dead {
			r.state, r.attempts, r.changed = lease.Released, 0, now
		}
	})
	state := inbox.Waiting
	if q.head(key.Scope, e.Group) != nil {
		state = inbox.Blocked
	}
	q.last++
	e.state, e.due, e.attempts, e.order = state, time.Now(), 0, q.last
	return nil
}
