package inspect_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// A fakeStore is a queue in memory, with records beside it as the SQL stores keep them.
type fakeStore struct {
	*memstore.Store
	records  map[idempotency.Key]lease.Status
	payloads map[idempotency.Key]hmacverify.Stored
	slow     bool  // Failures looks at one record a call
	err      error // of every call, if it is not nil
}

func newFake() *fakeStore {
	return &fakeStore{
		Store:    new(memstore.Store),
		records:  make(map[idempotency.Key]lease.Status),
		payloads: make(map[idempotency.Key]hmacverify.Stored),
	}
}

func (f *fakeStore) Count(ctx context.Context, endpoint string, state inbox.State, limit int) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Store.Count(ctx, endpoint, state, limit)
}

func (f *fakeStore) Lookup(_ context.Context, key idempotency.Key) (lease.Status, error) {
	if s, ok := f.records[key]; ok {
		return s, f.err
	}
	return lease.Status{}, idempotency.ErrNotFound
}

func (f *fakeStore) Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error) {
	if s, ok := f.payloads[key]; ok {
		return s, f.err
	}
	return f.Store.Payload(ctx, key)
}

// Failures looks at one record at a time if the store is slow.
func (f *fakeStore) Failures(_ context.Context, after idempotency.Key, limit int) (page []lease.Status, next idempotency.Key, err error) {
	less := func(a, b idempotency.Key) int {
		return strings.Compare(a.Scope+"\x00"+a.ID, b.Scope+"\x00"+b.ID)
	}
	for _, key := range slices.SortedFunc(maps.Keys(f.records), less) {
		s := f.records[key]
		if less(key, after) > 0 && f.slow {
			if s.State != lease.Dead && s.State != lease.Released {
				return nil, key, f.err
			}
			return []lease.Status{s}, key, f.err
		}
		if less(key, after) <= 0 || s.State != lease.Dead && s.State != lease.Released {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].Key, f.err
		}
		page = append(page, s)
	}
	return page, idempotency.Key{}, f.err
}

func (f *fakeStore) Retry(_ context.Context, key idempotency.Key) error {
	s, ok := f.records[key]
	if !ok || s.State != lease.Dead {
		return idempotency.ErrNotDead
	}
	s.State = lease.Released
	f.records[key] = s
	return nil
}

func (f *fakeStore) Forget(_ context.Context, key idempotency.Key) error {
	if _, ok := f.records[key]; !ok {
		return idempotency.ErrNotFound
	}
	delete(f.records, key)
	return nil
}

// enqueue adds entries that wait.
func (f *fakeStore) enqueue(t *testing.T, keys ...idempotency.Key) {
	t.Helper()
	for _, key := range keys {
		entry := inbox.Entry{Key: key, Delivery: hmacverify.Stored{Scheme: "test", Body: []byte(`{"n":1}`)}}
		if _, err := f.Enqueue(t.Context(), []inbox.Entry{entry}); err != nil {
			t.Fatal(err)
		}
	}
}

// kill adds entries that are dead, with the reason.
func (f *fakeStore) kill(t *testing.T, reason string, keys ...idempotency.Key) {
	t.Helper()
	f.enqueue(t, keys...)
	for _, key := range keys {
		jobs, err := f.Dequeue(t.Context(), key.Endpoint(), 1, inbox.DefaultLease, false)
		if err != nil || len(jobs) != 1 || jobs[0].Key != key {
			t.Fatalf("dequeued %v, error %v, want %v", jobs, err, key)
		}
		err = f.Settle(t.Context(), []inbox.Settlement{{Ticket: jobs[0].Ticket, Verdict: inbox.Die, Reason: reason}})
		if err != nil {
			t.Fatal(err)
		}
	}
}
