package storetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
)

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
	for limit, want := range map[int]int{3: 3, 100: 7} {
		if n, err := t.q.Count(t.Context(), t.endpoint, inbox.Waiting, limit); err != nil || n != want {
			t.Errorf("counted %d with the limit %d, error %v, want %d", n, limit, err, want)
		}
	}
	if n, err := t.q.Count(t.Context(), t.endpoint, inbox.Dead, 3); err != nil || n != 0 {
		t.Errorf("counted %d dead entries, error %v, want none", n, err)
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
