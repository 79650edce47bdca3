package sqltest_test

import (
	"context"
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/pgxstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A sessionStore is a sqlstep.Store or a pgxstep.Store.
type sessionStore interface {
	sessionstep.Submitter
	Create(ctx context.Context, v sqlstep.Session) error
	Session(ctx context.Context, id string) (sqlstep.Session, error)
	History(ctx context.Context, session string) ([]sqlstep.Change, error)
	Begin(ctx context.Context, session, step, by string) error
	Reopen(ctx context.Context, session, step, by string) error
	SetDeadline(ctx context.Context, session, step string, t time.Time, by string) error
	Expire(ctx context.Context, limit int) (int, error)
	Cancel(ctx context.Context, session, by string) error
	Reject(ctx context.Context, session, by string) error
	CreateTables(ctx context.Context) error
	Check(ctx context.Context) error
}

// A sessionDB is a database, and says which of the stores of sessions a test is about.
type sessionDB struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	pool    *pgxpool.Pool // of a pgxstep.Store, and of db; nil for a sqlstep.Store
}

// eachSessions runs f as a subtest with a sqlstep.Store on every database, and with a
// pgxstep.Store.
func eachSessions(t *testing.T, f func(t *testing.T, on sessionDB)) {
	t.Helper()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) { f(t, bySQL(db, d)) })
	t.Run("PostgreSQL by pgxpool", func(t *testing.T) {
		t.Parallel()
		f(t, openByPgx(t))
	})
}

// bySQL is a database with a sqlstep.Store.
func bySQL(db *sql.DB, d sqlstore.Dialect) sessionDB { return sessionDB{db: db, dialect: d} }

// openByPgx opens a database with a pgxstep.Store.
func openByPgx(t testing.TB, settings ...string) sessionDB {
	t.Helper()
	config, err := pgxpool.ParseConfig(newPostgreSQL(t, settings...))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 20
	return openPool(t, config)
}

func openPool(t testing.TB, config *pgxpool.Config) sessionDB {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { db.Close() })
	return sessionDB{db, sqlstore.PostgreSQL, pool}
}

// limit returns the database with at most n connections.
func (on sessionDB) limit(t testing.TB, n int) sessionDB {
	t.Helper()
	if on.pool == nil {
		on.db.SetMaxOpenConns(n)
		return on
	}
	config := on.pool.Config()
	config.MaxConns = int32(n)
	return openPool(t, config)
}

func (on sessionDB) close() {
	on.db.Close()
	if on.pool != nil {
		on.pool.Close()
	}
}

func (on sessionDB) store(t testing.TB, o *sqlstep.Options) sessionStore {
	t.Helper()
	var sessions sessionStore
	var err error
	if on.pool != nil {
		sessions, err = pgxstep.New(on.pool, o)
	} else {
		sessions, err = sqlstep.New(on.db, on.dialect, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// sessions returns a store with its tables.
func (on sessionDB) sessions(t testing.TB) sessionStore {
	t.Helper()
	return on.sessionsWith(t, nil)
}

func (on sessionDB) sessionsWith(t testing.TB, o *sqlstep.Options) sessionStore {
	t.Helper()
	sessions := on.store(t, o)
	if err := sessions.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sessions
}

// A callersTx is a transaction of the caller's.
type callersTx struct {
	submit   func(ctx context.Context, s sessionstep.Submission) error // by SubmitTx
	scan     func(ctx context.Context, query string, dest ...any) error
	commit   func() error
	rollback func() error
}

func (on sessionDB) begin(ctx context.Context, level sql.IsolationLevel, sessions sessionStore) (*callersTx, error) {
	if on.pool != nil {
		return beginByPgx(ctx, on.pool, level, sessions.(*pgxstep.Store))
	}
	tx, err := on.db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return nil, err
	}
	return &callersTx{
		submit: func(ctx context.Context, s sessionstep.Submission) error {
			return sessions.(*sqlstep.Store).SubmitTx(ctx, tx, s)
		},
		scan: func(ctx context.Context, query string, dest ...any) error {
			return tx.QueryRowContext(ctx, query).Scan(dest...)
		},
		commit:   tx.Commit,
		rollback: tx.Rollback,
	}, nil
}

func beginByPgx(ctx context.Context, pool *pgxpool.Pool, level sql.IsolationLevel, sessions *pgxstep.Store) (*callersTx, error) {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: map[sql.IsolationLevel]pgx.TxIsoLevel{
		sql.LevelReadCommitted:  pgx.ReadCommitted,
		sql.LevelRepeatableRead: pgx.RepeatableRead,
		sql.LevelSerializable:   pgx.Serializable,
	}[level]})
	if err != nil {
		return nil, err
	}
	return &callersTx{
		submit: func(ctx context.Context, s sessionstep.Submission) error { return sessions.SubmitTx(ctx, tx, s) },
		scan: func(ctx context.Context, query string, dest ...any) error {
			return tx.QueryRow(ctx, query).Scan(dest...)
		},
		commit:   func() error { return tx.Commit(ctx) },
		rollback: func() error { return tx.Rollback(context.WithoutCancel(ctx)) },
	}, nil
}

// A front is the store of records of the same kind, sqlstore or pgxstore.
type front struct {
	runTx    func(ctx context.Context, key idempotency.Key, work func(ctx context.Context) error) error
	callback func(*sessionstep.Handler) http.Handler // behind an endpoint of preset.XSignature256
}

func (on sessionDB) front(t testing.TB, o *sqlstore.Options) front {
	t.Helper()
	if on.pool != nil {
		events, err := pgxstore.New(on.pool, quiet(o))
		return newFront[pgx.Tx](t, events, err)
	}
	events, err := sqlstore.New(on.db, on.dialect, quiet(o))
	return newFront[*sql.Tx](t, events, err)
}

func newFront[T any](t testing.TB, events interface {
	idempotency.Runner[T]
	CreateTables(context.Context) error
}, err error) front {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := events.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	return front{
		runTx: func(ctx context.Context, key idempotency.Key, work func(context.Context) error) error {
			return idempotency.Run(ctx, events, idempotency.Item{Key: key}, func(ctx context.Context, _ T) (*idempotency.Result, error) {
				return nil, work(ctx)
			}).AsError()
		},
		callback: func(h *sessionstep.Handler) http.Handler {
			v, err := hmacverify.New(preset.XSignature256(), nil, secret)
			if err != nil {
				t.Fatal(err)
			}
			endpoint, err := idempotency.NewEndpoint("test", v, events, nil)
			if err != nil {
				t.Fatal(err)
			}
			return endpoint.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ T) error { return h.Serve(w, r) })
		},
	}
}
