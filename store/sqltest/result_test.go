package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// runFor runs item with work that has that result.
func runFor(t *testing.T, events *sqlstore.Store, item idempotency.Item, result *idempotency.Result) idempotency.Outcome {
	t.Helper()
	return events.Run(t.Context(), item, func(context.Context, *sql.Tx) (*idempotency.Result, error) { return result, nil })
}

func TestRun_ResultOfDuplicate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		item := idempotency.Item{Key: key, Fingerprint: idempotency.FingerprintOf([]byte("body"))}
		want := &idempotency.Result{Status: 201, ContentType: "text/plain", Body: []byte("a\x00b\xff")}
		for _, wantErr := range []error{nil, idempotency.ErrDuplicate} {
			o := runFor(t, events, item, want)
			if diff := cmp.Diff(want, o.Result); diff != "" || !errors.Is(o.Err, wantErr) {
				t.Errorf("got error %v, want %v; result (-want +got):\n%s", o.Err, wantErr, diff)
			}
		}
	})
}

// The result belongs to the content that it answered.
func TestRun_ResultOfMismatch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for _, step := range []struct {
			content string
			want    idempotency.Kind
			result  bool
		}{
			{"a", idempotency.KindCompleted, true},
			{"b", idempotency.KindMismatch, false},
			{"a", idempotency.KindDuplicate, true},
			{"b", idempotency.KindMismatch, false}, // after a duplicate it is looked up
		} {
			item := idempotency.Item{Key: key, Fingerprint: idempotency.FingerprintOf([]byte(step.content))}
			o := runFor(t, events, item, &idempotency.Result{Status: 200, Body: []byte(step.content)})
			if o.Kind != step.want || (o.Result != nil) != step.result {
				t.Errorf("%s: got %+v, want %s, with a result %v", step.content, o, step.want, step.result)
			}
		}
	})
}

func TestRun_ResultsOfSiblingKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for _, wantErr := range []error{nil, idempotency.ErrDuplicate} {
			for i, key := range siblings {
				want := &idempotency.Result{Status: 200 + i}
				o := runFor(t, events, idempotency.Item{Key: key}, want)
				if diff := cmp.Diff(want, o.Result, cmpopts.EquateEmpty()); diff != "" || !errors.Is(o.Err, wantErr) {
					t.Errorf("%v: got error %v, want %v; result (-want +got):\n%s", key, o.Err, wantErr, diff)
				}
			}
		}
	})
}

// PostgreSQL would refuse it, and the event could never be completed.
func TestRun_MediaTypeNoText(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for _, mediaType := range []string{"a\xffb", "a\x00b"} {
			item, result := idempotency.Item{Key: keyOf(mediaType)}, &idempotency.Result{Status: 200, ContentType: mediaType}
			if o := runFor(t, events, item, result); o.Kind != idempotency.KindCompleted {
				t.Errorf("%q: got %+v, want completed", mediaType, o)
			}
			o := runFor(t, events, item, result)
			if o.Kind != idempotency.KindDuplicate || o.Result == nil || o.Result.ContentType != "ab" {
				t.Errorf("%q: got %+v, result %+v, want a duplicate of type ab", mediaType, o, o.Result)
			}
		}
	})
}

// MySQL would refuse or cut it.
func TestRun_LongMediaType(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		longest := strings.Repeat("x", 255)
		for mediaType, want := range map[string]string{longest: longest, longest + "x": "", longest + "\xff\x00": longest} {
			item := idempotency.Item{Key: keyOf(fmt.Sprint(len(mediaType)))}
			result := &idempotency.Result{Status: 200, ContentType: mediaType, Body: []byte("r")}
			if o := runFor(t, events, item, result); o.Kind != idempotency.KindCompleted {
				t.Errorf("%d bytes: got %+v, want completed", len(mediaType), o)
			}
			o := runFor(t, events, item, result)
			if o.Result == nil || o.Result.ContentType != want || string(o.Result.Body) != "r" {
				t.Errorf("%d bytes: got result %+v, want the type %q", len(mediaType), o.Result, want)
			}
		}
	})
}

func TestRun_ResultNotKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		mustExec(t, db, "ALTER TABLE "+sqlstore.DefaultTable+" RENAME COLUMN result_type TO gone")
		work := func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
			return &idempotency.Result{Status: 200}, effect(ctx, tx)
		}
		o := events.Run(t.Context(), idempotency.Item{Key: key}, work)
		if o.Kind != idempotency.KindUnavailable || !errors.Is(o.Err, idempotency.ErrUnavailable) {
			t.Errorf("got %+v, want unavailable", o)
		}
		checkCounts(t, db, 0, 0)
	})
}
