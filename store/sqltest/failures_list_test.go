package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func keyOf(id string) idempotency.Key { return idempotency.Key{Scope: "test", ID: id} }

// fails runs id once with work that returns err.
func fails(t *testing.T, events *sqlstore.Store, id string, err error) {
	t.Helper()
	got := events.RunTx(t.Context(), keyOf(id), func(context.Context, *sql.Tx) error { return err })
	if !errors.Is(got, err) {
		t.Fatalf("%s: got %v, want the work's error", id, got)
	}
}

func claim(t *testing.T, events *sqlstore.Store, id string, lease time.Duration) idempotency.Claim {
	t.Helper()
	terms := idempotency.Terms{Owner: idempotency.NewOwner(), Lease: lease}
	rec, won, err := events.Claim(t.Context(), keyOf(id), terms)
	if !won || err != nil {
		t.Fatalf("claim of %s: won %v, error %v", id, won, err)
	}
	return idempotency.Claim{Key: keyOf(id), Owner: terms.Owner, Token: rec.Token}
}

// failures lists all failures, page by page, without their ages.
func failures(t *testing.T, events *sqlstore.Store, page int) (all []sqlstore.FailedEvent) {
	t.Helper()
	var after idempotency.Key
	for {
		failed, err := events.Failures(t.Context(), after, page)
		if err != nil {
			t.Fatal(err)
		}
		for i := range failed {
			if age := failed[i].Age; age < 0 || age > time.Minute {
				t.Errorf("%v is %v old", failed[i].Key, age)
			}
			failed[i].Age = 0
		}
		if all = append(all, failed...); len(failed) < page {
			return all
		}
		after = failed[len(failed)-1].Key
	}
}

func TestFailuresListsWhatIsNotDone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		fails(t, events, "1 thrice", errors.New("first"))
		fails(t, events, "1 thrice", errors.New("second"))
		fails(t, events, "1 thrice", errors.New("third"))
		fails(t, events, "2 for good", idempotency.Permanent(errors.New("never")))
		fails(t, events, "3 then done", errors.New("once"))
		fails(t, events, "3 then done", nil)
		claim(t, events, "4 crashed", time.Millisecond)
		c := claim(t, events, "5 released", time.Hour)
		if err := events.Release(t.Context(), c, idempotency.Failure{Reason: "why"}); err != nil {
			t.Fatal(err)
		}
		claim(t, events, "6 at work", time.Hour)
		fails(t, events, "7 done", nil)
		fails(t, events, "8 long", errors.New("\x00\xff"+strings.Repeat("€", 1000)))
		time.Sleep(5 * time.Millisecond)

		want := []sqlstore.FailedEvent{
			{Key: keyOf("1 thrice"), State: idempotency.Released, Attempts: 3, LastError: "third"},
			{Key: keyOf("2 for good"), State: idempotency.Dead, Attempts: 1, LastError: "never"},
			{Key: keyOf("4 crashed"), State: idempotency.Claimed, Attempts: 1},
			{Key: keyOf("5 released"), State: idempotency.Released, Attempts: 1, LastError: "why"},
			{Key: keyOf("8 long"), State: idempotency.Released, Attempts: 1, LastError: "\uFFFD\uFFFD" + strings.Repeat("€", 168)},
		}
		for _, page := range []int{1, 2, 5, 100} {
			if diff := cmp.Diff(want, failures(t, events, page)); diff != "" {
				t.Errorf("in pages of %d (-want +got):\n%s", page, diff)
			}
		}
	})
}

func TestRetryFreesADeadEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2})
		boom := errors.New("boom")
		notDead := func(when string) {
			t.Helper()
			if err := events.Retry(t.Context(), key); !errors.Is(err, sqlstore.ErrNotDead) {
				t.Errorf("%s: got %v, want ErrNotDead", when, err)
			}
		}
		notDead("unknown event")
		for range 2 {
			fails(t, events, key.ID, boom)
			if err := events.RunTx(t.Context(), keyOf("other"), effect); err != nil && !errors.Is(err, idempotency.ErrDuplicate) {
				t.Error(err)
			}
		}
		if err := events.RunTx(t.Context(), keyOf(key.ID), effect); !errors.Is(err, idempotency.ErrDead) {
			t.Errorf("got %v, want ErrDead", err)
		}
		if err := events.Retry(t.Context(), key); err != nil {
			t.Error(err)
		}
		notDead("twice")
		want := []sqlstore.FailedEvent{{Key: key, State: idempotency.Released, LastError: "boom"}}
		if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		fails(t, events, key.ID, boom)
		if err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			if a, _ := idempotency.AttemptFrom(ctx); a.Number != 2 {
				t.Errorf("attempt %d, want 2", a.Number)
			}
			return effect(ctx, tx)
		}); err != nil {
			t.Error(err)
		}
		notDead("done event")
	})
}

func TestRetryFreesNoOtherEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		var want []sqlstore.FailedEvent
		for _, key := range siblings {
			err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
				return idempotency.Permanent(errors.New("boom"))
			})
			if !idempotency.IsPermanent(err) {
				t.Error(err)
			}
			want = append(want, sqlstore.FailedEvent{Key: key, State: idempotency.Dead, Attempts: 1, LastError: "boom"})
		}
		for i, key := range siblings {
			if err := events.Retry(t.Context(), key); err != nil {
				t.Errorf("%v: %v", key, err)
			}
			want[i].State, want[i].Attempts = idempotency.Released, 0
			if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
				t.Errorf("failures after %v (-want +got):\n%s", key, diff)
			}
		}
	})
}

// Attempts may be used up by crashes, which nobody records: the claim that finds
// it says so for good.
func TestAnEventThatCrashedTooOftenStaysDead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 1})
		claim(t, events, key.ID, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDead) {
			t.Errorf("got %v, want ErrDead", err)
		}
		want := []sqlstore.FailedEvent{{Key: key, State: idempotency.Dead, Attempts: 1}}
		if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		if err := events.Retry(t.Context(), key); err != nil {
			t.Error(err)
		}
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// A failure that is recorded late says nothing of an event that somebody else has
// done since, or is doing.
func TestARecordedFailureNeverUndoesASuccess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(8)
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Second})
		const rounds = 8
		for round := range rounds {
			key := keyOf(fmt.Sprint("evt_", round))
			var g errgroup.Group
			var won atomic.Int64
			for range 12 {
				g.Go(func() error {
					boom := errors.New("boom")
					err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
						if err := effect(ctx, tx); err != nil || rand.N(2) == 0 {
							return err
						}
						return boom
					})
					switch {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, boom) && !errors.Is(err, idempotency.ErrDuplicate):
						return err
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Errorf("a run failed: %v", err)
			}
			if err := events.RunTx(t.Context(), key, effect); err == nil {
				won.Add(1)
			}
			if got := won.Load(); got != 1 {
				t.Errorf("%d runs won, want 1", got)
			}
		}
		checkCounts(t, db, rounds, rounds)
		if got := failures(t, events, 10); len(got) > 0 {
			t.Errorf("done, and listed as failed: %v", got)
		}
	})
}

func TestTheObserverIsToldHowARunEnds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var got []string
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2, Observe: func(_ context.Context, e idempotency.Event) {
			got = append(got, fmt.Sprint(e.Key.ID, " ", e.Kind, " ", e.Attempt))
		}})
		fails(t, events, "a", nil)
		fails(t, events, "a", idempotency.ErrDuplicate)
		fails(t, events, "b", errors.New("boom"))
		fails(t, events, "b", errors.New("boom"))
		fails(t, events, "b", idempotency.ErrDead)
		fails(t, events, "c", idempotency.Permanent(errors.New("boom")))
		want := []string{
			"a claimed 1", "a completed 1", "a duplicate 0",
			"b claimed 1", "b released 1", "b claimed 2", "b dead 2", "b dead 0",
			"c claimed 1", "c dead 1",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestTheObserverIsToldWhyADeliveryIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var got []idempotency.EventKind
		runner := newEvents(t, db, d, &sqlstore.Options{
			Wait:    50 * time.Millisecond,
			Observe: func(_ context.Context, e idempotency.Event) { got = append(got, e.Kind) },
		}).Transactional()
		run := func(content string, during func()) {
			work := func(context.Context) (*idempotency.Result, error) {
				during()
				return nil, nil
			}
			// The error is what the observer is told of.
			runner.Run(t.Context(), key, idempotency.FingerprintOf([]byte(content)), work)
		}
		run("a", func() { run("a", func() {}) })
		run("b", func() {})
		want := []idempotency.EventKind{"claimed", "in_flight", "completed", "mismatch"}
		if d == sqlstore.SQLite {
			want[1] = "store_error" // it cannot tell whose writer it is
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
