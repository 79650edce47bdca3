package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// database/sql sends a statement again on another connection if the driver says that
// it was not executed, and not every driver knows.
func TestClaim_SentAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour}
		for range 2 {
			rec, won, err := events.Claim(t.Context(), key, terms)
			if !won || err != nil || rec.Token != 1 || rec.Attempts != 1 {
				t.Errorf("won %v, error %v, token %d, attempt %d; want that it has won with token 1", won, err, rec.Token, rec.Attempts)
			}
		}
	})
}

func TestClaim_LockedRecord(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has no locks of rows
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond})
		for _, maxAttempts := range []int{0, 1} { // to be taken over, to be made Dead
			c := claim(t, events, fmt.Sprint(maxAttempts), time.Millisecond)
			time.Sleep(5 * time.Millisecond)
			err := inTx(t, db, nil, func(tx *sql.Tx) error {
				lockRow(t, tx, d, sqlstore.DefaultTable, c.Key)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour, MaxAttempts: maxAttempts}
				rec, won, err := events.Claim(ctx, c.Key, terms)
				if won || err != nil || rec.State != lease.Claimed {
					t.Errorf("MaxAttempts %d: got %v, won %v, error %v, want that it is claimed",
						maxAttempts, rec.State, won, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// To make an event Dead whose attempts are used up is for the record that the claim
// has seen, and its owner may complete it meanwhile.
func TestClaim_CompletedMeanwhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has no locks of rows
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		c := claim(t, events, key.ID, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		var g errgroup.Group
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			lockRow(t, tx, d, sqlstore.DefaultTable, key)
			g.Go(func() error {
				terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour, MaxAttempts: 1}
				rec, won, err := events.Claim(t.Context(), key, terms)
				if won || rec.State != lease.Done {
					t.Errorf("got %v, won %v, want that it is done", rec.State, won)
				}
				return err
			})
			time.Sleep(200 * time.Millisecond) // it waits for this transaction now
			return events.CompleteTx(t.Context(), tx, c)
		})
		if err := errors.Join(err, g.Wait()); err != nil {
			t.Error(err)
		}
		if rec, _ := stateOf(t, events, key); rec.State != lease.Done {
			t.Errorf("the record is %v, want done", rec.State)
		}
	})
}

// The values of an INSERT are computed before it waits.
func TestClaim_LeaseStartsAfterWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // the claim's statement does not wait
		}
		const length = 8 * time.Second
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		var g errgroup.Group
		var ended time.Time
		boom := errors.New("boom")
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			if err := events.ClaimTx(t.Context(), tx, key); err != nil {
				return err
			}
			g.Go(func() error {
				_, _, err := events.Claim(t.Context(), key, lease.Terms{Owner: lease.NewOwner(), Lease: length})
				return err
			})
			time.Sleep(length / 4)
			ended = time.Now()
			return boom
		})
		if !errors.Is(err, boom) {
			t.Error(err)
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		// An eighth of its lease is what a claim may lose by a wait.
		rec, won := stateOf(t, events, key)
		if least := length*7/8 - time.Since(ended); won || rec.LeaseLeft < least {
			t.Errorf("%v of the lease are left, won %v, want %v or more", rec.LeaseLeft, won, least)
		}
	})
}

// A lock_timeout of 0 would mean that PostgreSQL waits forever.
func TestClaim_ShortestWait(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{Wait: time.Nanosecond})
	inFlight(t, events, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		rec, won, err := events.Claim(ctx, key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
		if won || err != nil || rec.State != lease.Claimed {
			t.Errorf("got %v, won %v, error %v, want that it is claimed", rec.State, won, err)
		}
	})
}

// The contract of a Store, on every database.
func TestStore_Contract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		storetest.Run(t, func(*testing.T) lease.Store { return events })
	})
}
