package storetest

import (
	"context"
	"fmt"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// An act is what the owner of a claim does to the record.
type act struct {
	name string
	why  string
	do   func(ctx context.Context, s lease.Store, c lease.Claim) error
}

func acts() []act {
	return []act{
		{
			"renew",
			"An owner that has lost its claim would take it back while another works.",
			func(ctx context.Context, s lease.Store, c lease.Claim) error {
				return s.Renew(ctx, c, 3*long)
			},
		},
		{
			"complete",
			"An owner that has lost its claim would have its effect stand beside another's.",
			func(ctx context.Context, s lease.Store, c lease.Claim) error {
				return s.Complete(ctx, c, &idempotency.Result{Status: 299})
			},
		},
		{
			"release",
			"An owner that has lost its claim would free the key while another works, and a third would start.",
			func(ctx context.Context, s lease.Store, c lease.Claim) error {
				return s.Release(ctx, c, lease.Failure{Reason: "too late"})
			},
		},
	}
}

// A loss is a way in which a claim is not current.
type loss struct {
	name string
	make func(t *trial) lease.Claim // of t.key, with marked terms
	only string                     // the act that it is a loss for; "" means all
	not  string                     // the act that it is no loss for, as it is the same again
}

func losses() []loss {
	return []loss{
		{name: "with another owner", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			c.Owner = lease.NewOwner()
			return c
		}},
		{name: "with a later token", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			c.Token++
			return c
		}},
		{name: "with an earlier token", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			t.release(c, lease.Failure{})
			c, _ = t.win(t.key, marked(long))
			c.Token--
			return c
		}},
		{name: "with the claim of another key", make: func(t *trial) lease.Claim {
			t.win(t.key, marked(long))
			c, _ := t.win(t.sibling("another"), marked(long))
			c.Key = t.key
			return c
		}},
		{name: "after another has stolen the key", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(short))
			t.steal(t.key, marked(long))
			return c
		}},
		{name: "after another has stolen and completed", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(short))
			thief, _ := t.steal(t.key, marked(long))
			t.complete(thief, &idempotency.Result{Status: 200})
			return c
		}},
		{name: "after a release", not: "release", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			t.release(c, lease.Failure{Reason: "first"})
			return c
		}},
		{name: "after a release and another's claim", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			t.release(c, lease.Failure{Reason: "first"})
			t.win(t.key, marked(long))
			return c
		}},
		{name: "after the event is dead", not: "release", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			t.release(c, lease.Failure{Reason: "first", Dead: true})
			return c
		}},
		{name: "after the event is done, with another owner", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			t.complete(c, &idempotency.Result{Status: 200})
			c.Owner = lease.NewOwner()
			return c
		}},
		{name: "after the event is done, with a later token", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			t.complete(c, &idempotency.Result{Status: 200})
			c.Token++
			return c
		}},
		{name: "after the event is done", only: "release", make: func(t *trial) lease.Claim {
			c, _ := t.win(t.key, marked(long))
			t.complete(c, &idempotency.Result{Status: 200})
			return c
		}},
	}
}

func fenceChecks() []check {
	checks := []check{
		{
			"complete by the owner that has completed changes nothing and reports no error",
			"A caller that lost the answer of Complete would call its own work lost, or overwrite its result.",
			completeTwice,
		},
		{
			"renew by the owner that has completed changes nothing and reports no error",
			"Work that completes its record itself would hear that it has lost its lease.",
			renewDone,
		},
		{
			"complete by the owner that has completed adds a result if there is none",
			"Work that completes its record in its own transaction could not have its answer repeated.",
			completeAddsResult,
		},
		{
			"release by the owner that has released changes nothing and reports no error",
			"A caller that lost the answer of Release would report a lost lease, though none was lost.",
			releaseTwice,
		},
		{
			"the thief of a key can renew, complete and release",
			"An event whose first owner has crashed would never be finished.",
			thiefWorks,
		},
	}
	for _, a := range acts() {
		checks = append(checks, check{
			a.name + " of an unclaimed key reports a lost lease and creates no record",
			"A record without a claim would swallow the event's first delivery.",
			func(t *trial) { actOnNothing(t, a) },
		})
		for _, l := range losses() {
			if l.only != "" && l.only != a.name || l.not == a.name {
				continue
			}
			checks = append(checks, check{
				fmt.Sprintf("%s %s reports a lost lease and changes nothing", a.name, l.name),
				a.why,
				func(t *trial) { actOnLoss(t, a, l) },
			})
		}
	}
	return checks
}

func actOnNothing(t *trial, a act) {
	c := lease.Claim{Key: t.key, Owner: lease.NewOwner(), Token: 1}
	t.wantLost(a.name, a.do(t.Context(), t.store, c))
	terms := terms(long)
	_, rec := t.win(t.key, terms)
	t.wantRecord("record of the first claim", rec, lease.Record{
		State: lease.Claimed, Owner: terms.Owner, Token: 1, Attempts: 1,
	})
}

func actOnLoss(t *trial, a act, l loss) {
	c := l.make(t)
	before := t.peek(t.key)
	t.wantLost(a.name, a.do(t.Context(), t.store, c))
	after := t.peek(t.key)
	t.wantRecord("record after "+a.name, after, before)
	if after.LeaseLeft > before.LeaseLeft+precision {
		t.Errorf("LeaseLeft has grown from %v to %v", before.LeaseLeft, after.LeaseLeft)
	}
}

func completeTwice(t *trial) {
	c, rec := t.win(t.key, terms(long))
	t.complete(c, &idempotency.Result{Status: 200})
	if err := t.store.Complete(t.Context(), c, &idempotency.Result{Status: 299}); err != nil {
		t.Errorf("second Complete = %v, want nil", err)
	}
	rec.State, rec.Result = lease.Done, &idempotency.Result{Status: 200}
	t.wantRecord("record", t.lose(t.key, terms(long)), rec)
}

func completeAddsResult(t *trial) {
	c, rec := t.win(t.key, terms(long))
	t.complete(c, nil)
	t.complete(c, &idempotency.Result{Status: 201})
	t.complete(c, nil)
	rec.State, rec.Result = lease.Done, &idempotency.Result{Status: 201}
	t.wantRecord("record", t.lose(t.key, terms(long)), rec)
}

func releaseTwice(t *trial) {
	for _, dead := range []bool{false, true} {
		key := t.sibling(fmt.Sprint("dead ", dead))
		c, rec := t.win(key, marked(long))
		t.release(c, lease.Failure{Reason: "first", Dead: dead})
		t.release(c, lease.Failure{Reason: "second", Dead: !dead, Uncount: true})
		rec.State, rec.LastError = lease.Released, "first"
		if dead {
			rec.State = lease.Dead
		}
		t.wantRecord("record after the second release", t.peek(key), rec)
	}
}

func renewDone(t *trial) {
	c, rec := t.win(t.key, terms(long))
	t.complete(c, &idempotency.Result{Status: 200})
	if err := t.store.Renew(t.Context(), c, 3*long); err != nil {
		t.Errorf("Renew = %v, want nil", err)
	}
	rec.State, rec.Result = lease.Done, &idempotency.Result{Status: 200}
	t.wantRecord("record", t.lose(t.key, terms(long)), rec)
}

func thiefWorks(t *trial) {
	t.win(t.key, marked(short))
	thief, _ := t.steal(t.key, marked(long))
	t.must("Renew", t.store.Renew(t.Context(), thief, short))
	t.release(thief, lease.Failure{})
	t.win(t.key, marked(short))
	thief, rec := t.steal(t.key, marked(long))
	t.complete(thief, nil)
	rec.State, rec.Stolen = lease.Done, false
	t.wantRecord("record", t.peek(t.key), rec)
}
