package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

func contextChecks() []check {
	checks := []check{
		{
			"a claim under a cancelled context either wins or leaves the key free",
			"An event would stay in flight, without work on it, until the lease expires.",
			cancelledClaim,
		},
		{
			"claims that are cancelled midway leave whole records",
			"A claim that was cut off would leave a record that cannot be completed or taken over.",
			cutOffClaims,
		},
	}
	for _, a := range acts() {
		checks = append(checks, check{
			a.name + " under a cancelled context is done or not, and does not report a lost lease",
			"Work that is done would be thrown away because of a slow database.",
			func(t *trial) { cancelledAct(t, a) },
		})
	}
	return checks
}

func cancelledClaim(t *trial) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	terms := terms(long)
	rec, won, err := t.store.Claim(ctx, t.key, terms)
	switch {
	case err != nil && won:
		t.Errorf("Claim has won and reports the error %v", err)
	case err != nil:
		t.win(t.key, marked(long))
	case !won:
		t.Errorf("Claim of a new key lost to the record %+v", rec)
	default:
		t.wantRecord("record", t.lose(t.key, marked(long)), rec)
	}
}

// cutOffClaims cancels claims after times around those that a claim takes. An
// error may mean that the claim was made, so its record can be there.
func cutOffClaims(t *trial) {
	const n = 40
	errs := make([]error, n)
	key := func(i int) idempotency.Key { return t.sibling(fmt.Sprint("cut off ", i)) }
	for i := range n {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
		rec, won, err := t.store.Claim(ctx, key(i), marked(short))
		cancel()
		errs[i] = err
		if err == nil && !won {
			t.Errorf("Claim of a new key lost to the record %+v", rec)
		}
	}
	for i, err := range errs {
		c, rec := t.steal(key(i), marked(long))
		if rec.Token > 2 || err == nil && rec.Token != 2 {
			t.Errorf("the claim after one that ended with %v has token %d", err, rec.Token)
		}
		t.complete(c, nil)
	}
}

func cancelledAct(t *trial, a act) {
	c, _ := t.win(t.key, marked(long))
	before := t.peek(t.key)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := a.do(ctx, t.store, c)
	if err == nil {
		return // such a store does not look at the context, and has done it
	}
	if errors.Is(err, idempotency.ErrLeaseLost) {
		t.Errorf("%s reports %v, though the lease is held", a.name, err)
	}
	t.wantRecord("record after an error", t.peek(t.key), before)
	t.must(a.name+" with a context that has not ended", a.do(t.Context(), t.store, c))
}
