package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// elsewhere creates a schema, or a database, with tables of the same names, and returns
// the statements by which the work changes to it: for the transaction, and for good.
func elsewhere(t *testing.T, db *sql.DB, d sqlstore.Dialect) []string {
	t.Helper()
	o := &sqlstore.Options{}
	if d == sqlstore.PostgreSQL {
		schema := newSchema(t, db)
		o.Table = schema + "." + sqlstore.DefaultTable
		createTables(t, newStore(t, db, d, o))
		mustExec(t, db, "CREATE TABLE "+schema+".effects (name text NOT NULL)")
		return []string{"SET LOCAL search_path TO " + schema, "SET search_path TO " + schema}
	}
	var name string
	if err := db.QueryRowContext(t.Context(), "SELECT database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	name += "_x"
	mustExec(t, db, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+name); err != nil {
			t.Error(err)
		}
	})
	o.Table = name + "." + sqlstore.DefaultTable
	createTables(t, newStore(t, db, d, o))
	mustExec(t, db, "CREATE TABLE "+name+".effects (name text NOT NULL)")
	return []string{"USE " + name}
}

func createTables(t *testing.T, events *sqlstore.Store) {
	t.Helper()
	if err := events.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The work changes to another schema that has a table of the same name. What the store
// does after that, in this transaction and in the next one on the connection, still
// finds the first table: an event has one record.
func TestStore_WorkChangesSchema(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has one schema
		}
		db.SetMaxOpenConns(1)
		mustExec(t, db, "CREATE TABLE effects (name text NOT NULL)")
		newTables := newStore(t, db, d, nil)
		createTables(t, newTables)
		statements := elsewhere(t, db, d)
		// This store has seen no table yet, as after a restart of its process.
		events := newStore(t, db, d, &sqlstore.Options{MaxAttempts: 2, KeepPayloads: true})
		for _, change := range statements {
			checkChange(t, events, change)
		}
		if n, err := events.Purge(t.Context()); n != 0 || err != nil {
			t.Errorf("purge: %d, error %v", n, err)
		}
		if all := failures(t, events, 10); len(all) != len(statements) {
			t.Errorf("failures: %v, want %d", all, len(statements))
		}
	})
}

// checkChange has work change to another schema, and then delivers again.
func checkChange(t *testing.T, events *sqlstore.Store, change string) {
	t.Helper()
	want := &idempotency.Result{Status: 201, Body: []byte("kept")}
	run := func(id string, result *idempotency.Result, workErr error) idempotency.Outcome {
		item := idempotency.Item{Key: keyOf(change + id), Delivery: deliveryOf("x")}
		return events.Run(t.Context(), item, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
			return result, errors.Join(statement(change)(ctx, tx), workErr)
		})
	}
	for _, result := range []*idempotency.Result{nil, want} {
		id := map[bool]string{true: "with a result"}[result != nil]
		if o := run(id, result, nil); o.Kind != idempotency.KindCompleted {
			t.Errorf("%s, %s: got %+v, want completed", change, id, o)
		}
		o := run(id, result, nil)
		if o.Kind != idempotency.KindDuplicate || (o.Result == nil) != (result == nil) {
			t.Errorf("%s, %s, again: got %+v, want a duplicate with its result", change, id, o)
		}
	}
	if o := run("fails", nil, errors.New("boom")); o.Kind != idempotency.KindFailed {
		t.Errorf("%s: got %+v, want failed", change, o)
	}
	c := claim(t, events, change+"leased", 1e12)
	if err := events.Complete(t.Context(), c, want); err != nil {
		t.Errorf("%s: complete: %v", change, err)
	}
}

// The same in a transaction of the caller's.
func TestClaimTx_AfterWorkChangedSchema(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return
		}
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, nil)
		statements := elsewhere(t, db, d)
		if err := events.RunTx(t.Context(), key, statement(statements[len(statements)-1])); err != nil {
			t.Fatal(err)
		}
		for _, k := range []idempotency.Key{key, keyOf("second"), keyOf("second")} {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = events.ClaimBatchTx(t.Context(), tx, []idempotency.Key{k})
			if err := errors.Join(err, tx.Commit()); err != nil {
				t.Error(err)
			}
		}
		mustExec(t, db, map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "RESET search_path", sqlstore.MySQL: "DO 0"}[d])
		status, err := events.Lookup(t.Context(), keyOf("second"))
		if status.State != lease.Done || err != nil {
			t.Errorf("got %+v, error %v, want done", status, err)
		}
	})
}

// A role that must not write to the table is what the work has taken, so its failure is
// the work's: listed, with the server's text.
func TestCommit_RoleOfTheWork(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQLBy(t, driver)
			events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{RecordFailures: true})
			set := func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
				return &idempotency.Result{Status: 200}, statement("SET LOCAL ROLE pg_read_all_data")(ctx, tx)
			}
			o := events.Run(t.Context(), idempotency.Item{Key: key}, set)
			all := failures(t, events, 10)
			if o.Kind != idempotency.KindFailed || len(all) != 1 || !strings.Contains(all[0].LastError, "permission denied") {
				t.Errorf("got %+v, listed %v; want a failure of the work that says: permission denied", o, all)
			}
		})
	}
}

func TestOptions_Isolation(t *testing.T) {
	t.Parallel()
	shown := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "SHOW transaction_isolation",
		sqlstore.MySQL:      "SELECT trx_isolation_level FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = connection_id()",
	}
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		for level, want := range map[sql.IsolationLevel]string{
			sql.LevelReadCommitted: "read committed", sql.LevelRepeatableRead: "repeatable read", sql.LevelSerializable: "serializable",
		} {
			o := &sqlstore.Options{Isolation: level, Table: "t" + want[:4]}
			if d == sqlstore.SQLite && level != sql.LevelSerializable {
				if _, err := sqlstore.New(db, d, o); err == nil {
					t.Errorf("%v is accepted", level)
				}
				continue
			}
			events := newStore(t, db, d, o)
			createTables(t, events)
			var got string
			err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
				if shown[d] == "" {
					got = want
					return nil
				}
				if d == sqlstore.MySQL {
					time.Sleep(200 * time.Millisecond) // innodb_trx is up to 100 ms old
				}
				return tx.QueryRowContext(ctx, shown[d]).Scan(&got)
			})
			if err != nil || !strings.EqualFold(strings.ReplaceAll(got, "-", " "), want) {
				t.Errorf("%v: the work sees %q, error %v", level, got, err)
			}
		}
	})
	for _, level := range []sql.IsolationLevel{sql.LevelSnapshot, sql.LevelLinearizable, 99} {
		if _, err := sqlstore.New(new(sql.DB), sqlstore.PostgreSQL, &sqlstore.Options{Isolation: level}); err == nil {
			t.Errorf("%v is accepted", level)
		}
	}
}

// On MySQL a deadlock rolls the transaction back. If the work swallows that, and another
// delivery does the event meanwhile, its record has the same token; the owner tells.
func TestRunTx_RecordOfAnotherDelivery(t *testing.T) {
	t.Parallel()
	everyMySQL(t, func(t *testing.T, db *sql.DB) {
		for name, result := range map[string]*idempotency.Result{"no result": nil, "a result": {Status: 201}} {
			t.Run(name, func(t *testing.T) {
				events := newStore(t, db, sqlstore.MySQL, &sqlstore.Options{Table: "r" + name[:1]})
				createTables(t, events)
				other := newStore(t, db, sqlstore.MySQL, &sqlstore.Options{Table: "r" + name[:1]})
				o := events.Run(t.Context(), idempotency.Item{Key: key}, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
					err := statement("ROLLBACK")(ctx, tx) // as a deadlock does
					nothing := func(context.Context, *sql.Tx) error { return nil }
					return result, errors.Join(err, other.RunTx(ctx, key, nothing))
				})
				if o.Kind != idempotency.KindFailed {
					t.Errorf("got %+v, want failed", o)
				}
				o = other.Run(t.Context(), idempotency.Item{Key: key}, func(context.Context, *sql.Tx) (*idempotency.Result, error) { return nil, nil })
				if o.Kind != idempotency.KindDuplicate || o.Result != nil {
					t.Errorf("the other delivery's event: got %+v, want a duplicate without a result", o)
				}
			})
		}
	})
}

// everyMySQL runs f on MariaDB and, if there is one, on MySQL.
func everyMySQL(t *testing.T, f func(t *testing.T, db *sql.DB), settings ...string) {
	t.Helper()
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		f(t, openMariaDB(t, settings...))
	})
	if hasMySQL() {
		t.Run("MySQL", func(t *testing.T) {
			t.Parallel()
			f(t, openMySQL(t, settings...))
		})
	}
}

// A payload that MySQL would refuse, and close the connection for, does not keep its
// event from being processed.
func TestPayload_LargerThanPacket(t *testing.T) {
	t.Parallel()
	for _, interpolate := range []string{"false", "true"} {
		everyMySQL(t, func(t *testing.T, db *sql.DB) {
			var notKept int
			events := newEvents(t, db, sqlstore.MySQL, &sqlstore.Options{KeepPayloads: true, Observe: func(_ context.Context, e idempotency.Event) {
				if e.Kind == idempotency.KindStoreError && strings.Contains(e.Err.Error(), "max_allowed_packet") {
					notKept++
				}
			}})
			var limit int
			if err := db.QueryRowContext(t.Context(), "SELECT @@max_allowed_packet").Scan(&limit); err != nil {
				t.Fatal(err)
			}
			leases := newLeases(t, events, nil)
			for i, size := range []int{limit/2 - 8192, limit / 2, limit + 1} {
				d := deliveryOf("large")
				d.Body = []byte(strings.Repeat("'", size))
				item := idempotency.Item{Key: keyOf("large" + string(rune('0'+i))), Delivery: d}
				o := events.Run(t.Context(), item, func(context.Context, *sql.Tx) (*idempotency.Result, error) { return nil, nil })
				item.Key.ID += "leased"
				o2 := leases.Run(t.Context(), item, func(context.Context, lease.Claim) (*idempotency.Result, error) { return nil, nil })
				if o.Kind != idempotency.KindCompleted || o2.Kind != idempotency.KindCompleted || notKept != 2*i {
					t.Errorf("%d of %d bytes: got %+v and %+v, %d payloads not kept", size, limit, o, o2, notKept)
				}
			}
			if got := count(t, db, sqlstore.DefaultTable+"_payloads"); got != 2 {
				t.Errorf("%d payloads, want 2", got)
			}
		}, "interpolateParams", interpolate, "maxAllowedPacket", "0")
	}
}
