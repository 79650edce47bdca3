package sqltest_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// whileBusy calls write while another writer has SQLite, for 100 ms more.
func whileBusy(t *testing.T, db *sql.DB, write func() error) error {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := effect(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() {
		defer close(ended)
		tx.Rollback()
	})
	defer func() { <-ended }()
	return write()
}

// Without a busy timeout SQLite does not wait, so the store has to.
func TestStore_WritesWhileSQLiteBusy(t *testing.T) {
	t.Parallel()
	db := openSQLite(t, "busy_timeout", "0")
	ctx := t.Context()
	const wait = 20 * time.Second
	events := newEvents(t, db, sqlstore.SQLite, &sqlstore.Options{KeepPayloads: true, Wait: wait})
	other := newStore(t, db, sqlstore.SQLite, &sqlstore.Options{Table: "other", Wait: wait})
	fails(t, events, key.ID, idempotency.Permanent(errors.New("boom")))
	fill(t, db, sqlstore.SQLite, "old", 1, 31*day)
	completed, released := claim(t, events, "completed", time.Hour), claim(t, events, "released", time.Hour)
	terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour}
	withDelivery := terms
	withDelivery.Delivery = deliveryOf("kept")
	for _, test := range []struct {
		name  string
		write func() error
	}{
		{"Claim", func() error { _, _, err := events.Claim(ctx, keyOf("new"), terms); return err }},
		{"Claim with a payload", func() error { _, _, err := events.Claim(ctx, keyOf("kept"), withDelivery); return err }},
		{"Retry", func() error { return events.Retry(ctx, key) }},
		{"Purge", func() error { _, err := events.Purge(ctx); return err }},
		{"Check", func() error { return events.Check(ctx) }},
		{"CreateTables", func() error { return other.CreateTables(ctx) }},
		{"RunTx", func() error { return events.RunTx(ctx, key, effect) }},
		{"Renew", func() error { return events.Renew(ctx, completed, time.Hour) }},
		{"Complete", func() error { return events.Complete(ctx, completed, nil) }},
		{"Release", func() error { return events.Release(ctx, released, lease.Failure{}) }},
	} {
		if err := whileBusy(t, db, test.write); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
