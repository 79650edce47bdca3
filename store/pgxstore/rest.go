package pgxstore

import (
	"context"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// The methods of this file are those of a sqlstore.Store on connections of the same pool:
// each is a statement or a few, which a pipeline would not make faster.

// seen returns err, and looks what it says of the pool's connections.
func (s *Store) seen(err error) error {
	s.shed(err)
	return err
}

// Claim implements [lease.Store].
func (s *Store) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	rec, won, err := s.rest.Claim(ctx, key, terms)
	return rec, won, s.seen(err)
}

// Renew implements [lease.Store].
func (s *Store) Renew(ctx context.Context, c lease.Claim, length time.Duration) error {
	return s.leased(ctx, func(ctx context.Context, on *sqlstore.Store) error { return on.Renew(ctx, c, length) })
}

// Complete implements [lease.Store].
func (s *Store) Complete(ctx context.Context, c lease.Claim, result *idempotency.Result) error {
	return s.leased(ctx, func(ctx context.Context, on *sqlstore.Store) error { return on.Complete(ctx, c, result) })
}

// Release implements [lease.Store].
func (s *Store) Release(ctx context.Context, c lease.Claim, f lease.Failure) error {
	return s.leased(ctx, func(ctx context.Context, on *sqlstore.Store) error { return on.Release(ctx, c, f) })
}

// CreateTables runs the statements of [sqlstore.Schema] if the tables do not exist. If
// they do, it changes nothing and needs no right to create anything, but returns an error
// if their version is not [sqlstore.SchemaVersion]. Any number of processes may call it
// at the same time.
func (s *Store) CreateTables(ctx context.Context) error { return s.rest.CreateTables(ctx) }

// Check returns an error, which says the way out, if something would make the store fail
// or take one event for another: see [sqlstore.Store.Check]. Call it at start, before any
// event arrives. It finds the modes of pgx that do not work behind a pooler.
func (s *Store) Check(ctx context.Context) error {
	if err := s.checkMode(ctx); err != nil {
		return err
	}
	return s.rest.Check(ctx)
}

// What the store has not: the errors of package sqlstore under their names here.
var (
	ErrNotFound  = sqlstore.ErrNotFound  // no record of the event
	ErrNotDead   = sqlstore.ErrNotDead   // Retry of an event that is not dead
	ErrNoPayload = sqlstore.ErrNoPayload // no payload of the event is kept
)

// Lookup returns the status of an event, or [ErrNotFound].
func (s *Store) Lookup(ctx context.Context, key idempotency.Key) (lease.Status, error) {
	return s.rest.Lookup(ctx, key)
}

// Forget deletes the record of an event, and its payload, so that its next delivery
// is processed as if it were the first: also if the event was processed already. The
// observer sees [idempotency.KindForgotten].
//
// An event that is being processed is not forgotten: the error is
// [idempotency.ErrInFlight]. Without a record it is [ErrNotFound].
func (s *Store) Forget(ctx context.Context, key idempotency.Key) error {
	return s.seen(s.rest.Forget(ctx, key))
}

// Failures returns up to limit events that failed, in the order of their keys,
// starting after the given key; the zero Key starts at the first. Events that fail in
// a transaction are listed only under Options.RecordFailures.
//
// No index has what failed, because it would cost what succeeds. So Failures goes
// through the table, and returns after about a second with what it has found. next is
// where the next call is to continue: it is the zero Key if there are no more.
func (s *Store) Failures(ctx context.Context, after idempotency.Key, limit int) (page []lease.Status, next idempotency.Key, err error) {
	return s.rest.Failures(ctx, after, limit)
}

// Retry frees a dead event: its next delivery is processed, and its attempts count
// from 1 again. If the event is not dead, the error is [ErrNotDead].
func (s *Store) Retry(ctx context.Context, key idempotency.Key) error {
	return s.seen(s.rest.Retry(ctx, key))
}

// Payload returns what Options.KeepPayloads kept of an event: its first delivery that
// left a record. Its RestoreUnverified method restores the delivery. The error is
// [ErrNoPayload] if nothing is kept.
func (s *Store) Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error) {
	return s.rest.Payload(ctx, key)
}

// Purge deletes the records that were last changed longer than Options.Retention ago,
// whatever their state, unless their lease has not expired; and the payloads older
// than Options.PayloadRetention. It returns the number of deleted records. Call it
// once a day, from any number of processes. No claim waits for it.
func (s *Store) Purge(ctx context.Context) (int, error) {
	n, err := s.rest.Purge(ctx)
	return n, s.seen(err)
}
