package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// finish does the effect of c's attempt and completes it in one transaction.
func finish(t *testing.T, db *sql.DB, events *sqlstore.Store, c idempotency.Claim) error {
	return finishWith(t, db, events, c, nil)
}

// finishWith is finish with something to do before the commit.
func finishWith(t *testing.T, db *sql.DB, events *sqlstore.Store, c idempotency.Claim, before func() error) error {
	t.Helper()
	ctx := idempotency.WithAttempt(t.Context(), idempotency.Attempt{Key: c.Key, Number: 1, Token: c.Token, Owner: c.Owner})
	return inTx(t, db, nil, func(tx *sql.Tx) error {
		if err := effect(ctx, tx); err != nil {
			return err
		}
		if err := events.CompleteTx(ctx, tx); err != nil || before == nil {
			return err
		}
		return before()
	})
}

func stateOf(t *testing.T, events *sqlstore.Store, key idempotency.Key) (rec idempotency.Record, won bool) {
	t.Helper()
	rec, won, err := events.Claim(t.Context(), key, idempotency.Terms{Owner: idempotency.NewOwner(), Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return rec, won
}

func TestCompleteTxCommitsRecordAndEffectTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var told []idempotency.EventKind
		events := newEvents(t, db, d, nil)
		leased := &idempotency.Leased{Store: events, Observe: func(_ context.Context, e idempotency.Event) { told = append(told, e.Kind) }}
		boom := errors.New("boom")
		run := func(then error) error {
			_, err := leased.Run(t.Context(), key, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
				return nil, inTx(t, db, nil, func(tx *sql.Tx) error {
					return errors.Join(effect(ctx, tx), events.CompleteTx(ctx, tx), then)
				})
			})
			return err
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
		if got := told[len(told)-2]; got != idempotency.EventCompleted {
			t.Errorf("the observer was told %v", told)
		}
	})
}

// A snapshot that is older than the last renewal: at READ COMMITTED the transaction
// completes its lease all the same; above, the database may call that a conflict,
// and then neither of them is committed.
func TestARenewalSinceTheSnapshotIsNoLoss(t *testing.T) {
	t.Parallel()
	eachSnapshot(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect, conflicts func(sql.IsolationLevel) bool) {
		events := newEvents(t, db, d, nil)
		completed := 0
		for i, level := range levels(d) {
			c := claim(t, events, level.String(), time.Hour)
			ctx := idempotency.WithAttempt(t.Context(), idempotency.Attempt{Key: c.Key, Number: 1, Token: c.Token, Owner: c.Owner})
			err := inTx(t, db, &sql.TxOptions{Isolation: level}, func(tx *sql.Tx) error {
				readBoth(t, tx, d, level)
				if err := events.Renew(ctx, c, 2*time.Hour); err != nil { // not the same row again
					t.Fatal(err)
				}
				return errors.Join(effect(ctx, tx), events.CompleteTx(ctx, tx))
			})
			want := idempotency.Claimed
			if !conflicts(level) {
				want = idempotency.Done
				completed++
			}
			if rec, _ := stateOf(t, events, c.Key); (err == nil) != (want == idempotency.Done) || rec.State != want {
				t.Errorf("%v: error %v, and the record is %v, want it %v", level, err, rec.State, want)
			}
			checkCounts(t, db, i+1, completed)
		}
	})
}

// The renewals go on until the work returns, and must not take its own completion
// for a loss.
func TestARenewalAfterACompletionIsNoLoss(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		leased := &idempotency.Leased{Store: events, Lease: 300 * time.Millisecond, Observe: func(_ context.Context, e idempotency.Event) {
			if e.Kind == idempotency.EventLost {
				t.Errorf("told that the lease is lost: %v", e.Err)
			}
		}}
		_, err := leased.Run(t.Context(), key, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
			err := inTx(t, db, nil, func(tx *sql.Tx) error {
				return errors.Join(effect(ctx, tx), events.CompleteTx(ctx, tx))
			})
			time.Sleep(400 * time.Millisecond)
			return nil, errors.Join(err, ctx.Err())
		})
		if err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// PG-13: the thief is first, so the late owner's transaction must be rolled back.
func TestALateOwnerCannotCompleteAfterAThief(t *testing.T) {
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
func TestAThiefWaitsForACompletionUnderWay(t *testing.T) {
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
					if committed := then == nil; won == committed || committed && rec.State != idempotency.Done {
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

func TestTheThiefsWaitIsBounded(t *testing.T) {
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
				rec, won, err := events.Claim(ctx, keyOf(id), idempotency.Terms{Owner: idempotency.NewOwner(), Lease: time.Hour, MaxAttempts: maxAttempts})
				if won || err != nil || rec.State != idempotency.Claimed {
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

func TestOfOwnerAndThiefOneCommits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(8)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		const rounds = 25
		for range rounds {
			key := keyOf(time.Now().String())
			claims := make(chan idempotency.Claim, 4)
			claims <- claim(t, events, key.ID, time.Millisecond)
			var g errgroup.Group
			for range cap(claims) {
				g.Go(func() error {
					time.Sleep(rand.N(3 * time.Millisecond))
					terms := idempotency.Terms{Owner: idempotency.NewOwner(), Lease: rand.N(4*time.Millisecond) + 1}
					rec, won, err := events.Claim(t.Context(), key, terms)
					if won {
						finishAnyway(t, db, events, idempotency.Claim{Key: key, Owner: terms.Owner, Token: rec.Token})
					}
					return err
				})
			}
			finishAnyway(t, db, events, <-claims)
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
			if rec, won := stateOf(t, events, key); won || rec.State != idempotency.Done {
				t.Errorf("record %v, won %v, want that somebody has completed it", rec.State, won)
			}
		}
		checkCounts(t, db, rounds, rounds)
	})
}

// finishAnyway finishes c, from BEGIN if the database finds a conflict.
func finishAnyway(t *testing.T, db *sql.DB, events *sqlstore.Store, c idempotency.Claim) {
	for {
		err := finish(t, db, events, c)
		if err == nil || errors.Is(err, idempotency.ErrLeaseLost) || t.Context().Err() != nil {
			return
		}
		time.Sleep(rand.N(2 * time.Millisecond))
	}
}

func TestCompleteTxIsForLeases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			if err := events.CompleteTx(ctx, tx); err == nil {
				t.Error("inside of RunTx: got no error")
			}
			if err := events.CompleteTx(t.Context(), tx); err == nil {
				t.Error("outside of a runner: got no error")
			}
			return effect(ctx, tx)
		})
		if err != nil {
			t.Error(err)
		}
	})
}
