package storetest

import (
	"context"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A purger is a store that can delete the records that it need not keep any
// longer. No record of a check is that old: retention is 72 hours or more.
type purger interface {
	Purge(ctx context.Context) (n int, err error)
}

func purgeChecks() []check {
	return []check{{
		"a purge deletes no record within its retention, whatever its state",
		"A repeated event would be applied again, or one that is being worked on be started a second time.",
		purgeSpares,
	}}
}

func purgeSpares(t *trial) {
	p, ok := t.store.(purger)
	if !ok {
		t.Skip("the store has no Purge(context.Context) (int, error)")
	}
	want := map[idempotency.Key]lease.Record{}
	claimed := func(state string) (lease.Claim, idempotency.Key) {
		key := t.sibling(state)
		c, _ := t.win(key, marked(short))
		return c, key
	}
	c, key := claimed("claimed")
	t.must("Renew", t.store.Renew(t.Context(), c, long))
	want[key] = t.peek(key)
	c, key = claimed("released")
	t.release(c, lease.Failure{Reason: "tried"})
	want[key] = t.peek(key)
	c, key = claimed("dead")
	t.release(c, lease.Failure{Reason: "hopeless", Dead: true})
	want[key] = t.peek(key)
	c, key = claimed("done")
	t.complete(c, &idempotency.Result{Status: 200})
	want[key] = t.peek(key)
	_, key = claimed("claimed with an ended lease")
	want[key] = t.peek(key)
	time.Sleep(short + 2*precision)
	for key, rec := range want {
		if _, err := p.Purge(t.Context()); err != nil {
			t.Fatalf("Purge: %v", err)
		}
		t.wantRecord("record "+key.ID+" after a purge", t.peek(key), rec)
	}
}
