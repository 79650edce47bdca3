package pgxstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/records"
)

// Func is the function that an endpoint on a [Store] calls for each event.
type Func = idempotency.Func[pgx.Tx]

// Tx returns the transaction that ctx carries: inside the work of [Store.RunTx], or
// of a handler under [idempotency.Endpoint.Wrap], the one that the event's record is
// in. It is for code that cannot take the transaction as an argument; ok is false
// outside of such work. The caller must neither commit nor roll it back.
func Tx(ctx context.Context) (tx pgx.Tx, ok bool) {
	tx, ok = ctx.Value(txKey{}).(pgx.Tx)
	return tx, ok
}

func withTx(ctx context.Context, tx pgx.Tx) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

type txKey struct{}

// ClaimTx records key as processed in tx, which stays the caller's, and returns nil:
// do the work on tx and commit it. It is [Store.RunTx] for code that owns the
// transaction, such as the worker of a queue. The store does not see how the work ends:
// it records no failure and reports nothing to the observer.
//
// If the event was processed before, ClaimTx returns [idempotency.ErrDuplicate], and
// tx can still be used. Commit it before you acknowledge the duplicate: on servers
// that show a commit before it is durable, only that commit makes sure that a crash
// does not undo the record. After any other error tx must be rolled back. The error is
// [idempotency.ErrInFlight] if another transaction has had the event in flight for
// longer than Options.Wait, and [idempotency.ErrUnavailable] after a conflict, which
// is worth retrying from BEGIN. Above READ COMMITTED, a duplicate that was committed
// after the snapshot of tx is such a conflict.
func (s *Store) ClaimTx(ctx context.Context, tx pgx.Tx, key idempotency.Key) error {
	err := s.engine.ClaimTx(ctx, conn{tx, false}, key)
	s.shed(err)
	return err
}

// ClaimBatchTx is [Store.ClaimTx] for many keys, such as the items of a request that
// carries several events. It returns, for each key in its place, whether tx has
// claimed it: do the work of those on tx and commit it. The others were processed
// before, or stand in keys twice.
//
// It claims the keys in sorted order, so that two batches with keys in common do not
// deadlock: call it once in a transaction. New keys cost one statement for every
// thousand.
//
// After an error, of which [idempotency.ErrInFlight] may be about any of the keys, tx
// must be rolled back.
func (s *Store) ClaimBatchTx(ctx context.Context, tx pgx.Tx, keys []idempotency.Key) (claimed []bool, err error) {
	claimed, err = s.engine.ClaimBatchTx(ctx, conn{tx, false}, keys)
	s.shed(err)
	return claimed, err
}

// CompleteTx marks the claimed event as processed in tx, the transaction of the
// effect: both are committed, or neither. Call it as the last statement before the
// commit, in work that runs under a [lease.Runner] on this store; return nil once tx
// is committed. After an error tx must be rolled back.
//
// Begin tx when the slow work is done, or at READ COMMITTED: above that, a renewal of the
// lease after the snapshot of tx is a conflict, which a transaction that lives longer
// than a third of the lease would meet every time.
func (s *Store) CompleteTx(ctx context.Context, tx pgx.Tx, c lease.Claim) error {
	if c.Token == 0 {
		return errors.New("pgxstore: CompleteTx with a zero claim: pass the one that the work was given")
	}
	args := append(records.ResultArgs(nil), []byte(c.Key.Scope), []byte(c.Key.ID), c.Owner[:], c.Token)
	ok, err := records.Changed(ctx, conn{tx, false}, s.engine.Table.SQL().Complete, args...)
	s.shed(err)
	switch {
	case err != nil:
		return fmt.Errorf("pgxstore: complete: %w", err)
	case !ok:
		return idempotency.ErrLeaseLost
	}
	return nil
}
