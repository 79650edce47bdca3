package sqltest_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// At REPEATABLE READ a purge would lock the gaps between the keys as well, and new
// events would wait for it. This one is held when it has all its locks.
func TestPurge_GapLocks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d != sqlstore.MySQL {
			return // has no locks of gaps
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 10 * time.Second})
		fill(t, db, d, "test", 1, 31*day)
		release := holdDeletes(t, db)
		var g errgroup.Group
		g.Go(func() error {
			n, err := events.Purge(t.Context())
			if err == nil && n != 100 {
				err = fmt.Errorf("purged %d, want 100", n)
			}
			return err
		})
		untilHeld(t, db)
		for _, id := range []string{"1000050 new", "0", "9"} {
			if err := events.RunTx(t.Context(), keyOf(id), effect); err != nil {
				t.Errorf("event %q during the purge: %v", id, err)
			}
		}
		release()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// holdDeletes makes every delete of a record wait in a trigger until it is released.
func holdDeletes(t *testing.T, db *sql.DB) (release func()) {
	t.Helper()
	const lock = "get_lock(database(), 60)"
	mustExec(t, db, "CREATE TRIGGER held AFTER DELETE ON "+sqlstore.DefaultTable+" FOR EACH ROW SET @held = "+lock)
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExecContext(t.Context(), "DO "+lock); err != nil {
		t.Fatal(err)
	}
	release = func() {
		c.ExecContext(context.WithoutCancel(t.Context()), "DO release_lock(database())")
		c.Close()
	}
	t.Cleanup(release)
	return release
}

// untilHeld waits until a delete waits. MySQL cannot list processes in
// information_schema while a statement of any of them has bytes that are no text, as
// those of other tests have; MariaDB's performance_schema is off.
func untilHeld(t *testing.T, db *sql.DB) {
	t.Helper()
	var version string
	if err := db.QueryRowContext(t.Context(), "SELECT version()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	held := "performance_schema.threads WHERE processlist_db = database() AND processlist_state = 'User lock'"
	if strings.Contains(version, "MariaDB") {
		held = "information_schema.processlist WHERE db = database() AND state = 'User lock'"
	}
	for start := time.Now(); count(t, db, held) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			t.Fatal("the purge does not get to its deletes")
		}
	}
}
