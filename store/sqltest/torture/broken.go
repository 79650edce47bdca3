package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// Two mistakes that hand-written code makes: the claim is committed in its own
// transaction, before or after that of the work.
const (
	markBefore = "mark-before" // loses the event if the work fails
	markAfter  = "mark-after"  // applies the event twice
)

// transactional returns the runner of transactional mode, or a broken one.
func (s *server) transactional() idempotency.Runner {
	if s.Broken == "" {
		return s.events.Transactional()
	}
	return &broken{server: s}
}

// broken is a runner that looks correct.
type broken struct{ *server }

// Run implements [idempotency.Runner] without its guarantees.
func (b *broken) Run(ctx context.Context, key idempotency.Key, _ idempotency.Fingerprint, work idempotency.Work) (*idempotency.Result, error) {
	if b.Broken == markBefore {
		if err := b.mark(ctx, key); err != nil {
			return nil, err
		}
		return nil, b.apply(ctx, key, work)
	}
	done, err := b.marked(ctx, key)
	if err != nil || done {
		return nil, errors.Join(err, idempotency.ErrDuplicate)
	}
	if err := b.apply(ctx, key, work); err != nil {
		return nil, err
	}
	time.Sleep(5 * time.Millisecond) // widens the window between work and claim
	if err := b.mark(ctx, key); err != nil && !errors.Is(err, idempotency.ErrDuplicate) {
		return nil, err
	}
	return nil, nil
}

// mark records the event as processed, in its own transaction.
func (b *broken) mark(ctx context.Context, key idempotency.Key) error {
	return b.events.RunTx(ctx, key, func(context.Context, *sql.Tx) error { return nil })
}

// marked reports whether the event is recorded as processed.
func (b *broken) marked(ctx context.Context, key idempotency.Key) (bool, error) {
	errMissing := errors.New("not yet")
	err := b.events.RunTx(ctx, key, func(context.Context, *sql.Tx) error { return errMissing })
	switch {
	case errors.Is(err, errMissing):
		return false, nil
	case errors.Is(err, idempotency.ErrDuplicate):
		return true, nil
	}
	return false, err
}

// apply does the work, in another transaction.
func (b *broken) apply(ctx context.Context, key idempotency.Key, work idempotency.Work) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", idempotency.ErrUnavailable, err)
	}
	defer tx.Rollback()
	ctx = idempotency.WithAttempt(ctx, idempotency.Attempt{Key: key})
	if _, err := work(context.WithValue(ctx, brokenTxKey{}, tx)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: %w", idempotency.ErrUnavailable, err)
	}
	return nil
}

type brokenTxKey struct{}

func brokenTx(ctx context.Context) (*sql.Tx, bool) {
	tx, ok := ctx.Value(brokenTxKey{}).(*sql.Tx)
	return tx, ok
}
