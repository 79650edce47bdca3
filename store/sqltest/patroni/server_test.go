//go:build linux

package patroni_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A mode is a way in which a server has an event take effect.
type mode int

const (
	runs      mode = iota // RunTx
	completed             // a lease, and CompleteTx
	accepted              // an inbox
	modes
)

func (m mode) String() string { return [...]string{"run", "lease", "inbox"}[m] }

// A server is an application server: a store, on a pool of its own.
type server struct {
	name    string
	box     *inbox.Inbox
	deliver [modes]delivery

	// own delivers an event in a transaction that the server begins itself, whose COMMIT is
	// canceled when its context ends.
	own func(ctx context.Context, m mode, event int) (fresh bool, err error)
}

// A delivery has an event take effect, or says that it has before. It acknowledges the event
// unless it returns an error.
type delivery func(ctx context.Context, event int) (fresh bool, err error)

// conns is how many connections a server has.
const conns = 8

// newServers returns servers of both stores, by each way to the database.
func newServers(t *testing.T, c *cluster, database string) (all []*server) {
	t.Helper()
	for _, way := range []struct{ name, dsn string }{
		{"by HAProxy", c.dsn(database, c.proxyPort)},
		{"by several hosts", c.hosts(database)},
		{"by PgBouncer", c.dsn(database, c.poolPort) + "&default_query_exec_mode=exec"},
	} {
		all = append(all, newSQLServer(t, "sqlstore "+way.name, way.dsn), newPgxServer(t, "pgxstore "+way.name, way.dsn))
	}
	return all
}

func newSQLServer(t *testing.T, name, dsn string) *server {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, quiet())
	if err != nil {
		t.Fatal(err)
	}
	begin := func(ctx context.Context, f func(tx *sql.Tx) error) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	}
	return newServer(t, name, s, begin, func(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

func newPgxServer(t *testing.T, name, dsn string) *server {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { go pool.Close() }) // which waits for commits that are not answered yet
	s, err := pgxstore.New(pool, quiet())
	if err != nil {
		t.Fatal(err)
	}
	begin := func(ctx context.Context, f func(tx pgx.Tx) error) error { return pgx.BeginFunc(ctx, pool, f) }
	return newServer(t, name, s, begin, func(ctx context.Context, tx pgx.Tx, query string, args ...any) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
}

// quiet are options without a log: the tests provoke failures.
func quiet() *sqlstore.Options {
	return &sqlstore.Options{Observe: func(context.Context, idempotency.Event) {}}
}

// native is a store, whose transactions are a T.
type native[T any] interface {
	idempotency.Runner[T]
	lease.Store
	inbox.Queue
	RunTx(ctx context.Context, key idempotency.Key, work func(ctx context.Context, tx T) error) error
	ClaimTx(ctx context.Context, tx T, key idempotency.Key) error
	CompleteTx(ctx context.Context, tx T, c lease.Claim) error
}

// newServer returns a server with a store that begins transactions of its own, and
// executes statements in them.
func newServer[T any](t *testing.T, name string, s native[T], begin func(context.Context, func(T) error) error,
	execute func(ctx context.Context, tx T, query string, args ...any) error) *server {
	t.Helper()
	work := func(ctx context.Context, tx T, m mode, event int) error {
		if err := execute(ctx, tx, "INSERT INTO effects (mode, event) VALUES ($1, $2)", int(m), event); err != nil {
			return err
		}
		return execute(ctx, tx, `INSERT INTO counters AS c (mode, id, n) VALUES ($1, $2, 1)
			ON CONFLICT (mode, id) DO UPDATE SET n = c.n + 1`, int(m), counterOf(event))
	}
	// A lease of a server that lost its database would hold up the event for longer than
	// it takes to fail over.
	leases, err := lease.New(s, &lease.Options{Lease: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	v := &server{name: name}
	v.deliver[runs] = func(ctx context.Context, event int) (bool, error) {
		return fresh(s.RunTx(ctx, keyOf(runs, event), func(ctx context.Context, tx T) error { return work(ctx, tx, runs, event) }))
	}
	v.deliver[completed] = func(ctx context.Context, event int) (bool, error) {
		return fresh(leases.Do(ctx, keyOf(completed, event), func(ctx context.Context, c lease.Claim) error {
			return begin(ctx, func(tx T) error {
				if err := work(ctx, tx, completed, event); err != nil {
					return err
				}
				return s.CompleteTx(ctx, tx, c)
			})
		}))
	}
	v.own = func(ctx context.Context, m mode, event int) (bool, error) {
		var claimed error
		err := begin(ctx, func(tx T) error {
			claimed = s.ClaimTx(ctx, tx, keyOf(m, event))
			switch {
			case claimed == nil:
				return work(ctx, tx, m, event)
			case errors.Is(claimed, idempotency.ErrDuplicate):
				return nil // it is acknowledged after a commit
			}
			return claimed
		})
		return fresh(cmp.Or(err, claimed))
	}
	v.box, v.deliver[accepted] = newInbox(t, s, func(ctx context.Context, tx T, d *hmacverify.Delivery) error {
		event, err := strconv.Atoi(d.ID)
		if err != nil {
			return err
		}
		return work(ctx, tx, accepted, event)
	})
	return v
}

func keyOf(m mode, event int) idempotency.Key {
	return idempotency.Key{Scope: m.String(), ID: strconv.Itoa(event)}
}

// fresh tells an event that was processed now from one that was processed before. Both
// are acknowledged.
func fresh(err error) (bool, error) {
	if errors.Is(err, idempotency.ErrDuplicate) {
		return false, nil
	}
	return err == nil, err
}

// newInbox returns an inbox, and what has it accept an event.
func newInbox[T any](t *testing.T, s native[T], work idempotency.Func[T]) (*inbox.Inbox, func(context.Context, int) (bool, error)) {
	t.Helper()
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint(accepted.String(), verifier, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	box, err := inbox.New(s, &inbox.Options{
		Lease:       3 * time.Second,
		Poll:        time.Second,
		MaxAttempts: 1000,
		Backoff:     func(int) time.Duration { return 100 * time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	h := inbox.Handle(box, endpoint, work, nil)
	return box, func(ctx context.Context, event int) (bool, error) {
		r, err := signer.NewRequest(ctx, "/webhooks", http.Header{"Webhook-Id": {strconv.Itoa(event)}}, []byte(`{}`))
		if err != nil {
			return false, err
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code/100 != 2 {
			return false, fmt.Errorf("status %d, %s", w.Code, w.Header().Get("Idempotency-Status"))
		}
		return w.Header().Get("Idempotency-Status") != "duplicate", nil
	}
}
