package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Mistakes that hand-written code makes, one for each fault, so that the books are
// known to find it.
const (
	// The claim is committed in its own transaction.
	markBefore = "mark-before" // before the work's: loses the event if the work fails
	markAfter  = "mark-after"  // after it: applies the event twice

	unfenced      = "unfenced"       // work that hung applies the event when its lease is another's
	early         = "early"          // a record is believed that a crash can undo
	impatient     = "impatient"      // the COMMIT is not waited for
	countsAll     = "counts-all"     // copies in a burst are attempts of their own
	countsOutages = "counts-outages" // so are deliveries that found no database
	countsNone    = "counts-none"    // an event never dies
	keeping       = "keeping"        // a connection is used for as long as it is open

	hasty    = "hasty"    // an inbox answers before what it has accepted is committed
	careless = "careless" // an inbox takes an event for done when its work has begun
)

// transactional returns the runner of transactional mode, or a broken one.
func (s *server) transactional(db *sql.DB, events *sqlstore.Store) idempotency.Runner[*sql.Tx] {
	switch s.Broken {
	case "", countsAll, countsNone, hasty, careless: // see attempts and queue
		return events
	}
	return &broken{server: s, db: db, events: events, unavailable: make(map[idempotency.Key]int)}
}

// attempts returns the bound on attempts and their interval, or broken ones.
func (s *server) attempts() (most int, interval time.Duration) {
	switch s.Broken {
	case countsAll:
		return s.MaxAttempts, time.Nanosecond
	case countsNone:
		return 0, 0
	}
	return s.MaxAttempts, s.AttemptInterval
}

// broken is a runner that looks correct.
type broken struct {
	server *server
	db     *sql.DB
	events *sqlstore.Store

	mu          sync.Mutex // guards what follows
	unavailable map[idempotency.Key]int
	kept        *sql.Conn
}

// Run implements [idempotency.Runner] without its guarantees.
func (b *broken) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	switch b.server.Broken {
	case unfenced:
		return b.unfenced(ctx, item, work)
	case early:
		return b.early(ctx, item, work)
	case impatient:
		return b.impatient(ctx, item, work)
	case countsOutages:
		return b.countOutages(ctx, item, work)
	case keeping:
		return b.keep(ctx, item, work)
	}
	return outcomeOf(b.run(ctx, item.Key, work))
}

// outcomeOf is the outcome of a RunTx that has returned err.
func outcomeOf(err error) idempotency.Outcome {
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
func (b *broken) Observe(ctx context.Context, e idempotency.Event) { b.events.Observe(ctx, e) }

// Retention implements [idempotency.Runner].
func (b *broken) Retention() time.Duration { return b.events.Retention() }

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
	time.Sleep(50 * time.Millisecond) // widens the window between work and claim
	if err := b.mark(ctx, key); err != nil && !errors.Is(err, idempotency.ErrDuplicate) {
		return err
	}
	return nil
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
func (b *broken) apply(ctx context.Context, work idempotency.Work[*sql.Tx]) error {
	tx, err := b.db.BeginTx(ctx, nil)
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

// queue returns q, or a broken one.
func (s *server) queue(q inbox.Queue) inbox.Queue {
	if s.Broken == hasty || s.Broken == careless {
		return brokenQueue{q, s.Broken}
	}
	return q
}

// A brokenQueue looks correct.
type brokenQueue struct {
	inbox.Queue
	mistake string
}

// Enqueue implements [inbox.Queue] without its guarantee.
func (q brokenQueue) Enqueue(ctx context.Context, entries []inbox.Entry) ([]inbox.Enqueued, error) {
	if q.mistake != hasty {
		return q.Queue.Enqueue(ctx, entries)
	}
	time.AfterFunc(1500*time.Millisecond, func() { q.Queue.Enqueue(context.WithoutCancel(ctx), entries) })
	return make([]inbox.Enqueued, len(entries)), nil
}

// Dequeue implements [inbox.Queue] without its guarantee. The payload is read before.
func (q brokenQueue) Dequeue(ctx context.Context, endpoint string, limit int, lease time.Duration, suspects bool) ([]inbox.Job, error) {
	jobs, err := q.Queue.Dequeue(ctx, endpoint, limit, lease, suspects)
	if q.mistake != careless || err != nil {
		return jobs, err
	}
	for i := range jobs {
		go func() {
			time.Sleep(20 * time.Millisecond)
			q.Queue.Settle(context.WithoutCancel(ctx), []inbox.Settlement{{Ticket: jobs[i].Ticket, Verdict: inbox.Done}})
		}()
	}
	return jobs, nil
}
