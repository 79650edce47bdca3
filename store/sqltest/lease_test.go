package sqltest_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// database/sql sends a statement again on another connection if the driver says that
// it was not executed, and not every driver knows.
func TestAClaimThatIsSentAgainHasWon(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		terms := idempotency.Terms{Owner: idempotency.NewOwner(), Lease: time.Hour}
		for range 2 {
			rec, won, err := events.Claim(t.Context(), key, terms)
			if !won || err != nil || rec.Token != 1 || rec.Attempts != 1 {
				t.Errorf("won %v, error %v, token %d, attempt %d; want that it has won with token 1", won, err, rec.Token, rec.Attempts)
			}
		}
	})
}

// The contract of a Store, on every database.
func TestTheStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		storetest.Run(t, func(*testing.T) idempotency.Store { return events })
	})
}
