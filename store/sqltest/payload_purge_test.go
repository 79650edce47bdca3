package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestPurge_PayloadRetention(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		// The table's name is also a part of what stands in the statements.
		events := newEvents(t, db, d, &sqlstore.Options{Table: "e", KeepPayloads: true, PayloadRetention: 2 * day})
		for _, id := range []string{"old", "new"} {
			if err := runItem(t, events, idempotency.Item{Key: keyOf(id), Delivery: deliveryOf(id)}, nil); err != nil {
				t.Fatal(err)
			}
			if id == "old" {
				mustExec(t, db, fmt.Sprintf("UPDATE e_payloads SET changed_at = changed_at - %d", (3*day).Microseconds()))
			}
		}
		if n, err := events.Purge(t.Context()); n != 0 || err != nil {
			t.Errorf("purged %d records, error %v, want none", n, err)
		}
		if got := count(t, db, "e"); got != 2 {
			t.Errorf("%d records, want 2", got)
		}
		if _, err := events.Payload(t.Context(), keyOf("old")); !errors.Is(err, sqlstore.ErrNoPayload) {
			t.Errorf("old payload: got %v, want ErrNoPayload", err)
		}
		if got, err := events.Payload(t.Context(), keyOf("new")); string(got.Body) != "body new" || err != nil {
			t.Errorf("new payload: got %q, error %v", got.Body, err)
		}
	})
}

// fillPayloads gives each record a payload of its age.
func fillPayloads(t *testing.T, db *sql.DB) {
	t.Helper()
	mustExec(t, db, `
INSERT INTO `+sqlstore.DefaultTable+`_payloads (scope, id, delivery, body, changed_at)
SELECT scope, id, '{}', id, changed_at
FROM `+sqlstore.DefaultTable)
}

// checkPurge purges and compares what it tells and leaves.
func checkPurge(ctx context.Context, t *testing.T, db *sql.DB, events *sqlstore.Store, purged, records, payloads int) {
	t.Helper()
	if n, err := events.Purge(ctx); n != purged || err != nil {
		t.Errorf("purged %d records, error %v, want %d", n, err, purged)
	}
	if got := count(t, db, sqlstore.DefaultTable); got != records {
		t.Errorf("%d records are left, want %d", got, records)
	}
	if got := count(t, db, sqlstore.DefaultTable+"_payloads"); got != payloads {
		t.Errorf("%d payloads are left, want %d", got, payloads)
	}
}

func TestPurge_ManyBatchesOfPayloads(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, PayloadRetention: day})
		fill(t, db, d, "a", 13, 2*day)
		fillPayloads(t, db)
		checkPurge(t.Context(), t, db, events, 0, 1300, 0)
	})
}

func TestPurge_PayloadsWithRecords(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, Retention: 4 * day})
		fill(t, db, d, "a", 1, 5*day)
		fillPayloads(t, db)
		checkPurge(t.Context(), t, db, events, 100, 0, 0)
	})
}

// A purge passes over a locked row; the next one takes it.
func TestPurge_LockedPayload(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // it has no locks of rows
		}
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, PayloadRetention: day})
		fill(t, db, d, "a", 1, 2*day)
		fillPayloads(t, db)
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			lockRow(t, tx, d, sqlstore.DefaultTable+"_payloads", idempotency.Key{Scope: "a", ID: "1000050"})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			checkPurge(ctx, t, db, events, 0, 100, 1)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		checkPurge(t.Context(), t, db, events, 0, 100, 0)
	})
}
