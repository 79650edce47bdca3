package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/records"
)

// Func is the function that an endpoint on a [Store] calls for each event.
type Func = idempotency.Func[*sql.Tx]

// Tx returns the transaction that ctx carries: inside the work of [Store.RunTx], or
// of a handler under [idempotency.Endpoint.Wrap], the one that the event's record is
// in. It is for code that cannot take the transaction as an argument; ok is false
// outside of such work. The caller must neither commit nor roll it back.
func Tx(ctx context.Context) (tx *sql.Tx, ok bool) {
	tx, ok = ctx.Value(txKey{}).(*sql.Tx)
	return tx, ok
}

func withTx(ctx context.Context, tx *sql.Tx) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

type txKey struct{}

// ClaimTx records key as processed in tx, which stays the caller's, and returns nil:
// do the work on tx and commit it. It is [Store.RunTx] for code that owns the
// transaction, such as the consumer of a queue. The store does not see how the work
// ends: it records no failure and reports nothing to the observer.
//
// If the event was processed before, ClaimTx returns [idempotency.ErrDuplicate], and
// tx can still be used. Commit it before you acknowledge the duplicate: on servers
// that show a commit before it is durable, only that commit makes sure that a crash
// does not undo the record. After any other error tx must be rolled back. The error is
// [idempotency.ErrInFlight] if another transaction has had the event in flight for
// longer than Options.Wait, and [idempotency.ErrUnavailable] after a conflict, which
// is worth retrying from BEGIN.
//
// # Isolation levels
//
// Above READ COMMITTED, a duplicate that was committed after the snapshot of tx is
// such a conflict in PostgreSQL, and in MariaDB with innodb_snapshot_isolation (on by
// default since 11.6). In SQLite it always is.
//
// # MySQL and SQLite
//
// On a cluster of Galera, ClaimTx is refused if the driver prepares statements: set
// interpolateParams=true in the data source name.
//
// An error of a statement can mean that the database has rolled tx back; statements
// after it would be committed one by one. Roll back after every error.
func (s *Store) ClaimTx(ctx context.Context, tx *sql.Tx, key idempotency.Key) error {
	if err := s.ownTx(ctx, tx); err != nil {
		return records.Unavailable("claim", err).AsError()
	}
	err := s.engine.ClaimTx(ctx, s.on(tx), key)
	s.shedLater(err)
	return err
}

// CompleteTx marks the claimed event as processed in tx, the transaction of the
// effect: both are committed, or neither. Call it as the last statement before the
// commit, in work that runs under a [lease.Runner] on this store; return nil once tx
// is committed.
//
// After an error of CompleteTx or of any statement before it, tx must be rolled back:
// on MySQL and SQLite the database may have rolled it back already, and the event
// would be completed without its effect.
//
// On a cluster of Galera, CompleteTx is refused if the driver prepares statements, as
// [Store.ClaimTx] is.
//
// # Isolation levels
//
// Begin tx when the slow work is done, or at READ COMMITTED. In SQLite, and above
// READ COMMITTED in PostgreSQL and in MariaDB with innodb_snapshot_isolation (on by
// default since 11.6), a renewal of the lease after the snapshot of tx is a conflict:
// a transaction that lives longer than a third of the lease would meet it every time.
func (s *Store) CompleteTx(ctx context.Context, tx *sql.Tx, c lease.Claim) error {
	if c.Token == 0 {
		return errors.New("sqlstore: CompleteTx with a zero claim: pass the one that the work was given")
	}
	for _, check := range []func(context.Context, *sql.Tx) error{s.ownTx, s.stillOpen} {
		if err := check(ctx, tx); err != nil {
			return fmt.Errorf("sqlstore: complete: %w", err)
		}
	}
	return s.fenced(ctx, tx, c, "complete", s.table.SQL().Complete, records.ResultArgs(nil)...)
}
