package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// failsThen runs key with work that returns boom. When the work's transaction has
// ended, and before its failure is recorded, it calls then with the one connection
// that the pool has; answered is closed when the run has returned.
func failsThen(
	t *testing.T, db *sql.DB, events *sqlstore.Store, key idempotency.Key, boom error,
	then func(c *sql.Conn, answered <-chan struct{}),
) error {
	t.Helper()
	db.SetMaxOpenConns(1)
	answered, done := make(chan struct{}), make(chan struct{})
	defer func() {
		close(answered)
		<-done
	}()
	return events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
		before := db.Stats().WaitCount
		go func() {
			defer close(done)
			c, err := db.Conn(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			then(c, answered)
		}()
		for db.Stats().WaitCount == before {
			time.Sleep(time.Millisecond)
		}
		return boom
	})
}

func TestFailures_ContextEnded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		boom := errors.New("boom")
		for attempt, err := range []error{boom, idempotency.Permanent(boom)} {
			ctx, cancel := context.WithCancel(t.Context())
			got := events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
				cancel()
				for err := error(nil); !errors.Is(err, sql.ErrTxDone); { // database/sql rolls back
					_, err = tx.ExecContext(t.Context(), "SELECT 1")
				}
				return err
			})
			if !errors.Is(got, err) {
				t.Errorf("got %v, want the work's error", got)
			}
			want := []lease.Status{{Key: key, State: lease.Released, Attempts: attempt + 1, LastError: "boom"}}
			if idempotency.IsPermanent(err) {
				want[0].State = lease.Dead
			}
			if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		}
	})
}

// An event must not be reported dead before its record is. That another failure could
// not be recorded is observed.
func TestObserve_FailureNotRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var observed []idempotency.Kind
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond, RecordFailures: true,
			Observe: func(_ context.Context, e idempotency.Event) { observed = append(observed, e.Kind) }})
		boom := errors.New("boom")
		for _, test := range []struct {
			fails, want error
			observed    string
		}{
			{boom, boom, "[claimed store_error failed]"},
			{idempotency.Permanent(boom), idempotency.ErrUnavailable, "[claimed unavailable]"},
		} {
			observed = nil
			err := failsThen(t, db, events, key, test.fails, func(_ *sql.Conn, answered <-chan struct{}) {
				select {
				case <-answered:
				case <-time.After(20 * time.Second):
				}
			})
			if got := fmt.Sprint(observed); !errors.Is(err, test.want) || got != test.observed {
				t.Errorf("got %v, observed %s; want %v, observed %s", err, got, test.want, test.observed)
			}
		}
		checkCounts(t, db, 0, 0)
	})
}

// A failure that is recorded late says nothing of an event that another delivery has
// completed since, is processing, or has made dead.
func TestFailures_RecordedLate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Second})
		boom := errors.New("boom")
		for _, state := range []lease.State{lease.Claimed, lease.Done, lease.Dead} {
			key := keyOf(fmt.Sprint(state))
			want := fmt.Sprintf("%d 7 8 10 none", state)
			insert := fmt.Sprintf(`
INSERT INTO %s (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES (%s, %s, %d, %s, 7, 8, 9000000000000000, 10)`, sqlstore.DefaultTable,
				asBytes(d, "'"+key.Scope+"'"), asBytes(d, "'"+key.ID+"'"), state, asBytes(d, "'0123456789abcdef'"))
			err := failsThen(t, db, events, key, boom, func(c *sql.Conn, _ <-chan struct{}) {
				if _, err := c.ExecContext(t.Context(), insert); err != nil {
					t.Error(err)
				}
			})
			if !errors.Is(err, boom) {
				t.Errorf("got %v, want the work's error", err)
			}
			if got := recordOf(t, db, d, key); got != want {
				t.Errorf("%v: got %s, want %s as before", state, got, want)
			}
		}
	})
}

// recordOf returns what a failure would change of a record.
func recordOf(t *testing.T, db *sql.DB, d sqlstore.Dialect, key idempotency.Key) string {
	t.Helper()
	var state, token, attempts int
	var changedAt int64
	lastError := "none"
	var stored sql.NullString
	query := "SELECT state, token, attempts, changed_at, last_error FROM " + sqlstore.DefaultTable + where(d, key)
	err := db.QueryRowContext(t.Context(), query).Scan(&state, &token, &attempts, &changedAt, &stored)
	if err != nil {
		t.Fatal(err)
	}
	if stored.Valid {
		lastError = stored.String
	}
	return fmt.Sprint(state, " ", token, " ", attempts, " ", changedAt, " ", lastError)
}
