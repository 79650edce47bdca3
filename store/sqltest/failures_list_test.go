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
	"github.com/hookonce/hookonce/idempotency/lease"
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

func claim(t *testing.T, events *sqlstore.Store, id string, length time.Duration) lease.Claim {
	t.Helper()
	terms := lease.Terms{Owner: lease.NewOwner(), Lease: length}
	rec, won, err := events.Claim(t.Context(), keyOf(id), terms)
	if !won || err != nil {
		t.Fatalf("claim of %s: won %v, error %v", id, won, err)
	}
	return lease.Claim{Key: keyOf(id), Owner: terms.Owner, Token: rec.Token}
}

// failures lists all failures, page by page, without their ages.
func failures(t *testing.T, events *sqlstore.Store, page int) (all []lease.Status) {
	t.Helper()
	var after idempotency.Key
	for {
		failed, next, err := events.Failures(t.Context(), after, page)
		if err != nil {
			t.Fatal(err)
		}
		for i := range failed {
			if age := failed[i].Age; age < 0 || age > time.Minute {
				t.Errorf("%v is %v old", failed[i].Key, age)
			}
			failed[i].Age = 0
		}
		if all = append(all, failed...); next == (idempotency.Key{}) {
			return all
		}
		after = next
	}
}

// A call reads the records batch by batch, and stops after a while; the next one goes on.
func TestFailures_ManyRecords(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		fillRecords(t, db, d, 25_000) // more than two batches; their IDs begin with "done_"
		fails(t, events, "a failure before them", errors.New("first"))
		fails(t, events, "done_00000000000000000000000004000000", errors.New("among them"))
		fails(t, events, "e failure after them", errors.New("last"))
		want := []string{"a failure before them", "done_00000000000000000000000004000000", "e failure after them"}
		for page := 1; page <= 4; page++ {
			var got []string
			for _, f := range failures(t, events, page) {
				got = append(got, f.Key.ID)
			}
			if !cmp.Equal(got, want) {
				t.Errorf("by pages of %d: got %q, want %q", page, got, want)
			}
		}
		if _, _, err := events.Failures(t.Context(), idempotency.Key{}, 0); err == nil {
			t.Error("a limit of 0 is no error")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := events.Failures(ctx, idempotency.Key{}, 10); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

func TestFailures_Pages(t *testing.T) {
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
		if err := events.Release(t.Context(), c, lease.Failure{Reason: "why"}); err != nil {
			t.Fatal(err)
		}
		claim(t, events, "6 at work", time.Hour)
		fails(t, events, "7 done", nil)
		fails(t, events, "8 long", errors.New("\x00\xff"+strings.Repeat("€", 1000)))
		time.Sleep(5 * time.Millisecond)

		want := []lease.Status{
			{Key: keyOf("1 thrice"), State: lease.Released, Attempts: 3, LastError: "third"},
			{Key: keyOf("2 for good"), State: lease.Dead, Attempts: 1, LastError: "never"},
			{Key: keyOf("4 crashed"), State: lease.Claimed, Attempts: 1},
			{Key: keyOf("5 released"), State: lease.Released, Attempts: 1, LastError: "why"},
			{Key: keyOf("8 long"), State: lease.Released, Attempts: 1, LastError: "\uFFFD\uFFFD" + strings.Repeat("€", 168)},
		}
		for _, page := range []int{1, 2, 5, 100} {
			if diff := cmp.Diff(want, failures(t, events, page)); diff != "" {
				t.Errorf("in pages of %d (-want +got):\n%s", page, diff)
			}
		}
	})
}

func TestRetry_DeadEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond})
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
		want := []lease.Status{{Key: key, State: lease.Released, LastError: "boom"}}
		if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		fails(t, events, key.ID, boom)
		o := events.Run(t.Context(), idempotency.Item{Key: key}, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
			return nil, effect(ctx, tx)
		})
		if o.Kind != idempotency.KindCompleted || o.Attempt != 2 {
			t.Errorf("got %+v, want that attempt 2 completes the event", o)
		}
		notDead("done event")
	})
}

func TestRetry_SiblingKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		var want []lease.Status
		for _, key := range siblings {
			err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
				return idempotency.Permanent(errors.New("boom"))
			})
			if !idempotency.IsPermanent(err) {
				t.Error(err)
			}
			want = append(want, lease.Status{Key: key, State: lease.Dead, Attempts: 1, LastError: "boom"})
		}
		for i, key := range siblings {
			if err := events.Retry(t.Context(), key); err != nil {
				t.Errorf("%v: %v", key, err)
			}
			want[i].State, want[i].Attempts = lease.Released, 0
			if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
				t.Errorf("failures after %v (-want +got):\n%s", key, diff)
			}
		}
	})
}

// Attempts may be used up by crashes, which record nothing: the claim that finds them
// used up makes the event dead.
func TestRunTx_AttemptsUsedUpByCrash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 1})
		claim(t, events, key.ID, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDead) {
			t.Errorf("got %v, want ErrDead", err)
		}
		want := []lease.Status{{Key: key, State: lease.Dead, Attempts: 1}}
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

// A failure that is recorded late says nothing of an event that another delivery has
// completed since, or is processing.
func TestFailures_BesideSuccess(t *testing.T) {
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

func TestObserve_Outcomes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var got []string
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond, Observe: func(_ context.Context, e idempotency.Event) {
			got = append(got, fmt.Sprint(e.Key.ID, " ", e.Kind, " ", e.Attempt))
		}})
		fails(t, events, "a", nil)
		fails(t, events, "a", idempotency.ErrDuplicate)
		fails(t, events, "b", errors.New("boom"))
		fails(t, events, "b", errors.New("boom"))
		fails(t, events, "b", idempotency.ErrDead)
		fails(t, events, "c", idempotency.Permanent(errors.New("boom")))
		fails(t, events, "", idempotency.ErrInvalidKey)
		want := []string{
			"a claimed 1", "a completed 1", "a duplicate 0",
			"b claimed 1", "b failed 1", "b claimed 2", "b dead 2", "b dead 0",
			"c claimed 1", "c dead 1", " invalid_key 0",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestObserve_Refusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var got, outcomes []idempotency.Kind
		events := newEvents(t, db, d, &sqlstore.Options{
			Wait:    50 * time.Millisecond,
			Observe: func(_ context.Context, e idempotency.Event) { got = append(got, e.Kind) },
		})
		run := func(content string, during func()) {
			item := idempotency.Item{Key: key, Fingerprint: idempotency.FingerprintOf([]byte(content))}
			o := events.Run(t.Context(), item, func(context.Context, *sql.Tx) (*idempotency.Result, error) {
				during()
				return nil, nil
			})
			outcomes = append(outcomes, o.Kind)
		}
		run("a", func() { run("a", func() {}) })
		run("b", func() {})
		want := []idempotency.Kind{"in_flight", "completed", "mismatch"}
		if d == sqlstore.SQLite {
			want[0] = "unavailable" // it cannot tell whose writer it is
		}
		if diff := cmp.Diff(want, outcomes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]idempotency.Kind{"claimed"}, got); diff != "" {
			t.Errorf("events of Run, whose outcome its caller reports (-want +got):\n%s", diff)
		}
		got = nil
		err := events.RunTx(t.Context(), keyOf("other"), func(context.Context, *sql.Tx) error {
			// The error is what the observer sees.
			_ = events.RunTx(t.Context(), keyOf("other"), nothing)
			return nil
		})
		if diff := cmp.Diff([]idempotency.Kind{"claimed", want[0], "completed"}, got); diff != "" || err != nil {
			t.Errorf("events of RunTx, error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestObserve_Leases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var got []idempotency.Kind
		events := newEvents(t, db, d, &sqlstore.Options{
			Observe: func(_ context.Context, e idempotency.Event) { got = append(got, e.Kind) },
		})
		if err := newLeases(t, events, nil).Do(t.Context(), key, leasedNothing); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]idempotency.Kind{"claimed", "completed"}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
