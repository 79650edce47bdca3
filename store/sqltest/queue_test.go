package sqltest_test

import (
	"database/sql"
	"testing"

	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
)

func TestQueue_Contract(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		storetest.RunQueue(t, func(*testing.T) storetest.QueueStore { return events })
	})
}
