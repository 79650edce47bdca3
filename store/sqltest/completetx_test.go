package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// finish does the effect of c's attempt and completes it in one transaction.
func finish(t *testing.T, db *sql.DB, events *sqlstore.Store, c lease.Claim) error {
	return finishWith(t, db, events, c, nil)
}

// finishWith is finish with something to do before the commit.
func finishWith(t *testing.T, db *sql.DB, events *sqlstore.Store, c lease.Claim, before func() error) error {
	t.Helper()
	ctx := t.Context()
	return inTx(t, db, nil, func(tx *sql.Tx) error {
		if err := effect(ctx, tx); err != nil {
			return err
		}
		if err := events.CompleteTx(ctx, tx, c); err != nil || before == nil {
			return err
		}
		return before()
	})
}

func stateOf(t *testing.T, events *sqlstore.Store, key idempotency.Key) (rec lease.Record, won bool) {
	t.Helper()
	rec, won, err := events.Claim(t.Context(), key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return rec, won
}

func TestCompleteTx_CommitsWithEffect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var observed []idempotency.Kind
		events := newEvents(t, db, d, nil)
		leases := newLeases(t, events, &lease.Options{Observe: func(_ context.Context, e idempotency.Event) { observed = append(observed, e.Kind) }})
		boom := errors.New("boom")
		run := func(then error) error {
			return leases.Do(t.Context(), key, func(ctx context.Context, c lease.Claim) error {
				return inTx(t, db, nil, func(tx *sql.Tx) error {
					return errors.Join(effect(ctx, tx), events.CompleteTx(ctx, tx, c), then)
				})
			})
		}
		if err := run(boom); !errors.Is(err, boom) {
			t.Errorf("got %v, want the work's error", err)
		}
		checkCounts(t, db, 1, 0)
		if err := run(nil); err != nil {
			t.Errorf("the runner does not find the event completed: %v", err)
		}
		if err := run(nil); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("got %v, want ErrDuplicate", err)
		}
		checkCounts(t, db, 1, 1)
		want := []idempotency.Kind{"claimed", "failed", "claimed", "completed", "duplicate"}
		if diff := cmp.Diff(want, observed); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// A snapshot that is older than the last renewal: at READ COMMITTED the transaction
// completes its lease all the same; above, the database may call that a conflict,
// and then neither of them is committed.
func TestCompleteTx_RenewalSinceSnapshot(t *testing.T) {
	t.Parallel()
	eachSnapshot(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect, conflicts func(sql.IsolationLevel) bool) {
		events := newEvents(t, db, d, nil)
		completed := 0
		for i, level := range levels(d) {
			c := claim(t, events, level.String(), time.Hour)
			ctx := t.Context()
			err := inTx(t, db, &sql.TxOptions{Isolation: level}, func(tx *sql.Tx) error {
				readBoth(t, tx, d, level)
				if err := events.Renew(ctx, c, 2*time.Hour); err != nil { // not the same row again
					t.Fatal(err)
				}
				return errors.Join(effect(ctx, tx), events.CompleteTx(ctx, tx, c))
			})
			want := lease.Claimed
			if !conflicts(level) {
				want = lease.Done
				completed++
			}
			if rec, _ := stateOf(t, events, c.Key); (err == nil) != (want == lease.Done) || rec.State != want {
				t.Errorf("%v: error %v, and the record is %v, want it %v", level, err, rec.State, want)
			}
			checkCounts(t, db, i+1, completed)
		}
	})
}

// The renewals go on until the work returns, and must not take its own completion
// for a loss.
func TestCompleteTx_RenewalAfterwards(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		leases := newLeases(t, events, &lease.Options{Lease: 3 * time.Second, Observe: func(_ context.Context, e idempotency.Event) {
			if e.Kind == idempotency.KindLeaseLost || e.Kind == idempotency.KindStoreError {
				t.Errorf("observed %s: %v", e.Kind, e.Err)
			}
		}})
		err := leases.Do(t.Context(), key, func(ctx context.Context, c lease.Claim) error {
			err := inTx(t, db, nil, func(tx *sql.Tx) error {
				return errors.Join(effect(ctx, tx), events.CompleteTx(ctx, tx, c))
			})
			time.Sleep(1200 * time.Millisecond) // one renewal
			return errors.Join(err, ctx.Err())
		})
		if err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// PG-13: the thief is first, so the late owner's transaction must be rolled back.
func TestCompleteTx_LateOwner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		late := claim(t, events, key.ID, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		thief := claim(t, events, key.ID, time.Hour)
		if err := finish(t, db, events, late); !errors.Is(err, idempotency.ErrLeaseLost) {
			t.Errorf("late owner: got %v, want ErrLeaseLost", err)
		}
		checkCounts(t, db, 1, 0)
		if err := finish(t, db, events, thief); err != nil {
			t.Errorf("thief: %v", err)
		}
		if err := finish(t, db, events, late); !errors.Is(err, idempotency.ErrLeaseLost) {
			t.Errorf("late owner, after the thief is done: got %v, want ErrLeaseLost", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// PG-12: the late owner's completion is under way when the thief comes.
func TestCompleteTx_ThiefDuringCommit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		boom := errors.New("boom")
		for id, then := range map[string]error{"commits": nil, "rolls back": boom} {
			late := claim(t, events, id, time.Millisecond)
			time.Sleep(5 * time.Millisecond)
			var g errgroup.Group
			err := finishWith(t, db, events, late, func() error {
				g.Go(func() error {
					rec, won := stateOf(t, events, keyOf(id))
					if committed := then == nil; won == committed || committed && rec.State != lease.Done {
						t.Errorf("the owner %s: the thief has %v, won %v", id, rec.State, won)
					}
					return nil
				})
				time.Sleep(100 * time.Millisecond)
				return then
			})
			if !errors.Is(err, then) {
				t.Errorf("got %v, want %v", err, then)
			}
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
		}
		checkCounts(t, db, 2, 1)
	})
}

func TestCompleteTx_ThiefWaitsBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // finds the database busy
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond})
		for _, maxAttempts := range []int{0, 1} {
			id := time.Duration(maxAttempts).String()
			late := claim(t, events, id, time.Millisecond)
			time.Sleep(5 * time.Millisecond)
			err := finishWith(t, db, events, late, func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				rec, won, err := events.Claim(ctx, keyOf(id), lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour, MaxAttempts: maxAttempts})
				if won || err != nil || rec.State != lease.Claimed {
					t.Errorf("MaxAttempts %d: record %v, won %v, error %v, want that it is claimed", maxAttempts, rec.State, won, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		checkCounts(t, db, 2, 2)
	})
}

func TestCompleteTx_OwnerAndThievesAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(8)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		const rounds = 25
		for range rounds {
			key := keyOf(time.Now().String())
			claims := make(chan lease.Claim, 4)
			claims <- claim(t, events, key.ID, time.Millisecond)
			var g errgroup.Group
			for range cap(claims) {
				g.Go(func() error {
					time.Sleep(rand.N(3 * time.Millisecond))
					terms := lease.Terms{Owner: lease.NewOwner(), Lease: rand.N(4*time.Millisecond) + 1}
					rec, won, err := events.Claim(t.Context(), key, terms)
					if won {
						finishAnyway(t, db, events, lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token})
					}
					return err
				})
			}
			finishAnyway(t, db, events, <-claims)
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
			if rec, won := stateOf(t, events, key); won || rec.State != lease.Done {
				t.Errorf("record %v, won %v, want it completed", rec.State, won)
			}
		}
		checkCounts(t, db, rounds, rounds)
	})
}

// finishAnyway finishes c, from BEGIN if the database finds a conflict.
func finishAnyway(t *testing.T, db *sql.DB, events *sqlstore.Store, c lease.Claim) {
	for {
		err := finish(t, db, events, c)
		if err == nil || errors.Is(err, idempotency.ErrLeaseLost) || t.Context().Err() != nil {
			return
		}
		time.Sleep(rand.N(2 * time.Millisecond))
	}
}

// The record of a RunTx is done already, and has no owner that a claim could name.
func TestCompleteTx_WithoutLease(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			if _, ok := lease.FromContext(ctx); ok {
				t.Error("the work of RunTx has a claim")
			}
			for name, c := range map[string]lease.Claim{"zero": {}, "no token": {Key: key, Owner: lease.NewOwner()}} {
				if err := events.CompleteTx(ctx, tx, c); err == nil || errors.Is(err, idempotency.ErrLeaseLost) {
					t.Errorf("%s claim: got %v, want an error that is not ErrLeaseLost", name, err)
				}
			}
			for name, c := range map[string]lease.Claim{
				"no owner":    {Key: key, Token: 1},
				"other owner": {Key: key, Token: 1, Owner: lease.NewOwner()},
				"no record":   {Key: keyOf("unknown"), Token: 1, Owner: lease.NewOwner()},
			} {
				if err := events.CompleteTx(ctx, tx, c); !errors.Is(err, idempotency.ErrLeaseLost) {
					t.Errorf("%s: got %v, want ErrLeaseLost", name, err)
				}
			}
			return effect(ctx, tx)
		})
		if err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 1)
	})
}
