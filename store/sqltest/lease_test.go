package sqltest_test

import (
	"database/sql"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// The contract of a Store, on every database.
func TestTheStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, nil)
		storetest.Run(t, func(*testing.T) idempotency.Store { return events })
	})
}
