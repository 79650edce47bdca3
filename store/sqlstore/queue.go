package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

var _ inbox.Queue = (*Store)(nil)

// The methods of this file are for an inbox, whose entries are in a table beside the
// records.

// Enqueue implements [inbox.Queue].
func (s *Store) Enqueue(ctx context.Context, entries []inbox.Entry) ([]inbox.Enqueued, error) {
	results, err := s.engine.Enqueue(ctx, entries)
	return results, named(err)
}

// Dequeue implements [inbox.Queue].
func (s *Store) Dequeue(ctx context.Context, endpoint string, limit int, lease time.Duration, suspects bool) ([]inbox.Job, error) {
	jobs, err := s.engine.Dequeue(ctx, endpoint, limit, lease, suspects)
	return jobs, named(err)
}

// Due implements [inbox.Queue].
func (s *Store) Due(ctx context.Context, endpoints []string) ([]inbox.Due, error) {
	due, err := s.engine.Due(ctx, endpoints)
	return due, named(err)
}

// Extend implements [inbox.Queue].
func (s *Store) Extend(ctx context.Context, tickets []inbox.Ticket, lease time.Duration) ([]inbox.Ticket, error) {
	lost, err := s.engine.Extend(ctx, tickets, lease)
	return lost, named(err)
}

// Settle implements [inbox.Queue].
func (s *Store) Settle(ctx context.Context, settlements []inbox.Settlement) error {
	return named(s.engine.Settle(ctx, settlements))
}

// Entry implements [inbox.Queue].
func (s *Store) Entry(ctx context.Context, key idempotency.Key) (inbox.Status, error) {
	status, err := s.engine.Entry(ctx, key)
	return status, named(err)
}

// Entries implements [inbox.Queue].
func (s *Store) Entries(ctx context.Context, endpoint string, state inbox.State, after *inbox.Status, limit int) ([]inbox.Status, error) {
	page, err := s.engine.Entries(ctx, endpoint, state, after, limit)
	return page, named(err)
}

// Count implements [inbox.Queue].
func (s *Store) Count(ctx context.Context, endpoint string, state inbox.State, limit int) (int, error) {
	n, err := s.engine.Count(ctx, endpoint, state, limit)
	return n, named(err)
}

// Redeliver implements [inbox.Queue].
func (s *Store) Redeliver(ctx context.Context, key idempotency.Key) error {
	return named(s.engine.Redeliver(ctx, key))
}

// named adds the package's name to an error of the database.
func named(err error) error {
	if err == nil || errors.Is(err, idempotency.ErrNotFound) || errors.Is(err, idempotency.ErrNotDead) || errors.Is(err, idempotency.ErrNoPayload) {
		return err
	}
	return fmt.Errorf("sqlstore: inbox: %w", err)
}
