package sqltest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Of the errors of COMMIT, those that say nothing of the work are not counted. A deferred
// trigger makes the server answer COMMIT with any SQLSTATE.
func TestCommit_CodesOfPostgreSQL(t *testing.T) {
	t.Parallel()
	codes := map[string]idempotency.Kind{
		"23503": idempotency.KindFailed,      // foreign_key_violation
		"23505": idempotency.KindFailed,      // unique_violation, of the work's own index
		"55P03": idempotency.KindFailed,      // lock_not_available
		"P0001": idempotency.KindFailed,      // raise_exception
		"08006": idempotency.KindUnavailable, // connection_failure
		"25006": idempotency.KindUnavailable, // read_only_sql_transaction
		"40003": idempotency.KindUnavailable, // statement_completion_unknown
		"53100": idempotency.KindUnavailable, // disk_full
		"57014": idempotency.KindUnavailable, // query_canceled
		"57P01": idempotency.KindUnavailable, // admin_shutdown
		"58030": idempotency.KindUnavailable, // io_error
		"XX000": idempotency.KindUnavailable, // internal_error
		"40001": idempotency.KindUnavailable, // serialization_failure, each time
	}
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQLBy(t, driver)
			events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Millisecond})
			mustExec(t, db, "CREATE TABLE states (state text NOT NULL)")
			mustExec(t, db, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = NEW.state; END $$")
			mustExec(t, db, "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON states DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()")
			for code, want := range codes {
				checkCommit(t, events, code, want, statement("INSERT INTO states VALUES ('"+code+"')"))
			}
			checkCounts(t, db, 4, 0)
		})
	}
}

// checkCommit runs work whose COMMIT fails, and checks the outcome and its record.
func checkCommit(t *testing.T, events *sqlstore.Store, id string, want idempotency.Kind, work func(context.Context, *sql.Tx) error) {
	t.Helper()
	o := idempotency.Run(t.Context(), events, idempotency.Item{Key: keyOf(id)}, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
		return nil, errors.Join(effect(ctx, tx), work(ctx, tx))
	})
	listed := false
	for _, f := range failures(t, events, 100) {
		listed = listed || f.Key.ID == id
	}
	if o.Kind != want || listed != (want == idempotency.KindFailed) {
		t.Errorf("%s: got %s (%v), listed %v; want %s, and listed only if it failed", id, o.Kind, o.Err, listed, want)
	}
}

// MySQL has nothing deferred, so a driver around the real one answers COMMIT.
func TestCommit_CodesOfMySQL(t *testing.T) {
	t.Parallel()
	db := openMariaDB(t)
	answer := new(uint16)
	failing := sql.OpenDB(failingConnector{connectorTo(t, db), answer})
	t.Cleanup(func() { failing.Close() })
	newEvents(t, db, sqlstore.MySQL, nil)
	for number, want := range map[uint16]idempotency.Kind{
		1197: idempotency.KindFailed,      // ER_TRANS_CACHE_FULL: the work writes too much
		1021: idempotency.KindUnavailable, // ER_DISK_FULL
		1047: idempotency.KindUnavailable, // ER_UNKNOWN_COM_ERROR, of Galera
		1053: idempotency.KindUnavailable, // ER_SERVER_SHUTDOWN
		1180: idempotency.KindUnavailable, // ER_ERROR_DURING_COMMIT
		1290: idempotency.KindUnavailable, // ER_OPTION_PREVENTS_STATEMENT
		1792: idempotency.KindUnavailable, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
		1836: idempotency.KindUnavailable, // ER_READ_ONLY_MODE
		1927: idempotency.KindUnavailable, // ER_CONNECTION_KILLED
		1213: idempotency.KindCompleted,   // ER_LOCK_DEADLOCK, retried
		3101: idempotency.KindCompleted,   // ER_TRANSACTION_ROLLBACK_DURING_COMMIT, retried
	} {
		events := newStore(t, failing, sqlstore.MySQL, &sqlstore.Options{RecordFailures: true, Wait: 10 * time.Second})
		calls := 0
		checkCommit(t, events, fmt.Sprint(number), want, func(context.Context, *sql.Tx) error {
			if calls++; calls == 1 {
				*answer = number // of the COMMIT that follows, and of no other
			}
			return nil
		})
	}
	checkCounts(t, db, 3, 2)
}

// mysqlConfig returns the configuration of connections to the database of db.
func mysqlConfig(t *testing.T, db *sql.DB) *mysql.Config {
	t.Helper()
	config, err := mysql.ParseDSN(os.Getenv("HOOKONCE_MARIADB"))
	if err != nil {
		t.Fatal("HOOKONCE_MARIADB is not a DSN")
	}
	if err := db.QueryRowContext(t.Context(), "SELECT database()").Scan(&config.DBName); err != nil {
		t.Fatal(err)
	}
	return config
}

// connectorTo returns a connector to the database of db.
func connectorTo(t *testing.T, db *sql.DB) driver.Connector {
	t.Helper()
	c, err := mysql.NewConnector(mysqlConfig(t, db))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A failingConnector's connections roll back and return a MySQLError instead of
// committing, once after *answer is set.
type failingConnector struct {
	driver.Connector
	answer *uint16
}

func (c failingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return failingConn{conn.(mysqlConn), c.answer}, nil
}

type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
}

type failingConn struct {
	mysqlConn
	answer *uint16
}

func (c failingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.mysqlConn.BeginTx(ctx, o)
	return failingTx{tx, c.answer}, err
}

type failingTx struct {
	driver.Tx
	answer *uint16
}

func (tx failingTx) Commit() error {
	number := *tx.answer
	if *tx.answer = 0; number == 0 {
		return tx.Tx.Commit()
	}
	return errors.Join(tx.Tx.Rollback(), &mysql.MySQLError{Number: number, Message: "refused"})
}
