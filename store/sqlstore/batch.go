package sqlstore

import (
	"context"
	"database/sql"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/internal/records"
)

// ClaimBatchTx is [Store.ClaimTx] for many keys, such as the items of a request that
// carries several events. It returns, for each key in its place, whether tx has
// claimed it: do the work of those on tx and commit it. The others were processed
// before, or stand in keys twice.
//
// It claims the keys in sorted order, so that two batches with keys in common do not
// deadlock: call it once in a transaction. (On MySQL and MariaDB without a binary log,
// where a duplicate costs a write, concurrent duplicates still can; the error is
// [idempotency.ErrUnavailable], to be retried from BEGIN.) New keys cost one statement for every
// thousand (two on MySQL), instead of one each: a hundred keys take a half
// (PostgreSQL, SQLite) to a fifth (MariaDB) of the time (BenchmarkClaimBatchTx in
// store/sqltest).
//
// After an error, of which [idempotency.ErrInFlight] may be about any of the keys, tx
// must be rolled back.
func (s *Store) ClaimBatchTx(ctx context.Context, tx *sql.Tx, keys []idempotency.Key) (claimed []bool, err error) {
	if err := s.ownTx(ctx, tx); err != nil {
		return nil, records.Unavailable("claim batch", err).AsError()
	}
	claimed, err = s.engine.ClaimBatchTx(ctx, s.on(tx), keys)
	s.shedLater(err)
	return claimed, err
}
