package main

import (
	"context"
	"database/sql"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// scheme is the sender's: a signature of the body, and the event's ID in it.
func scheme() hmacverify.Scheme {
	s := preset.XSignature256()
	s.Sender.Duplicate = hmacverify.Acknowledge // as what is written by hand
	return s
}

func newEndpoint[T any](runner idempotency.Runner[T]) (*idempotency.Endpoint[T], error) {
	verifier, err := hmacverify.New(scheme(), nil, secret)
	if err != nil {
		return nil, err
	}
	return idempotency.NewEndpoint("bench", verifier, runner, nil)
}

func (s *site) newStore(ctx context.Context) (*sqlstore.Store, error) {
	events, err := sqlstore.New(s.db, s.dialect, nil)
	if err != nil {
		return nil, err
	}
	s.purge = events.Purge
	return events, events.CreateTables(ctx)
}

// pay is the work.
func (s *site) pay() idempotency.Func[*sql.Tx] {
	update := s.words().update
	return func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
		id, err := account(d.Body)
		if err != nil {
			return idempotency.Permanent(err)
		}
		_, err = tx.ExecContext(ctx, update, id)
		return err
	}
}

func inline(ctx context.Context, s *site) (http.Handler, error) {
	events, err := s.newStore(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := newEndpoint(events)
	if err != nil {
		return nil, err
	}
	return endpoint.Handle(s.pay()), nil
}

func leased(ctx context.Context, s *site) (http.Handler, error) {
	events, err := s.newStore(ctx)
	if err != nil {
		return nil, err
	}
	runner, err := lease.New(events, nil)
	if err != nil {
		return nil, err
	}
	endpoint, err := newEndpoint(runner)
	if err != nil {
		return nil, err
	}
	pay := s.pay()
	return endpoint.Handle(func(ctx context.Context, claim lease.Claim, d *hmacverify.Delivery) error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := pay(ctx, tx, d); err != nil {
			return err
		}
		if err := events.CompleteTx(ctx, tx, claim); err != nil {
			return err
		}
		return tx.Commit()
	}), nil
}

func inboxed(ctx context.Context, s *site) (http.Handler, error) {
	events, err := s.newStore(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := newEndpoint(events)
	if err != nil {
		return nil, err
	}
	box, err := inbox.New(events, nil)
	if err != nil {
		return nil, err
	}
	handler := inbox.Handle(box, endpoint, s.pay(), nil)
	s.work = func(ctx context.Context) error { return drain(ctx, box) }
	return handler, nil
}

// drain does the work of all that was accepted.
func drain(ctx context.Context, box *inbox.Inbox) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx, 16) }()
	for ctx.Err() == nil {
		left := 0
		for _, state := range []inbox.State{inbox.Waiting, inbox.InFlight} {
			n, err := box.Count(ctx, "bench", state, 1)
			if err != nil {
				return err
			}
			left += n
		}
		if left == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	return <-ended
}

func inlinePgx(ctx context.Context, s *site) (http.Handler, error) {
	events, err := pgxstore.New(s.pool, nil)
	if err != nil {
		return nil, err
	}
	s.purge = events.Purge
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	endpoint, err := newEndpoint(events)
	if err != nil {
		return nil, err
	}
	update := s.words().update
	return endpoint.Handle(func(ctx context.Context, tx pgx.Tx, d *hmacverify.Delivery) error {
		id, err := account(d.Body)
		if err != nil {
			return idempotency.Permanent(err)
		}
		_, err = tx.Exec(ctx, update, id)
		return err
	}), nil
}
