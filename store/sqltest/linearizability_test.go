package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A call is one call of a store's method, and an outcome what it returned.
type (
	call struct {
		method string
		claim  lease.Claim // its Token is 0 for Claim
		short  bool        // the lease may end at once
	}
	outcome struct {
		ok  bool
		rec lease.Record
	}
)

// A register is what a record is in a world where calls take no time.
type register struct {
	state lease.State
	owner lease.Owner
	token int64
	short bool
}

// claims is the sequential specification of a store, for each key.
var claims = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		byKey := map[idempotency.Key][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(call).claim.Key
			byKey[key] = append(byKey[key], op)
		}
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		return state.(register).step(input.(call), output.(outcome))
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(call), output.(outcome)
		return fmt.Sprintf("%s %.2x/%d -> %v %v", in.method, in.claim.Owner, in.claim.Token, out.ok, out.rec.State)
	},
}

// step reports whether the call may have that outcome, and what it leaves.
func (r register) step(c call, o outcome) (bool, register) {
	if c.method == "Claim" {
		return r.stepClaim(c, o)
	}
	current := r.state == lease.Claimed && r.owner == c.claim.Owner && r.token == c.claim.Token
	if !current {
		// What its own claim has ended may be ended in the same way again.
		ended := r.state == lease.Done
		if c.method == "Release" {
			ended = r.state == lease.Released
		}
		again := ended && r.owner == c.claim.Owner && r.token == c.claim.Token
		return o.ok == again, r
	}
	switch c.method {
	case "Complete":
		r.state = lease.Done
	case "Release":
		r.state = lease.Released
	case "Renew":
		r.short = c.short
	}
	return o.ok, r
}

func (r register) stepClaim(c call, o outcome) (bool, register) {
	if !o.ok {
		stands := r.state == lease.Done || r.state == lease.Claimed // a short lease may not have ended yet
		return stands && o.rec.State == r.state && o.rec.Owner == r.owner && o.rec.Token == r.token, r
	}
	free := r.state == 0 || r.state == lease.Released || r.state == lease.Claimed && r.short
	return free && o.rec.Token == r.token+1, register{lease.Claimed, c.claim.Owner, o.rec.Token, c.short}
}

// history records what 6 callers get from s when they claim a few keys, and end
// or renew claims of theirs, late ones too.
func history(t *testing.T, s lease.Store) []porcupine.Operation {
	t.Helper()
	var (
		mu    sync.Mutex
		ops   []porcupine.Operation
		start = time.Now()
		wg    sync.WaitGroup
		scope = fmt.Sprint(t.Name(), rand.Uint64())
	)
	for client := range 6 {
		wg.Go(func() {
			var mine []lease.Claim
			for range 24 {
				c := nextCall(scope, mine)
				op := porcupine.Operation{ClientId: client, Input: c, Call: time.Since(start).Nanoseconds()}
				out, err := c.on(t.Context(), s)
				op.Output, op.Return = out, time.Since(start).Nanoseconds()
				if err != nil {
					t.Errorf("%s: %v", c.method, err)
					return
				}
				if c.method == "Claim" && out.ok {
					c.claim.Token = out.rec.Token
					mine = append(mine, c.claim)
				}
				mu.Lock()
				ops = append(ops, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return ops
}

func nextCall(scope string, mine []lease.Claim) call {
	short := rand.N(3) > 0
	if len(mine) == 0 || rand.N(2) == 0 {
		key := idempotency.Key{Scope: scope, ID: fmt.Sprint(rand.N(5))}
		return call{"Claim", lease.Claim{Key: key, Owner: lease.NewOwner()}, short}
	}
	method := []string{"Complete", "Release", "Release", "Release", "Renew", "Renew"}[rand.N(6)]
	return call{method, mine[rand.N(len(mine))], short}
}

// on makes the call.
func (c call) on(ctx context.Context, s lease.Store) (o outcome, err error) {
	length := time.Hour
	if c.short {
		length = time.Microsecond
	}
	switch c.method {
	case "Claim":
		o.rec, o.ok, err = s.Claim(ctx, c.claim.Key, lease.Terms{Owner: c.claim.Owner, Lease: length})
		return o, err
	case "Complete":
		err = s.Complete(ctx, c.claim, nil)
	case "Release":
		err = s.Release(ctx, c.claim, lease.Failure{})
	case "Renew":
		err = s.Renew(ctx, c.claim, length)
	}
	if errors.Is(err, idempotency.ErrLeaseLost) {
		return o, nil
	}
	return outcome{ok: err == nil}, err
}

func linearizable(t *testing.T, s lease.Store) bool {
	t.Helper()
	result := porcupine.CheckOperationsTimeout(claims, history(t, s), time.Minute)
	if result == porcupine.Unknown {
		t.Error("the checker came to no end")
	}
	return result != porcupine.Illegal
}

func newMemory(t *testing.T) lease.Store {
	t.Helper()
	s, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore_Linearizable(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, s lease.Store) {
		for round := range 12 {
			if !linearizable(t, s) {
				t.Errorf("round %d: no order of the calls explains what they returned", round)
			}
		}
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		check(t, newMemory(t))
	})
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(8)
		check(t, newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second}))
	})
}

// flawed is a store that loses one of its rules now and then.
type flawed struct {
	lease.Store
	method string
}

func (f flawed) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	rec, won, err := f.Store.Claim(ctx, key, terms)
	switch f.method {
	case "Claim": // two winners
		rec.Token += map[bool]int64{false: 1}[won]
		won = true
	case "stale": // tells a loser what was, not what is
		rec.State = map[bool]lease.State{true: rec.State, false: lease.Claimed}[won]
	}
	return rec, won, err
}

func (f flawed) unfenced(method string, err error) error {
	if f.method == method && errors.Is(err, idempotency.ErrLeaseLost) {
		return nil
	}
	return err
}

func (f flawed) Complete(ctx context.Context, c lease.Claim, r *idempotency.Result) error {
	return f.unfenced("Complete", f.Store.Complete(ctx, c, r))
}

func (f flawed) Release(ctx context.Context, c lease.Claim, why lease.Failure) error {
	return f.unfenced("Release", f.Store.Release(ctx, c, why))
}

func (f flawed) Renew(ctx context.Context, c lease.Claim, length time.Duration) error {
	return f.unfenced("Renew", f.Store.Renew(ctx, c, length))
}

func TestLinearizability_FlawedStore(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Claim", "stale", "Complete", "Release", "Renew"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			for range 50 {
				if !linearizable(t, flawed{newMemory(t), method}) {
					return
				}
			}
			t.Error("not caught in 50 rounds")
		})
	}
}
