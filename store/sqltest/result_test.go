package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestTheResultIsKeptForReplay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil).Transactional()
		want := &idempotency.Result{Status: 201, ContentType: "text/plain", Body: []byte("a\x00b\xff")}
		run := func() (*idempotency.Result, error) {
			return events.Run(t.Context(), key, idempotency.FingerprintOf([]byte("body")), func(context.Context) (*idempotency.Result, error) {
				return want, nil
			})
		}
		if _, err := run(); err != nil {
			t.Fatal(err)
		}
		got, err := run()
		if !errors.Is(err, idempotency.ErrDuplicate) {
			t.Fatalf("got %v, want ErrDuplicate", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
	})
}

// Nobody is told the result of other content.
func TestAMismatchHasNoResult(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		runner := newEvents(t, db, d, nil).Transactional()
		run := func(content string) (*idempotency.Result, error) {
			return runner.Run(t.Context(), key, idempotency.FingerprintOf([]byte(content)), func(context.Context) (*idempotency.Result, error) {
				return &idempotency.Result{Status: 200, Body: []byte(content)}, nil
			})
		}
		for _, step := range []struct {
			content string
			want    error
			result  bool
		}{
			{"a", nil, true},
			{"b", idempotency.ErrMismatch, false},
			{"a", idempotency.ErrDuplicate, true},
			{"b", idempotency.ErrMismatch, false}, // after a duplicate it is looked up
		} {
			if result, err := run(step.content); !errors.Is(err, step.want) || (result != nil) != step.result {
				t.Errorf("%s: got %v, %v", step.content, result, err)
			}
		}
	})
}

// runFor runs key with work that has that result.
func runFor(
	t *testing.T, runner *sqlstore.Transactional, key idempotency.Key, result *idempotency.Result,
) (*idempotency.Result, error) {
	work := func(context.Context) (*idempotency.Result, error) { return result, nil }
	return runner.Run(t.Context(), key, idempotency.Fingerprint{}, work)
}

func TestAResultIsThatOfScopeAndID(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		runner := newEvents(t, db, d, nil).Transactional()
		for _, wantErr := range []error{nil, idempotency.ErrDuplicate} {
			for i, key := range siblings {
				want := &idempotency.Result{Status: 200 + i}
				got, err := runFor(t, runner, key, want)
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || !errors.Is(err, wantErr) {
					t.Errorf("%v: got error %v, want %v; result (-want +got):\n%s", key, err, wantErr, diff)
				}
			}
		}
	})
}

// PostgreSQL would refuse it, and the event could never be done.
func TestAMediaTypeThatIsNoTextIsKeptAsText(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		runner := newEvents(t, db, d, nil).Transactional()
		for _, mediaType := range []string{"a\xffb", "a\x00b"} {
			result := &idempotency.Result{Status: 200, ContentType: mediaType}
			if _, err := runFor(t, runner, keyOf(mediaType), result); err != nil {
				t.Errorf("%q: %v", mediaType, err)
			}
			got, err := runFor(t, runner, keyOf(mediaType), result)
			if !errors.Is(err, idempotency.ErrDuplicate) || got == nil || got.ContentType != "ab" {
				t.Errorf("%q: got %+v, error %v, want ab and ErrDuplicate", mediaType, got, err)
			}
		}
	})
}

func TestAResultThatIsNotKeptKeepsAnEventFromBeingDone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		mustExec(t, db, "ALTER TABLE "+sqlstore.DefaultTable+" RENAME COLUMN result_type TO gone")
		work := func(ctx context.Context) (*idempotency.Result, error) {
			tx, _ := sqlstore.Tx(ctx)
			return &idempotency.Result{Status: 200}, effect(ctx, tx)
		}
		_, err := events.Transactional().Run(t.Context(), key, idempotency.Fingerprint{}, work)
		if !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		checkCounts(t, db, 0, 0)
	})
}
