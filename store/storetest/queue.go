package storetest

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A QueueStore is a queue beside the records that it looks at.
type QueueStore interface {
	inbox.Queue
	lease.Store
}

// RunQueue checks the queues that newStore returns against the contract of
// [inbox.Queue], in subtests of t. It is for implementations; newStore is as for [Run].
func RunQueue(t *testing.T, newStore func(t *testing.T) QueueStore) {
	for _, c := range queueChecks {
		t.Run(c.name, func(t *testing.T) {
			q := &queueTrial{T: t, q: newStore(t), endpoint: "q" + strings.ToLower(rand.Text()[:12])}
			c.run(q)
		})
	}
}

type queueCheck struct {
	name string
	run  func(t *queueTrial)
}

var queueChecks = []queueCheck{
	{"what was enqueued is dequeued once, oldest first", checkDequeueOnce},
	{"a delivery comes back whole", checkDelivery},
	{"a duplicate is reported, with what became of the first", checkDuplicates},
	{"an event whose record is done is a duplicate", checkDoneRecord},
	{"an entry is settled by the holder of its ticket only", checkFence},
	{"retry waits for its delay, and counts", checkRetry},
	{"an entry whose lease has expired is a suspect", checkSuspects},
	{"extending a lease keeps it", checkExtend},
	{"a group has one entry at a time, in order", checkGroup},
	{"a dead entry lets its group go on, and rejoins it last", checkDeadInGroup},
	{"a dead entry is redelivered", checkRedeliver},
	{"entries are listed in order, a page at a time, and counted", checkEntries},
	{"endpoints do not see each other's entries", checkEndpoints},
	{"keys are compared byte for byte", checkQueueKeys},
	{"concurrent dequeues share what is there", checkConcurrentDequeue},
	{"concurrent enqueues of an event add one entry", checkConcurrentEnqueue},
	{"concurrent workers keep the order of groups", checkConcurrentGroups},
	{"a context that has ended changes nothing", checkQueueContext},
}

// A queueTrial is one check of one queue.
type queueTrial struct {
	*testing.T
	q        QueueStore
	endpoint string
}

func (t *queueTrial) key(id string) idempotency.Key {
	return idempotency.Key{Scope: t.endpoint, ID: id}
}

func (t *queueTrial) entry(id, group string) inbox.Entry {
	return inbox.Entry{
		Key:   t.key(id),
		Group: group,
		Delivery: hmacverify.Stored{
			Scheme: "storetest",
			ID:     id,
			Type:   "order.paid",
			Header: http.Header{"X-Trace": {"1"}},
			Body:   []byte(`{"id":"` + id + `"}`),
		},
	}
}

func (t *queueTrial) enqueue(entries ...inbox.Entry) []inbox.Enqueued {
	t.Helper()
	results, err := t.q.Enqueue(t.Context(), entries)
	if err != nil {
		t.Fatalf("Enqueue: %v", err)
	}
	if len(results) != len(entries) {
		t.Fatalf("Enqueue returned %d results for %d entries", len(results), len(entries))
	}
	return results
}

// add enqueues events, each by itself, so that they are accepted one after the other.
func (t *queueTrial) add(group string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if r := t.enqueue(t.entry(id, group))[0]; r != (inbox.Enqueued{}) {
			t.Fatalf("Enqueue of %s: %+v, want it to be new", id, r)
		}
	}
}

func (t *queueTrial) dequeue(limit int) []inbox.Job {
	t.Helper()
	return t.dequeueFor(limit, time.Minute, false)
}

func (t *queueTrial) dequeueFor(limit int, lease time.Duration, suspects bool) []inbox.Job {
	t.Helper()
	jobs, err := t.q.Dequeue(t.Context(), t.endpoint, limit, lease, suspects)
	if err != nil {
		t.Fatalf("Dequeue: %v", err)
	}
	return jobs
}

func (t *queueTrial) settle(settlements ...inbox.Settlement) {
	t.Helper()
	if err := t.q.Settle(t.Context(), settlements); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

func (t *queueTrial) wantState(id string, want inbox.State) inbox.Status {
	t.Helper()
	s, err := t.q.Entry(t.Context(), t.key(id))
	if err != nil || s.State != want {
		t.Errorf("%s is %v, error %v, want %v", id, s.State, err, want)
	}
	return s
}

func (t *queueTrial) wantGone(id string) {
	t.Helper()
	if s, err := t.q.Entry(t.Context(), t.key(id)); !errors.Is(err, idempotency.ErrNotFound) {
		t.Errorf("%s: got %+v, error %v, want no entry", id, s, err)
	}
}

func (t *queueTrial) due() inbox.Due {
	t.Helper()
	due, err := t.q.Due(t.Context(), []string{t.endpoint, t.endpoint + "other"})
	if err != nil || len(due) > 1 {
		t.Fatalf("Due: %+v, error %v", due, err)
	}
	if len(due) == 0 {
		return inbox.Due{}
	}
	return due[0]
}

func ids(jobs []inbox.Job) string {
	names := make([]string, len(jobs))
	for i, j := range jobs {
		names[i] = j.Key.ID
	}
	return strings.Join(names, " ")
}

func done(j inbox.Job) inbox.Settlement {
	return inbox.Settlement{Ticket: j.Ticket, Verdict: inbox.Done}
}
