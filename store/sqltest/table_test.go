package sqltest_test

import (
	"database/sql"
	"testing"

	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestMakingTheTableTwiceDoesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Fatal(err)
		}
		if err := events.CreateTable(t.Context()); err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 1)
	})
}
