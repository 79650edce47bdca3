package torture

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// unfenced claims by a lease, does the work in a transaction of its own, and does not
// ask at its end whether the lease is still its own.
func (b *broken) unfenced(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	terms := lease.Terms{Owner: lease.NewOwner(), Lease: b.server.Timeout}
	rec, won, err := b.events.Claim(ctx, item.Key, terms)
	switch {
	case err != nil:
		return idempotency.OutcomeOf(idempotency.KindUnavailable, err)
	case !won:
		return rec.Refuse(idempotency.Fingerprint{})
	}
	claim := lease.Claim{Key: item.Key, Owner: terms.Owner, Token: rec.Token}
	ctx = context.WithoutCancel(ctx)
	if err := b.apply(ctx, work); err != nil {
		b.events.Release(ctx, claim, lease.Failure{Reason: err.Error()})
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}
	}
	b.events.Complete(ctx, claim, nil)
	return idempotency.Outcome{Kind: idempotency.KindCompleted}
}

// early answers a duplicate when it sees the record of a commit, which MariaDB shows
// before it has written its log.
func (b *broken) early(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	query := b.server.bind("SELECT state FROM " + sqlstore.DefaultTable + " WHERE scope = ? AND id = ?")
	var state lease.State
	err := b.db.QueryRowContext(ctx, query, []byte(item.Key.Scope), []byte(item.Key.ID)).Scan(&state)
	if err == nil && state == lease.Done {
		return idempotency.OutcomeOf(idempotency.KindDuplicate, nil)
	}
	return b.events.Run(ctx, item, work)
}

// impatient answers soon after the work is done, though its COMMIT has no answer yet.
func (b *broken) impatient(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	worked, ended := make(chan struct{}, 1), make(chan idempotency.Outcome, 1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.server.Timeout)
	go func() {
		defer cancel()
		defer func() {
			if recover() != nil { // the work's, which the server would recover
				ended <- idempotency.Outcome{Kind: idempotency.KindFailed, Err: errOnPurpose}
			}
		}()
		ended <- b.events.Run(ctx, item, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
			result, err := work(ctx, tx)
			if err == nil {
				select {
				case worked <- struct{}{}:
				default: // it is called again, after a conflict
				}
			}
			return result, err
		})
	}()
	select {
	case o := <-ended:
		return o
	case <-worked:
	}
	select {
	case o := <-ended:
		return o
	case <-time.After(50 * time.Millisecond):
		return idempotency.Outcome{Kind: idempotency.KindCompleted}
	}
}

// countOutages takes a delivery that found no database for an attempt at its event.
func (b *broken) countOutages(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	o := b.events.Run(ctx, item, work)
	if o.Kind != idempotency.KindUnavailable {
		return o
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unavailable[item.Key]++; b.unavailable[item.Key] >= b.server.MaxAttempts {
		return idempotency.OutcomeOf(idempotency.KindDead, o.Err)
	}
	return o
}

// keep runs all deliveries on one connection, which is not replaced while it is open.
func (b *broken) keep(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	unavailable := func(err error) idempotency.Outcome { return idempotency.OutcomeOf(idempotency.KindUnavailable, err) }
	var err error
	if b.kept == nil {
		if b.kept, err = b.db.Conn(context.WithoutCancel(ctx)); err != nil {
			return unavailable(err)
		}
	}
	tx, err := b.kept.BeginTx(ctx, nil)
	if err != nil {
		return unavailable(err)
	}
	defer tx.Rollback()
	switch err := b.events.ClaimTx(ctx, tx, item.Key); {
	case errors.Is(err, idempotency.ErrDuplicate):
		return idempotency.OutcomeOf(idempotency.KindDuplicate, nil)
	case err != nil:
		return unavailable(err)
	}
	if _, err := work(ctx, tx); err != nil {
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}
	}
	if err := tx.Commit(); err != nil {
		return unavailable(err)
	}
	return idempotency.Outcome{Kind: idempotency.KindCompleted}
}
