package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// Claim implements [idempotency.Store].
func (s *Store) Claim(ctx context.Context, key idempotency.Key, terms idempotency.Terms) (idempotency.Record, bool, error) {
	sent := time.Now()
	rec, won, err := s.claimLease(ctx, key, terms)
	// The values of an INSERT are computed before it waits for another
	// transaction's end, so a lease may have lost time before it began. If it is
	// lost already, the claim has won all the same, and its fence tells.
	if waited := time.Since(sent); err == nil && won && waited > terms.Lease/8 {
		err = s.Renew(ctx, idempotency.Claim{Key: key, Owner: rec.Owner, Token: rec.Token}, terms.Lease)
	}
	if err != nil && !errors.Is(err, idempotency.ErrLeaseLost) {
		return rec, false, fmt.Errorf("sqlstore: claim: %w", err)
	}
	return rec, won, nil
}

func (s *Store) claimLease(ctx context.Context, key idempotency.Key, terms idempotency.Terms) (rec idempotency.Record, won bool, err error) {
	b := bid{
		key:         key,
		state:       idempotency.Claimed,
		owner:       terms.Owner[:],
		lease:       terms.Lease,
		fp:          terms.Fingerprint,
		maxAttempts: terms.MaxAttempts,
	}
	done := false
	if s.dialect != SQLite { // which might read what is not committed
		rec, done, err = s.lookUp(ctx, key, s.find)
	}
	if done {
		return rec, false, nil
	}
	if err == nil {
		rec, won, err = s.claimAndKeep(ctx, b)
	}
	if lockTimeout(s.dialect, err) {
		// A transaction has the key in flight, and this is what its record
		// would say if it could be seen.
		return idempotency.Record{State: idempotency.Claimed}, false, nil
	}
	if err == nil {
		s.claimed(won || rec.State != idempotency.Done)
	}
	if err != nil || !won {
		return rec, false, err
	}
	rec.Owner, rec.LeaseLeft = terms.Owner, terms.Lease
	return rec, true, nil
}

// claimAndKeep claims, and keeps the payload in the same transaction if there is
// one to be kept: where that fails, there must be no lease that nobody has, nor an
// attempt that was none.
func (s *Store) claimAndKeep(ctx context.Context, b bid) (rec idempotency.Record, won bool, err error) {
	claim := func(c conn) error {
		rec, won, err = s.claim(ctx, c, b)
		return err
	}
	if _, keep := s.payload(ctx); !keep {
		err = s.again(ctx, func() error { return s.byItself(ctx, claim) })
		return rec, won, err
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		err := claim(tx)
		if err == nil && won {
			err = s.keepPayload(ctx, tx, b.key)
		}
		if err != nil {
			return err
		}
		return tx.Commit() // also if it lost: that the event is Dead may be news
	})
	return rec, won, err
}

// byItself calls f with what a statement without a transaction is to run on. MySQL
// has no bound on the wait of one, so that is a connection, which the context can
// close; it does not bound the wait for a connection.
func (s *Store) byItself(ctx context.Context, f func(conn) error) error {
	if s.dialect != MySQL {
		return f(s.db)
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// Renew implements [idempotency.Store].
func (s *Store) Renew(ctx context.Context, c idempotency.Claim, lease time.Duration) error {
	return s.orCompleted(ctx, c, s.fenced(ctx, s.db, c, "renew", s.sql.renew, lease.Microseconds()))
}

// Complete implements [idempotency.Store].
func (s *Store) Complete(ctx context.Context, c idempotency.Claim, result *idempotency.Result) error {
	return s.orCompleted(ctx, c, s.fenced(ctx, s.db, c, "complete", s.sql.complete, resultArgs(result)...))
}

// Release implements [idempotency.Store].
func (s *Store) Release(ctx context.Context, c idempotency.Claim, f idempotency.Failure) error {
	state := idempotency.Released
	if f.Dead {
		state = idempotency.Dead
	}
	return s.fenced(ctx, s.db, c, "release", s.sql.release, state, f.Reason)
}

// CompleteTx makes the record of the attempt that ctx belongs to Done in tx,
// the transaction of the effect: both are committed, or neither. Call it as the
// last thing before the commit, in work that runs under [idempotency.Leased] on
// this store. After an error of it, [idempotency.ErrLeaseLost] or another, tx must be
// rolled back; and after an error of any statement before it, for on MySQL and SQLite
// that can mean that there is no transaction any more, and the record would be Done
// without the effect.
//
// Begin tx when the slow work is done, or at READ COMMITTED. In SQLite, and above
// READ COMMITTED in PostgreSQL and in MariaDB with innodb_snapshot_isolation (on by
// default since 11.6), a renewal of the lease after the snapshot of tx is a
// conflict: CompleteTx fails and tx must be rolled back. A transaction that lives
// longer than a third of the lease would meet that every time.
//
// The work then returns nil once tx is committed; the runner finds the event
// completed.
func (s *Store) CompleteTx(ctx context.Context, tx *sql.Tx) error {
	a, ok := idempotency.AttemptFrom(ctx)
	if !ok || a.Token == 0 {
		return errors.New("sqlstore: CompleteTx outside of a lease")
	}
	c := idempotency.Claim{Key: a.Key, Owner: a.Owner, Token: a.Token}
	return s.fenced(ctx, tx, c, "complete", s.sql.complete, resultArgs(nil)...)
}

// fenced runs a statement that changes the record only if it is claimed by c, and
// whose last four parameters say so.
func (s *Store) fenced(ctx context.Context, on conn, c idempotency.Claim, what, query string, args ...any) error {
	args = append(args, []byte(c.Key.Scope), []byte(c.Key.ID), c.Owner[:], c.Token)
	err := s.againOn(ctx, on, func() error {
		ok, err := changed(ctx, on, query, args...)
		if err == nil && !ok {
			err = idempotency.ErrLeaseLost
		}
		return err
	})
	if err != nil && !errors.Is(err, idempotency.ErrLeaseLost) {
		return fmt.Errorf("sqlstore: %s: %w", what, err)
	}
	return err
}

// orCompleted is err, unless that says that c's lease is lost when c has completed
// its record already: by an earlier call whose answer was lost, or by CompleteTx.
func (s *Store) orCompleted(ctx context.Context, c idempotency.Claim, err error) error {
	if !errors.Is(err, idempotency.ErrLeaseLost) {
		return err
	}
	rec, findErr := s.find(ctx, s.db, c.Key)
	switch {
	case errors.Is(findErr, sql.ErrNoRows):
		return err
	case findErr != nil:
		return findErr
	case rec.State == idempotency.Done && rec.Owner == c.Owner && rec.Token == c.Token:
		return nil
	}
	return err
}

func resultArgs(r *idempotency.Result) []any {
	if r == nil {
		return []any{nil, nil, nil}
	}
	// A media type that is no text would be refused by PostgreSQL, and a long one
	// by MySQL; then a finished event could not be completed.
	mediaType := strings.ReplaceAll(strings.ToValidUTF8(r.ContentType, ""), "\x00", "")
	if len(mediaType) > maxName {
		mediaType = ""
	}
	return []any{r.Status, mediaType, r.Body}
}

// maxName is how many bytes of a media type, or of a payload's source, the tables
// hold.
const maxName = 255

// again calls f until it meets no conflict, for as long as Options.Wait.
func (s *Store) again(ctx context.Context, f func() error) error {
	pauses := s.backoff(time.Now())
	for {
		err := s.alone(ctx, f)
		if !conflict(s.dialect, err) || !pauses.wait(ctx) {
			return err
		}
	}
}

// inTx calls f in a transaction, and begins again after a conflict. What f does not
// commit is rolled back.
func (s *Store) inTx(ctx context.Context, f func(tx *sql.Tx) error) error {
	return s.again(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return f(tx)
	})
}

// againOn is again, unless on is a transaction: that has to begin again as a
// whole, which is for its owner to do.
func (s *Store) againOn(ctx context.Context, on conn, f func() error) error {
	if on != conn(s.db) {
		return f()
	}
	return s.again(ctx, f)
}

// alone calls f while nobody else in this process writes, if the database has one
// writer only.
func (s *Store) alone(ctx context.Context, f func() error) error {
	unlock, err := s.lockWriter(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return f()
}
