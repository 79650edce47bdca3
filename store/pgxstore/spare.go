package pgxstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

const (
	// poolPatience is how long a statement about a lease waits for a connection of
	// the pool before it opens one of its own.
	poolPatience = 50 * time.Millisecond

	// spareFor bounds such a statement, for which others wait.
	spareFor = 2 * time.Second
)

// openSpare opens a database with one connection outside of the pool, which is closed
// when it is idle. To keep one of the pool's for leases, as sqlstore does, would have
// [pgxpool.Pool.Close] wait until they expire.
func openSpare(config *pgxpool.Config) *sql.DB {
	var o []stdlib.OptionOpenDB
	if config.BeforeConnect != nil {
		o = append(o, stdlib.OptionBeforeConnect(config.BeforeConnect))
	}
	if config.AfterConnect != nil {
		o = append(o, stdlib.OptionAfterConnect(config.AfterConnect))
	}
	db := stdlib.OpenDB(*config.ConnConfig, o...)
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(-1)
	return db
}

// leased calls f, a statement about a lease that is harmless to repeat, with a store
// whose connections are the pool's or, if all are in use, with the spare one, so that the
// work that runs under leases cannot keep them from being renewed by taking all of the
// pool.
func (s *Store) leased(ctx context.Context, f func(context.Context, *sqlstore.Store) error) error {
	if ctx.Err() == nil && !s.free(ctx) {
		bounded, cancel := context.WithTimeout(ctx, spareFor)
		defer cancel()
		if err := f(bounded, s.spare); err == nil || errors.Is(err, idempotency.ErrLeaseLost) {
			return err
		}
	}
	return s.seen(f(ctx, s.rest))
}

// free reports whether the pool has a connection to spare, or soon has.
func (s *Store) free(ctx context.Context) bool {
	if stat := s.pool.Stat(); stat.AcquiredConns() < stat.MaxConns() {
		return true
	}
	patience, cancel := context.WithTimeout(ctx, poolPatience)
	defer cancel()
	c, err := s.pool.Acquire(patience)
	if err != nil {
		return false
	}
	c.Release()
	return true
}
