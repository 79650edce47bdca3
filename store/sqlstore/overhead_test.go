package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
)

// A driverConn is the connection of a driver whose server answers at once. It leads to the
// status of its transaction as those of pgx do.
type driverConn struct{ pgx pgxConn }

type (
	pgxConn struct{ pgConn pgConn }
	pgConn  struct{ status byte }
)

func (c *driverConn) Conn() *pgxConn { return &c.pgx }
func (c *pgxConn) PgConn() *pgConn   { return &c.pgConn }
func (c *pgConn) TxStatus() byte     { return c.status }

func (c *driverConn) becomes(status byte) error {
	c.pgx.pgConn.status = status
	return nil
}

func (c *driverConn) Connect(context.Context) (driver.Conn, error) { return new(driverConn), nil }
func (c *driverConn) Driver() driver.Driver                        { return nil }
func (c *driverConn) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (c *driverConn) Close() error                                 { return nil }
func (c *driverConn) Begin() (driver.Tx, error)                    { return c, c.becomes('T') }
func (c *driverConn) Commit() error                                { return c.becomes('I') }
func (c *driverConn) Rollback() error                              { return c.becomes('I') }

func (c *driverConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return c.Begin()
}

func (c *driverConn) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	if query == "ROLLBACK" {
		c.becomes('I')
	}
	return driver.RowsAffected(1), nil
}

// QueryContext is asked where the table is.
func (c *driverConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return new(row), nil
}

type row struct{ read bool }

func (r *row) Columns() []string { return []string{"schema", "max_allowed_packet", "no_share"} }
func (r *row) Close() error      { return nil }

func (r *row) Next(values []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read = true
	copy(values, []driver.Value{nil, int64(0), false})
	return nil
}

func newInstant(tb testing.TB) (*sql.DB, *Store) {
	tb.Helper()
	db := sql.OpenDB(new(driverConn))
	tb.Cleanup(func() { db.Close() })
	s, err := New(db, PostgreSQL, &Options{Table: "public.records"})
	if err != nil {
		tb.Fatal(err)
	}
	return db, s
}

var anEvent = idempotency.Key{Scope: "test", ID: "evt_1"}

// pgx takes a COMMIT outside of a transaction for a success.
func TestRunTx_TransactionEndedByWork(t *testing.T) {
	t.Parallel()
	_, s := newInstant(t)
	for range 2 { // the second finds out as the first has
		err := s.RunTx(t.Context(), anEvent, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "ROLLBACK")
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "transaction") {
			t.Errorf("got %v, want an error that says that the transaction has ended", err)
		}
	}
	if err := s.RunTx(t.Context(), anEvent, func(context.Context, *sql.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

// Connections of other drivers are not asked.
func TestIdle_OtherDrivers(t *testing.T) {
	t.Parallel()
	type named struct{ *driverConn } // its methods are promoted
	for name, test := range map[string]struct {
		conn any
		want bool
	}{
		"in a transaction": {&driverConn{pgxConn{pgConn{'T'}}}, false},
		"in none":          {&driverConn{pgxConn{pgConn{'I'}}}, true},
		"wrapped":          {named{&driverConn{pgxConn{pgConn{'I'}}}}, true},
		"without methods":  {struct{}{}, false},
		"other methods":    {new(sql.DB), false},
	} {
		if got := idle(test.conn); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

// What the store adds to statements, with a server that takes no time, for a new event,
// beside the same statements by hand.
func BenchmarkOverhead(b *testing.B) {
	db, s := newInstant(b)
	work := func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE accounts", 1)
		return err
	}
	for name, f := range map[string]func(context.Context) error{
		"hookonce": func(ctx context.Context) error { return s.RunTx(ctx, anEvent, work) },
		"by-hand": func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if _, err := tx.ExecContext(ctx, "INSERT INTO seen", anEvent.ID); err != nil {
				return err
			}
			if err := work(ctx, tx); err != nil {
				return err
			}
			return tx.Commit()
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
