package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/records"
)

// Claim implements [lease.Store].
func (s *Store) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	sent := time.Now()
	s.keep(ctx, terms.Lease)
	rec, won, err := s.claimLease(ctx, key, terms)
	s.shed(ctx, err)
	// The values of an INSERT are computed before it waits for another
	// transaction's end, so a lease may have lost time before it began. If it is
	// lost already, the claim has won all the same, and its fence tells.
	if waited := time.Since(sent); err == nil && won && waited > terms.Lease/8 {
		err = s.Renew(ctx, lease.Claim{Key: key, Owner: rec.Owner, Token: rec.Token}, terms.Lease)
	}
	if err != nil && !errors.Is(err, idempotency.ErrLeaseLost) {
		return rec, false, fmt.Errorf("sqlstore: claim: %w", err)
	}
	return rec, won, nil
}

func (s *Store) claimLease(ctx context.Context, key idempotency.Key, terms lease.Terms) (rec lease.Record, won bool, err error) {
	s.table.Locate(ctx, s.pool())
	b := records.Request{
		Key:         key,
		State:       lease.Claimed,
		Owner:       terms.Owner[:],
		Length:      terms.Lease,
		Fingerprint: terms.Fingerprint,
		MaxAttempts: terms.MaxAttempts,
		Interval:    terms.AttemptInterval,
	}
	var found records.Stored
	done := false
	if s.dialect != SQLite { // which might read what is not committed
		found, done, err = s.engine.LookUpFirst(ctx, key, s.table.Find)
	}
	if done {
		return s.lost(ctx, b, found)
	}
	if err == nil {
		found, won, err = s.claimAndKeep(ctx, b, terms.Delivery)
	}
	if s.table.Dialect.LockTimeout(err) {
		if o := s.engine.AfterWait(ctx, key); o.Kind != idempotency.KindInFlight {
			return lease.Record{}, false, o.Err
		}
		// A transaction has the key in flight, and this is what its record
		// would say if it could be seen.
		return lease.Record{State: lease.Claimed}, false, nil
	}
	rec = found.Record
	if err != nil {
		return rec, false, err
	}
	s.engine.SawDuplicate(found, won)
	if !won {
		return s.lost(ctx, b, found)
	}
	rec.Owner, rec.LeaseLeft = terms.Owner, terms.Lease
	return rec, true, nil
}

// lost is what [Store.Claim] returns of a claim that rec stands in the way of: rec,
// or, until that is durable, what it would be if it could not be seen yet.
func (s *Store) lost(ctx context.Context, b records.Request, rec records.Stored) (lease.Record, bool, error) {
	err := s.engine.Confirm(ctx, b.Key, rec, b.Fingerprint)
	if errors.Is(err, records.ErrNotDurable) {
		return lease.Record{State: lease.Claimed}, false, nil
	}
	if err != nil {
		return rec.Record, false, fmt.Errorf("make the record durable: %w", err)
	}
	return rec.Record, false, nil
}

// claimAndKeep claims, and keeps the payload in the same transaction if there is one
// to keep: if that fails, it must leave neither an orphaned lease nor a counted
// attempt.
func (s *Store) claimAndKeep(ctx context.Context, b records.Request, d *hmacverify.Delivery) (rec records.Stored, won bool, err error) {
	claim := func(c conn) error {
		rec, won, err = s.table.Claim(ctx, s.on(c), b)
		return err
	}
	if !s.o.KeepPayloads || d == nil {
		err = s.retry(ctx, func(c conn) error { return s.onConn(ctx, c, claim) })
		return rec, won, err
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		err := claim(tx)
		if err == nil && won {
			err = s.engine.KeepPayload(ctx, s.on(tx), idempotency.Item{Key: b.Key, Delivery: d})
		}
		return err // committed also if it lost: that the event is Dead may be news
	})
	return rec, won, err
}

// Renew implements [lease.Store].
func (s *Store) Renew(ctx context.Context, c lease.Claim, length time.Duration) error {
	s.reserve.extend(length)
	err := s.fenced(ctx, s.db, c, "renew", s.table.SQL().Renew, length.Microseconds())
	return s.orEnded(ctx, c, err, lease.Done)
}

// Complete implements [lease.Store]. If the last one found its record completed, this one
// looks first: so it is with each event where the work calls CompleteTx.
func (s *Store) Complete(ctx context.Context, c lease.Claim, result *idempotency.Result) error {
	if s.completed.Load() {
		err := s.addResult(ctx, c, result)
		if !errors.Is(err, idempotency.ErrLeaseLost) {
			return err
		}
	}
	err := s.fenced(ctx, s.db, c, "complete", s.table.SQL().Complete, records.ResultArgs(result)...)
	if !errors.Is(err, idempotency.ErrLeaseLost) {
		s.completed.Store(false)
		return err
	}
	err = s.addResult(ctx, c, result)
	s.completed.Store(err == nil)
	return err
}

// addResult adds the result to the record that c has completed already, by CompleteTx or
// by an earlier call whose answer was lost. If it has not, the error is ErrLeaseLost.
func (s *Store) addResult(ctx context.Context, c lease.Claim, result *idempotency.Result) error {
	err := idempotency.ErrLeaseLost
	if result != nil {
		err = s.fenced(ctx, s.db, c, "complete", s.table.SQL().AddResult, records.ResultArgs(result)...)
	}
	return s.orEnded(ctx, c, err, lease.Done)
}

// Release implements [lease.Store].
func (s *Store) Release(ctx context.Context, c lease.Claim, f lease.Failure) error {
	state := lease.Released
	if f.Dead {
		state = lease.Dead
	}
	uncount := 0
	if f.Uncount {
		uncount = 1
	}
	err := s.fenced(ctx, s.db, c, "release", s.table.SQL().Release, int(state), f.Reason, uncount)
	return s.orEnded(ctx, c, err, lease.Released, lease.Dead)
}

// fenced runs a statement that changes the record only if it is claimed by c, and
// whose last four parameters say so.
func (s *Store) fenced(ctx context.Context, on conn, c lease.Claim, what, query string, args ...any) error {
	args = append(args, []byte(c.Key.Scope), []byte(c.Key.ID), c.Owner[:], c.Token)
	write := func(ctx context.Context, on conn) error {
		ok, err := s.changed(ctx, on, query, args...)
		if err == nil && !ok {
			err = idempotency.ErrLeaseLost
		}
		return err
	}
	var err error
	if on == conn(s.db) {
		err = s.table.RetryConflicts(ctx, func() error { return s.leased(ctx, write) })
	} else { // a transaction, which starts again as a whole, or not at all
		err = write(ctx, on)
	}
	s.shed(ctx, err)
	if err != nil && !errors.Is(err, idempotency.ErrLeaseLost) {
		return fmt.Errorf("sqlstore: %s: %w", what, err)
	}
	return err
}

// orEnded is err, unless that says that c's lease is lost when c has ended its claim
// already, with one of the given states: by an earlier call whose answer was lost, or
// by CompleteTx.
func (s *Store) orEnded(ctx context.Context, c lease.Claim, err error, states ...lease.State) error {
	if !errors.Is(err, idempotency.ErrLeaseLost) {
		return err
	}
	rec, findErr := s.table.Find(ctx, s.pool(), c.Key)
	switch {
	case errors.Is(findErr, sql.ErrNoRows):
		return err
	case findErr != nil:
		return findErr
	case slices.Contains(states, rec.Record.State) && rec.Record.Owner == c.Owner && rec.Record.Token == c.Token:
		return s.engine.Confirm(ctx, c.Key, rec, idempotency.Fingerprint{})
	}
	return err
}
