package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// notifyEnd tells the observer how the run has ended.
func (r *run) notifyEnd(ctx context.Context, err error) {
	if r.o.Observe == nil {
		return
	}
	kinds := []struct {
		err  error
		kind idempotency.EventKind
	}{
		{idempotency.ErrUnavailable, idempotency.EventStoreError},
		{idempotency.ErrDuplicate, idempotency.EventDuplicate},
		{idempotency.ErrInFlight, idempotency.EventInFlight},
		{idempotency.ErrMismatch, idempotency.EventMismatch},
		{idempotency.ErrDead, idempotency.EventDead},
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			r.notify(ctx, k.kind, err)
			return
		}
	}
	switch {
	case err == nil:
		r.notify(ctx, idempotency.EventCompleted, nil)
	case r.dead:
		r.notify(ctx, idempotency.EventDead, err)
	default:
		r.notify(ctx, idempotency.EventReleased, err)
	}
}

func (r *run) notify(ctx context.Context, kind idempotency.EventKind, err error) {
	r.o.Observe.Notify(ctx, idempotency.Event{
		Kind:     kind,
		Key:      r.key,
		Attempt:  r.attempt,
		Duration: time.Since(r.start),
		Err:      err,
	})
}
