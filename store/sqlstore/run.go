package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/internal/records"
)

// RunTx calls work in a transaction that also records key as processed, and commits
// it. It returns nil only when that is durable. If work returns an error, RunTx rolls
// back and returns that error, and if the server refuses to commit what work did, the
// server's; all other errors wrap a sentinel of package idempotency, such as
// [idempotency.ErrDuplicate].
//
// A delivery of an event that another process has in flight waits, at most
// Options.Wait, for that one's commit. After a serialization failure or a deadlock
// work is called again, from BEGIN. It must return the errors of its statements;
// effects outside of tx are not rolled back.
func (s *Store) RunTx(ctx context.Context, key idempotency.Key, work func(ctx context.Context, tx *sql.Tx) error) error {
	return idempotency.Run(ctx, s, idempotency.Item{Key: key}, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
		return nil, work(ctx, tx)
	}).AsError()
}

// Run implements [idempotency.Runner]. Call [Store.RunTx], or [idempotency.Run] with a
// fingerprint or a payload.
func (s *Store) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	if s.db == nil {
		return records.Unavailable("run", errors.New("zero Store: create it with New"))
	}
	return s.engine.Run(ctx, item, work)
}
