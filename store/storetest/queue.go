package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

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
	{"a duplicate is told, with what became of the first", checkDuplicates},
	{"an event whose record is done is a duplicate", checkDoneRecord},
	{"an entry is settled by the holder of its ticket only", checkFence},
	{"retry waits for its delay, and counts", checkRetry},
	{"an entry whose lease has expired is a suspect", checkSuspects},
	{"extending a lease keeps it", checkExtend},
	{"a group has one entry at a time, in order", checkGroup},
	{"a dead entry lets its group go on, and rejoins it last", checkDeadInGroup},
	{"a dead entry is redelivered", checkRedeliver},
	{"entries are listed in order, a page at a time", checkEntries},
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

func checkDequeueOnce(t *queueTrial) {
	if d := t.due(); d.Waiting || d.Suspects {
		t.Errorf("an empty queue has due entries: %+v", d)
	}
	t.add("", "a", "b", "c")
	if d := t.due(); !d.Waiting || d.Suspects {
		t.Errorf("Due: %+v, want waiting entries", d)
	}
	jobs := t.dequeue(2)
	if ids(jobs) != "a b" {
		t.Fatalf("dequeued %q, want the oldest, a and b", ids(jobs))
	}
	if jobs[0].Token != 1 || jobs[0].Attempts != 1 || jobs[0].Age < 0 || jobs[0].Age > time.Minute {
		t.Errorf("got %+v, want token and attempt 1", jobs[0])
	}
	if more := t.dequeue(5); ids(more) != "c" {
		t.Errorf("dequeued %q, want c only", ids(more))
	}
	t.wantState("a", inbox.InFlight)
	t.settle(done(jobs[0]), done(jobs[1]))
	t.wantGone("a")
	t.wantState("c", inbox.InFlight)
	if _, err := t.q.Payload(t.Context(), t.key("a")); !errors.Is(err, idempotency.ErrNoPayload) {
		t.Errorf("Payload of what is done: error %v, want ErrNoPayload", err)
	}
}

func checkDelivery(t *queueTrial) {
	e := t.entry("a", "")
	e.Delivery.Body = append(bytes.Repeat([]byte{0, 0xff, '\''}, 20_000), "\u00e9"...)
	e.Delivery.Tenant, e.Delivery.IDSigned, e.Delivery.Time = "acme", true, time.Unix(1_700_000_000, 0).UTC()
	e.Fingerprint = idempotency.FingerprintOf(e.Delivery.Body)
	empty := t.entry("empty", "")
	empty.Delivery.Body = nil
	t.enqueue(e, empty)
	got, err := t.q.Payload(t.Context(), e.Key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Body, e.Delivery.Body) || got.Type != e.Delivery.Type || got.ID != "a" || got.Tenant != "acme" ||
		!got.IDSigned || !got.Time.Equal(e.Delivery.Time) || got.Header.Get("X-Trace") != "1" {
		t.Errorf("the delivery came back as %+v", got)
	}
	if got, err := t.q.Payload(t.Context(), empty.Key); err != nil || len(got.Body) != 0 {
		t.Errorf("an empty body came back as %q, error %v", got.Body, err)
	}
	jobs := t.dequeue(2)
	if i := slices.IndexFunc(jobs, func(j inbox.Job) bool { return j.Key.ID == "a" }); i < 0 || jobs[i].Fingerprint != e.Fingerprint {
		t.Errorf("the fingerprint was lost: %+v", jobs)
	}
}

func checkDuplicates(t *queueTrial) {
	first := t.entry("a", "")
	first.Fingerprint = idempotency.FingerprintOf([]byte("one"))
	t.enqueue(first)
	other := first
	other.Fingerprint = idempotency.FingerprintOf([]byte("two"))
	unchecked := t.entry("a", "")
	for _, tt := range []struct {
		entry inbox.Entry
		want  inbox.Enqueued
	}{
		{first, inbox.Enqueued{Duplicate: true}},
		{unchecked, inbox.Enqueued{Duplicate: true}},
		{other, inbox.Enqueued{Duplicate: true, Mismatch: true}},
	} {
		if got := t.enqueue(tt.entry, t.entry("n"+rand.Text(), "")); got[0] != tt.want || got[1].Duplicate {
			t.Errorf("got %+v, want %+v and a new entry", got, tt.want)
		}
		if got := t.enqueue(tt.entry); got[0] != tt.want {
			t.Errorf("alone: got %+v, want %+v", got, tt.want)
		}
	}
	j := t.dequeue(1)[0]
	if got := t.enqueue(first); got[0] != (inbox.Enqueued{Duplicate: true}) {
		t.Errorf("in flight: got %+v", got)
	}
	t.settle(inbox.Settlement{Ticket: j.Ticket, Verdict: inbox.Die, Reason: "boom"})
	if got := t.enqueue(first); got[0] != (inbox.Enqueued{Duplicate: true, Dead: true}) {
		t.Errorf("dead: got %+v", got)
	}
}

func checkDoneRecord(t *queueTrial) {
	complete(t, t.key("a"))
	if got := t.enqueue(t.entry("a", ""), t.entry("b", "")); got[0] != (inbox.Enqueued{Duplicate: true, Done: true}) || got[1].Duplicate {
		t.Errorf("got %+v, want a done duplicate and a new entry", got)
	}
	if got := t.enqueue(t.entry("a", "")); got[0] != (inbox.Enqueued{Duplicate: true, Done: true}) {
		t.Errorf("alone: got %+v", got)
	}
	if jobs := t.dequeue(5); ids(jobs) != "b" {
		t.Errorf("dequeued %q, want b", ids(jobs))
	}
}

// complete makes a record that is Done.
func complete(t *queueTrial, key idempotency.Key) {
	t.Helper()
	c := lease.Claim{Key: key, Owner: lease.NewOwner(), Token: 1}
	_, won, err := t.q.Claim(t.Context(), key, lease.Terms{Owner: c.Owner, Lease: time.Minute})
	if err == nil && won {
		err = t.q.Complete(t.Context(), c, nil)
	}
	if err != nil || !won {
		t.Fatalf("completing %v: won %v, error %v", key, won, err)
	}
}

func checkFence(t *queueTrial) {
	t.add("", "a")
	old := t.dequeueFor(1, 50*time.Millisecond, false)[0]
	time.Sleep(100 * time.Millisecond)
	current := t.dequeueFor(1, time.Minute, true)
	if ids(current) != "a" || current[0].Token != 2 || current[0].Attempts != 2 {
		t.Fatalf("dequeued %+v, want a, the second time", current)
	}
	for _, verdict := range []inbox.Verdict{inbox.Done, inbox.Retry, inbox.Die} {
		t.settle(inbox.Settlement{Ticket: old.Ticket, Verdict: verdict})
		t.wantState("a", inbox.InFlight)
	}
	if _, err := t.q.Payload(t.Context(), t.key("a")); err != nil {
		t.Errorf("an old ticket has deleted the payload: %v", err)
	}
	if lost, err := t.q.Extend(t.Context(), []inbox.Ticket{old.Ticket, current[0].Ticket}, time.Minute); err != nil || !slices.Equal(lost, []inbox.Ticket{old.Ticket}) {
		t.Errorf("Extend: lost %v, error %v, want the old ticket", lost, err)
	}
	t.settle(done(current[0]))
	t.wantGone("a")
	t.settle(done(current[0])) // again, as after a lost answer
}

func checkRetry(t *queueTrial) {
	t.add("", "a")
	j := t.dequeue(1)[0]
	t.settle(inbox.Settlement{Ticket: j.Ticket, Verdict: inbox.Retry, Delay: 300 * time.Millisecond, Reason: "boom"})
	s := t.wantState("a", inbox.Waiting)
	if s.Attempts != 1 || s.LastError != "boom" || s.Due <= 0 || s.Due > 300*time.Millisecond {
		t.Errorf("got %+v, want 1 attempt, its error, and the delay", s)
	}
	if jobs := t.dequeue(1); len(jobs) != 0 {
		t.Errorf("dequeued %q before its time", ids(jobs))
	}
	time.Sleep(350 * time.Millisecond)
	jobs := t.dequeue(1)
	if ids(jobs) != "a" || jobs[0].Attempts != 2 {
		t.Fatalf("dequeued %+v, want the second attempt at a", jobs)
	}
	t.settle(inbox.Settlement{Ticket: jobs[0].Ticket, Verdict: inbox.Retry, Uncount: true})
	if s := t.wantState("a", inbox.Waiting); s.Attempts != 1 || s.LastError != "boom" {
		t.Errorf("uncounted: got %+v, want 1 attempt and the error before", s)
	}
	if jobs := t.dequeue(1); ids(jobs) != "a" {
		t.Errorf("dequeued %q, want a at once", ids(jobs))
	}
}

func checkSuspects(t *queueTrial) {
	t.add("", "a", "b")
	t.dequeueFor(2, 50*time.Millisecond, false)
	time.Sleep(100 * time.Millisecond)
	t.add("", "c")
	if d := t.due(); !d.Waiting || !d.Suspects {
		t.Errorf("Due: %+v, want both", d)
	}
	if jobs := t.dequeue(5); ids(jobs) != "c" {
		t.Errorf("dequeued %q, want c, which is no suspect", ids(jobs))
	}
	if jobs := t.dequeueFor(1, time.Minute, true); ids(jobs) != "a" && ids(jobs) != "b" {
		t.Errorf("dequeued %q, want one suspect", ids(jobs))
	}
	if jobs := t.dequeueFor(5, time.Minute, true); len(jobs) != 1 {
		t.Errorf("dequeued %q, want the other suspect", ids(jobs))
	}
	if d := t.due(); d.Waiting || d.Suspects {
		t.Errorf("Due: %+v, want nothing", d)
	}
}

func checkExtend(t *queueTrial) {
	t.add("", "a")
	j := t.dequeueFor(1, 300*time.Millisecond, false)[0]
	if lost, err := t.q.Extend(t.Context(), []inbox.Ticket{j.Ticket}, time.Minute); err != nil || len(lost) > 0 {
		t.Fatalf("Extend: lost %v, error %v", lost, err)
	}
	time.Sleep(350 * time.Millisecond)
	if jobs := t.dequeueFor(1, time.Minute, true); len(jobs) != 0 {
		t.Errorf("dequeued %q, whose lease was extended", ids(jobs))
	}
}

func checkGroup(t *queueTrial) {
	t.add("g", "a", "b", "c")
	t.add("h", "x")
	t.enqueue(t.entry("d", "g"), t.entry("a", "g"), t.entry("e", "g"))
	t.wantState("b", inbox.Blocked)
	jobs := t.dequeue(10)
	if ids(jobs) != "a x" {
		t.Fatalf("dequeued %q, want the first of each group, a and x", ids(jobs))
	}
	t.settle(inbox.Settlement{Ticket: jobs[0].Ticket, Verdict: inbox.Retry})
	t.wantState("b", inbox.Blocked)
	for _, want := range []string{"a", "b", "c", "d", "e"} {
		jobs := t.dequeue(10)
		if ids(jobs) != want {
			t.Fatalf("dequeued %q, want %s", ids(jobs), want)
		}
		t.settle(done(jobs[0]))
	}
	t.settle(done(jobs[1]))
	t.add("g", "f") // the group begins anew
	if jobs := t.dequeue(10); ids(jobs) != "f" {
		t.Errorf("dequeued %q, want f", ids(jobs))
	}
}

func checkDeadInGroup(t *queueTrial) {
	t.enqueue(t.entry("a", "g"), t.entry("b", "g"), t.entry("c", "g"))
	t.settle(inbox.Settlement{Ticket: t.dequeue(1)[0].Ticket, Verdict: inbox.Die})
	b := t.dequeue(10)
	if ids(b) != "b" {
		t.Fatalf("dequeued %q after the death of a, want b", ids(b))
	}
	if err := t.q.Redeliver(t.Context(), t.key("a")); err != nil {
		t.Fatal(err)
	}
	t.wantState("a", inbox.Blocked)
	t.settle(done(b[0]))
	for _, want := range []string{"c", "a"} {
		jobs := t.dequeue(10)
		if ids(jobs) != want {
			t.Fatalf("dequeued %q, want %s", ids(jobs), want)
		}
		t.settle(done(jobs[0]))
	}
}

func checkRedeliver(t *queueTrial) {
	t.add("", "a")
	if err := t.q.Redeliver(t.Context(), t.key("a")); !errors.Is(err, idempotency.ErrNotDead) {
		t.Errorf("Redeliver of what waits: error %v, want ErrNotDead", err)
	}
	if err := t.q.Redeliver(t.Context(), t.key("nothing")); !errors.Is(err, idempotency.ErrNotFound) {
		t.Errorf("Redeliver of nothing: error %v, want ErrNotFound", err)
	}
	complete(t, t.key("done"))
	if err := t.q.Redeliver(t.Context(), t.key("done")); !errors.Is(err, idempotency.ErrNotDead) {
		t.Errorf("Redeliver of what is done: error %v, want ErrNotDead", err)
	}
	t.settle(inbox.Settlement{Ticket: t.dequeue(1)[0].Ticket, Verdict: inbox.Die, Reason: "boom"})
	t.wantState("a", inbox.Dead)
	if jobs := t.dequeueFor(1, time.Minute, true); len(jobs) > 0 {
		t.Errorf("dequeued %q, which is dead", ids(jobs))
	}
	c := lease.Claim{Key: t.key("a"), Owner: lease.NewOwner(), Token: 1}
	terms := lease.Terms{Owner: c.Owner, Lease: time.Minute}
	if _, won, err := t.q.Claim(t.Context(), c.Key, terms); err != nil || !won {
		t.Fatalf("Claim: won %v, error %v", won, err)
	}
	if err := t.q.Release(t.Context(), c, lease.Failure{Reason: "boom", Dead: true}); err != nil {
		t.Fatal(err)
	}
	if err := t.q.Redeliver(t.Context(), t.key("a")); err != nil {
		t.Fatal(err)
	}
	jobs := t.dequeue(1)
	if ids(jobs) != "a" || jobs[0].Attempts != 1 {
		t.Fatalf("dequeued %+v, want the first attempt at a", jobs)
	}
	if _, err := t.q.Payload(t.Context(), t.key("a")); err != nil {
		t.Errorf("the payload is gone: %v", err)
	}
	if rec, won, err := t.q.Claim(t.Context(), c.Key, terms); err != nil || !won {
		t.Errorf("the record is %v, error %v, want it free", rec.State, err)
	}
}

func checkEntries(t *queueTrial) {
	var want []string
	for i := range 7 {
		id := fmt.Sprint("e", i)
		want = append(want, id)
		t.add("", id)
	}
	var got []string
	var after *inbox.Status
	for pages := 0; ; pages++ {
		page, err := t.q.Entries(t.Context(), t.endpoint, inbox.Waiting, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page {
			got = append(got, s.Key.ID)
			if s.State != inbox.Waiting || s.Key.Scope != t.endpoint || s.Age < 0 {
				t.Errorf("listed %+v", s)
			}
		}
		if len(page) < 3 {
			break
		}
		if pages > 5 {
			t.Fatal("the pages do not end")
		}
		after = &page[2]
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if page, err := t.q.Entries(t.Context(), t.endpoint, inbox.Dead, nil, 3); err != nil || len(page) > 0 {
		t.Errorf("dead entries: %v, error %v, want none", page, err)
	}
}

func checkEndpoints(t *queueTrial) {
	tenant := t.entry("a", "")
	tenant.Key.Scope = t.endpoint + "/acme"
	other := t.entry("a", "")
	other.Key.Scope = t.endpoint + "x"
	t.enqueue(t.entry("a", ""), tenant, other)
	jobs := t.dequeue(10)
	if len(jobs) != 2 {
		t.Fatalf("dequeued %v, want the endpoint's and its tenant's", jobs)
	}
	scopes := []string{jobs[0].Key.Scope, jobs[1].Key.Scope}
	slices.Sort(scopes)
	if !slices.Equal(scopes, []string{t.endpoint, t.endpoint + "/acme"}) {
		t.Errorf("dequeued entries of %q", scopes)
	}
}

func checkQueueKeys(t *queueTrial) {
	names := []string{"a", "A", "a ", " a", "a\x00", "\xff\xfe", "\u00e9", "e\u0301", "'; --", `\`, strings.Repeat("x", idempotency.MaxKeyBytes)}
	for _, id := range names {
		t.add("", id)
	}
	for _, id := range names {
		if got := t.enqueue(t.entry(id, "")); !got[0].Duplicate {
			t.Errorf("%q was enqueued twice", id)
		}
	}
	jobs := t.dequeue(100)
	if len(jobs) != len(names) {
		t.Fatalf("dequeued %d entries, want %d", len(jobs), len(names))
	}
	for _, j := range jobs {
		if p, err := t.q.Payload(t.Context(), j.Key); err != nil || utf8.ValidString(j.Key.ID) && p.ID != j.Key.ID { // JSON holds no others
			t.Errorf("%q has the payload of %q, error %v", j.Key.ID, p.ID, err)
		}
		t.settle(done(j))
	}
}

func checkConcurrentDequeue(t *queueTrial) {
	const n = 60
	for i := range n {
		t.add("", fmt.Sprint("e", i))
	}
	var mu sync.Mutex
	taken := make(map[string]int)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for {
				jobs, err := t.q.Dequeue(t.Context(), t.endpoint, 4, time.Minute, false)
				if err != nil {
					t.Errorf("Dequeue: %v", err)
					return
				}
				var all []inbox.Settlement
				mu.Lock()
				for _, j := range jobs {
					taken[j.Key.ID]++
					all = append(all, done(j))
				}
				left := n - len(taken)
				mu.Unlock()
				if len(all) > 0 {
					if err := t.q.Settle(t.Context(), all); err != nil {
						t.Errorf("Settle: %v", err)
						return
					}
				}
				if left == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	for id, times := range taken {
		if times != 1 {
			t.Errorf("%s was dequeued %d times", id, times)
		}
	}
}

func checkConcurrentEnqueue(t *queueTrial) {
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		added := 0
		for range 6 {
			wg.Go(func() {
				r, err := t.q.Enqueue(t.Context(), []inbox.Entry{t.entry(fmt.Sprint("e", round), ""), t.entry(rand.Text(), "")})
				if err != nil {
					t.Errorf("Enqueue: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if !r[0].Duplicate {
					added++
				}
				if r[1].Duplicate {
					t.Error("a new entry was called a duplicate")
				}
			})
		}
		wg.Wait()
		if added != 1 {
			t.Errorf("%d of 6 copies were new, want 1", added)
		}
	}
}

func checkConcurrentGroups(t *queueTrial) {
	const groups, each = 3, 12
	var accepted sync.Map // of group: []string
	var wg sync.WaitGroup
	for g := range groups {
		name := fmt.Sprint("g", g)
		wg.Go(func() {
			var order []string
			for i := range each {
				id := fmt.Sprint(name, "-", i)
				if _, err := t.q.Enqueue(t.Context(), []inbox.Entry{t.entry(id, name)}); err != nil {
					t.Errorf("Enqueue: %v", err)
				}
				order = append(order, id)
			}
			accepted.Store(name, order)
		})
	}
	var mu sync.Mutex
	busy := make(map[string]bool)
	orders := make(map[string][]string)
	total := 0
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				jobs, err := t.q.Dequeue(ctx, t.endpoint, 2, time.Minute, false)
				if err != nil {
					t.Errorf("Dequeue: %v", err)
					return
				}
				mu.Lock()
				for _, j := range jobs {
					name, _, _ := strings.Cut(j.Key.ID, "-")
					if busy[name] {
						t.Errorf("two of group %s at once", name)
					}
					busy[name] = true
					orders[name] = append(orders[name], j.Key.ID)
				}
				mu.Unlock()
				for _, j := range jobs {
					name, _, _ := strings.Cut(j.Key.ID, "-")
					mu.Lock()
					busy[name] = false
					total++
					mu.Unlock()
					if err := t.q.Settle(ctx, []inbox.Settlement{done(j)}); err != nil {
						t.Errorf("Settle: %v", err)
					}
				}
				mu.Lock()
				all := total == groups*each
				mu.Unlock()
				if all {
					return
				}
				if len(jobs) == 0 {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	for g := range groups {
		name := fmt.Sprint("g", g)
		want, _ := accepted.Load(name)
		if !slices.Equal(orders[name], want.([]string)) {
			t.Errorf("group %s was processed in the order %v", name, orders[name])
		}
	}
}

func checkQueueContext(t *queueTrial) {
	t.add("", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := t.q.Enqueue(ctx, []inbox.Entry{t.entry("b", "")}); err == nil {
		t.Error("Enqueue returned no error")
	}
	if _, err := t.q.Dequeue(ctx, t.endpoint, 1, time.Minute, false); err == nil {
		t.Error("Dequeue returned no error")
	}
	t.wantGone("b")
	t.wantState("a", inbox.Waiting)
}
