package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// While REINDEX CONCURRENTLY builds a second index, that one can refuse a record that
// ON CONFLICT passes for the first. A trigger that does so looks the same.
func TestRunTx_RefusedByIndexBeingRebuilt(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQLBy(t, driver)
			events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{RecordFailures: true, Wait: 10 * time.Second})
			leases := newLeases(t, events, nil)
			mustExec(t, db, "CREATE SEQUENCE tries")
			mustExec(t, db, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "+
				"$$ BEGIN IF nextval('tries') % 3 > 0 THEN RAISE unique_violation; END IF; RETURN NEW; END $$")
			mustExec(t, db, "CREATE TRIGGER refuse BEFORE INSERT ON "+sqlstore.DefaultTable+
				" FOR EACH ROW EXECUTE FUNCTION refuse()")
			if err := events.RunTx(t.Context(), keyOf("in a transaction"), effect); err != nil {
				t.Errorf("in a transaction: %v", err)
			}
			err := leases.Do(t.Context(), keyOf("under a lease"), func(context.Context, lease.Claim) error { return nil })
			if err != nil {
				t.Errorf("under a lease: %v", err)
			}
			boom := errors.New("boom")
			err = events.RunTx(t.Context(), keyOf("failed"), func(context.Context, *sql.Tx) error { return boom })
			if !errors.Is(err, boom) || len(failures(t, events, 10)) != 1 {
				t.Errorf("failed: got %v, listed %v; want the work's error, listed", err, failures(t, events, 10))
			}
		})
	}
}

// The work's own unique violation is its failure, and is not retried.
func TestRunTx_UniqueViolationOfWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		mustExec(t, db, "CREATE TABLE once (id INT PRIMARY KEY)")
		mustExec(t, db, "INSERT INTO once VALUES (1)")
		calls := 0
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			calls++
			return statement("INSERT INTO once VALUES (1)")(ctx, tx)
		})
		if err == nil || calls != 1 || len(failures(t, events, 10)) != 1 {
			t.Errorf("got %v after %d calls, listed %v; want an error after 1 call, listed", err, calls, failures(t, events, 10))
		}
	})
}

// A prepared statement that an ALTER made stale fails once, with 0A000.
func TestRunTx_AlteredUnderPreparedStatements(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQLBy(t, driver)
			db.SetMaxOpenConns(1)
			events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{RecordFailures: true, Wait: 10 * time.Second})
			mustExec(t, db, "DROP VIEW "+sqlstore.DefaultTable+"_readable")
			fails(t, events, key.ID, errors.New("boom"))
			fails(t, events, key.ID, errors.New("boom"))
			mustExec(t, db, "ALTER TABLE "+sqlstore.DefaultTable+" ALTER COLUMN attempts TYPE bigint")
			if err := events.RunTx(t.Context(), key, effect); err != nil {
				t.Error(err)
			}
			checkCounts(t, db, 1, 1)
		})
	}
}
