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
func (s *server) transactional() idempotency.Runner[*sql.Tx] {
	if s.Broken == "" {
		return s.events
	}
	return &broken{server: s}
}

// broken is a runner that looks correct.
type broken struct{ server *server }

// Run implements [idempotency.Runner] without its guarantees.
func (b *broken) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	err := b.run(ctx, item.Key, work)
	switch {
	case err == nil:
		return idempotency.Outcome{Kind: idempotency.KindCompleted}
	case errors.Is(err, idempotency.ErrDuplicate):
		return idempotency.OutcomeOf(idempotency.KindDuplicate, nil)
	case errors.Is(err, idempotency.ErrUnavailable), errors.Is(err, idempotency.ErrInFlight):
		return idempotency.OutcomeOf(idempotency.KindUnavailable, err)
	}
	return idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}
}

// Observe implements [idempotency.Runner].
func (b *broken) Observe(ctx context.Context, e idempotency.Event) { b.server.events.Observe(ctx, e) }

// Retention implements [idempotency.Runner].
func (b *broken) Retention() time.Duration { return b.server.events.Retention() }

func (b *broken) run(ctx context.Context, key idempotency.Key, work idempotency.Work[*sql.Tx]) error {
	if b.server.Broken == markBefore {
		if err := b.mark(ctx, key); err != nil {
			return err
		}
		return b.apply(ctx, work)
	}
	done, err := b.marked(ctx, key)
	if err != nil || done {
		return errors.Join(err, idempotency.ErrDuplicate)
	}
	if err := b.apply(ctx, work); err != nil {
		return err
	}
	time.Sleep(5 * time.Millisecond) // widens the window between work and claim
	if err := b.mark(ctx, key); err != nil && !errors.Is(err, idempotency.ErrDuplicate) {
		return err
	}
	return nil
}

// mark records the event as processed, in its own transaction.
func (b *broken) mark(ctx context.Context, key idempotency.Key) error {
	return b.server.events.RunTx(ctx, key, func(context.Context, *sql.Tx) error { return nil })
}

// marked reports whether the event is recorded as processed.
func (b *broken) marked(ctx context.Context, key idempotency.Key) (bool, error) {
	errMissing := errors.New("not yet")
	err := b.server.events.RunTx(ctx, key, func(context.Context, *sql.Tx) error { return errMissing })
	switch {
	case errors.Is(err, errMissing):
		return false, nil
	case errors.Is(err, idempotency.ErrDuplicate):
		return true, nil
	}
	return false, err
}

// apply does the work, in another transaction.
func (b *broken) apply(ctx context.Context, work idempotency.Work[*sql.Tx]) error {
	tx, err := b.server.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", idempotency.ErrUnavailable, err)
	}
	defer tx.Rollback()
	if _, err := work(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: %w", idempotency.ErrUnavailable, err)
	}
	return nil
}
