package sqlstore

import (
	"context"
	"database/sql"

	"github.com/hookonce/hookonce/idempotency"
)

// ClaimTx records key as done in tx, which stays the caller's, and returns nil:
// do the work on tx and commit it. It is [Store.RunTx] for those who own BEGIN,
// such as the consumers of a queue. The store does not see how the work ends, so it
// records no failure of it and tells Options.Observe nothing.
//
// If the event was done before, it returns [idempotency.ErrDuplicate] and tx can
// be used on. After every other error tx must be rolled back: the wait for an
// event in flight was too long ([idempotency.ErrInFlight]), or a conflict
// ([idempotency.ErrUnavailable]) makes it worth beginning again. Above READ
// COMMITTED, a duplicate that was committed after the snapshot of tx is such a
// conflict in PostgreSQL, and in MariaDB with innodb_snapshot_isolation, which is
// on by default since 11.6; in SQLite it always is.
//
// If tx is rolled back, no record is left. That may be the database's doing: on
// MySQL and SQLite, an error of a statement can mean that there is no transaction any
// more, and what is executed after it is committed at once. So roll back after every
// error.
func (s *Store) ClaimTx(ctx context.Context, tx *sql.Tx, key idempotency.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	r := &run{Store: s, key: key}
	rec, won, err := s.claim(ctx, tx, r.bid())
	switch {
	case lockTimeout(s.dialect, err):
		return &idempotency.InFlightError{}
	case err != nil:
		return idempotency.Unavailable("claim", err)
	case won:
		if err := s.keepPayload(ctx, tx, key); err != nil {
			return idempotency.Unavailable("keep payload", err)
		}
		return nil
	}
	return rec.Refuse(idempotency.Fingerprint{})
}
