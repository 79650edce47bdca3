package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// everyDriver runs f as a subtest with every driver, whichever the other tests use, on
// a database whose deferred constraints are checked.
func everyDriver(t *testing.T, f func(t *testing.T, db *sql.DB, d sqlstore.Dialect)) {
	t.Helper()
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			f(t, openPostgreSQLBy(t, driver), sqlstore.PostgreSQL)
		})
	}
	for _, driver := range []string{"sqlite", "sqlite3"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			dsn := sqliteDSNFor(driver, filepath.Join(t.TempDir(), "test.db"), "foreign_keys", "1")
			f(t, open(t, driver, dsn), sqlstore.SQLite)
		})
	}
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		f(t, openMariaDB(t), sqlstore.MySQL)
	})
	if hasMySQL() {
		t.Run("MySQL", func(t *testing.T) {
			t.Parallel()
			f(t, openMySQL(t), sqlstore.MySQL)
		})
	}
}

// A badWork returns nil although it has left a transaction that cannot be committed.
type badWork struct {
	name      string
	only      string // the dialects that it is for, or empty
	hidden    bool   // lib/pq does not tell it from a lost connection
	result    *idempotency.Result
	do        func(ctx context.Context, tx *sql.Tx) error
	want      string // a part of the text that is recorded, in lower case
	committed bool   // the work has done that
}

var badWorks = []badWork{{
	name: "deferred constraint", only: "postgresql sqlite",
	do:   statement("INSERT INTO children VALUES (1)"),
	want: "foreign key",
}, {
	name: "swallowed error", only: "postgresql",
	do:   swallows("INSERT INTO no_such_table VALUES (1)"),
	want: "commit",
}, {
	name: "swallowed error and a result to keep", only: "postgresql",
	result: &idempotency.Result{Status: 200},
	do:     swallows("INSERT INTO no_such_table VALUES (1)"),
	want:   "transaction",
}, {
	name: "swallowed rollback by the database", only: "sqlite",
	do:   swallows("INSERT OR ROLLBACK INTO effects (name) VALUES (NULL)"),
	want: "no transaction",
}, {
	name: "executed ROLLBACK",
	do:   statement("ROLLBACK"),
	want: "transaction",
}, {
	name: "own Rollback",
	do:   func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() },
	want: sql.ErrTxDone.Error(),
}, {
	name:   "own Rollback and a result to keep",
	result: &idempotency.Result{Status: 200},
	do:     func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() },
	want:   sql.ErrTxDone.Error(),
}, {
	name:      "own Commit",
	do:        func(_ context.Context, tx *sql.Tx) error { return tx.Commit() },
	want:      sql.ErrTxDone.Error(),
	committed: true,
}, {
	name: "idle for too long", only: "postgresql",
	do: func(ctx context.Context, tx *sql.Tx) error {
		err := statement("SET idle_in_transaction_session_timeout = 50")(ctx, tx)
		time.Sleep(time.Second)
		return err
	},
	want:   "idle-in-transaction timeout",
	hidden: true, // as the text of every FATAL error
}}

func statement(query string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query)
		return err
	}
}

func swallows(query string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		if err := statement(query)(ctx, tx); err == nil {
			return errors.New("the statement has not failed")
		}
		return nil
	}
}

// createTraps creates tables that work can break a COMMIT by. An insert of n into slow
// makes a COMMIT on PostgreSQL take n seconds.
func createTraps(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
	t.Helper()
	mustExec(t, db, "CREATE TABLE parents (id INT PRIMARY KEY)")
	mustExec(t, db, "CREATE TABLE children (parent INT NOT NULL REFERENCES parents (id)"+
		map[bool]string{true: " DEFERRABLE INITIALLY DEFERRED"}[d != sqlstore.MySQL]+")")
	if d == sqlstore.PostgreSQL {
		mustExec(t, db, "CREATE TABLE slow (seconds INT NOT NULL)")
		mustExec(t, db, "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(NEW.seconds); RETURN NULL; END $$")
		mustExec(t, db, "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()")
	}
}

// What the work did to its transaction is a failure of the work: counted, listed with
// its own text, dead in the end, and the connection is fit for the next delivery.
func TestCommit_RefusedBecauseOfWork(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond})
		createTraps(t, db, d)
		for _, bad := range badWorks {
			if bad.only != "" && !strings.Contains(bad.only, string(d)) {
				continue
			}
			t.Run(bad.name, func(t *testing.T) {
				if bad.hidden && strings.HasSuffix(fmt.Sprintf("%T", db.Driver()), "pq.Driver") {
					hide(t, events, bad)
					return
				}
				refuse(t, events, bad)
			})
		}
		if err := events.RunTx(t.Context(), keyOf("next"), effect); err != nil {
			t.Errorf("another event: %v", err)
		}
	})
}

// refuse delivers an event of bad work until it is dead.
func refuse(t *testing.T, events *sqlstore.Store, bad badWork) {
	item := idempotency.Item{Key: keyOf(bad.name)}
	run := func() idempotency.Outcome {
		return idempotency.Run(t.Context(), events, item, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
			return bad.result, errors.Join(effect(ctx, tx), bad.do(ctx, tx))
		})
	}
	o := run()
	if o.Kind != idempotency.KindFailed || !strings.Contains(strings.ToLower(fmt.Sprint(o.Err)), bad.want) {
		t.Errorf("got %+v, want a failure of the work that says %q", o, bad.want)
	}
	if bad.committed {
		if o := run(); o.Kind != idempotency.KindDuplicate {
			t.Errorf("next delivery: got %+v, want a duplicate: the work has committed the record", o)
		}
		return
	}
	if o := run(); o.Kind != idempotency.KindDead {
		t.Errorf("next delivery: got %+v, want dead", o)
	}
	for _, f := range failures(t, events, 100) {
		if f.Key == item.Key {
			got := []any{f.State, f.Attempts, strings.Contains(strings.ToLower(f.LastError), bad.want)}
			if diff := cmp.Diff([]any{lease.Dead, 2, true}, got); diff != "" {
				t.Errorf("state, attempts, says why (-want +got):\n%s\n%s", diff, f.LastError)
			}
			return
		}
	}
	t.Error("not listed in Failures")
}

// hide delivers an event of bad work whose reason the driver hides.
func hide(t *testing.T, events *sqlstore.Store, bad badWork) {
	if err := events.RunTx(t.Context(), keyOf(bad.name), bad.do); !errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

// Rows that the work left open keep a statement of ours from running. On PostgreSQL
// that is the one that keeps the result.
func TestCommit_RowsLeftOpen(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		o := idempotency.Run(t.Context(), events, idempotency.Item{Key: key}, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
			query := map[sqlstore.Dialect]string{
				sqlstore.PostgreSQL: "SELECT generate_series(1, 100000)",
				sqlstore.MySQL:      "SELECT a.help_topic_id FROM mysql.help_topic a, mysql.help_topic b LIMIT 100000",
				sqlstore.SQLite:     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n",
			}[d]
			rows, err := tx.QueryContext(ctx, query) // and does not close them
			if err == nil && !rows.Next() {
				err = errors.New("no rows")
			}
			return &idempotency.Result{Status: 200}, err
		})
		if o.Kind == idempotency.KindCompleted {
			checkCounts(t, db, 1, 0) // the driver copes
			return
		}
		if o.Kind != idempotency.KindFailed || len(failures(t, events, 10)) != 1 {
			t.Errorf("got %+v, want completed, or a failure of the work that is listed", o)
		}
		t.Log(o.Err)
	})
}

// A context that ends before COMMIT is the work's time; afterwards it has no say.
func TestCommit_ContextEnds(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		createTraps(t, db, d)
		ctx, expire := withExpiry(t.Context())
		err := events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
			err := effect(ctx, tx)
			expire()
			<-ctx.Done()
			return err
		})
		if !errors.Is(err, idempotency.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before COMMIT: got %v, want ErrTimeout", err)
		}
		if all := failures(t, events, 10); len(all) != 1 || all[0].Attempts != 1 {
			t.Errorf("before COMMIT: listed %+v, want one attempt", all)
		}
		checkCounts(t, db, 1, 0)
		if d != sqlstore.PostgreSQL {
			return // cannot make COMMIT slow
		}
		ctx, expire = withExpiry(t.Context())
		err = events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
			err := errors.Join(effect(ctx, tx), statement("INSERT INTO slow VALUES (3)")(ctx, tx))
			time.AfterFunc(time.Second, expire) // COMMIT has been sent by then, and takes three
			return err
		})
		if err != nil || ctx.Err() == nil {
			t.Errorf("after COMMIT was sent: got %v, context %v; want success after its end", err, ctx.Err())
		}
		checkCounts(t, db, 1, 1)
	})
}

// A COMMIT without an answer is unknown, is not canceled, and may succeed later.
func TestCommit_NoAnswer(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQLBy(t, driver)
			events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{MaxAttempts: 1, Wait: 10 * time.Second})
			createTraps(t, db, sqlstore.PostgreSQL)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			start := time.Now()
			err := events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
				return errors.Join(effect(ctx, tx), statement("INSERT INTO slow VALUES (13)")(ctx, tx))
			})
			if took := time.Since(start); !errors.Is(err, idempotency.ErrUnavailable) || took < 9*time.Second || took > 12*time.Second {
				t.Errorf("got %v after %v, want ErrUnavailable after 10 s", err, took)
			}
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDuplicate) {
				t.Errorf("next delivery: got %v, want ErrDuplicate", err)
			}
			checkCounts(t, db, 1, 1)
		})
	}
}

// A hung transaction ends with the context of its delivery, and frees its event.
func TestRunTx_HungWorkFreesEvent(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // the next delivery waits for the work, which holds the lock of the writer
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 10 * time.Second})
		ctx, expire := withExpiry(t.Context())
		working, hung := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
				err := effect(ctx, tx)
				close(working)
				<-hung
				return err
			})
		}()
		<-working
		time.AfterFunc(300*time.Millisecond, expire)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("next delivery: got %v, want success while the first still hangs", err)
		}
		close(hung)
		if err := <-first; !errors.Is(err, idempotency.ErrTimeout) {
			t.Errorf("the hung one: got %v, want ErrTimeout", err)
		}
		checkCounts(t, db, 1, 1)
	})
}
