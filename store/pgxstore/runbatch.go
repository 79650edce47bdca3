package pgxstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/internal/records"
)

// RunBatch is [Store.RunTx] for work whose statements are known beforehand: BEGIN, the
// claim, the statements of batch and COMMIT are one round trip. If the claim is lost, or
// a statement fails, nothing of them remains. A duplicate, or an event that failed
// before, takes the round trips of RunTx; and so does what became of a batch whose
// connection is lost before the answer, or was dead before.
//
// What a statement returns cannot decide about the commit, so batch must have no callback
// (the methods of [pgx.QueuedQuery]), and a statement that changes no row is no failure;
// use RunTx and [pgx.Tx.SendBatch] for what must look at results. It must hold no BEGIN,
// COMMIT or ROLLBACK.
//
// Once it is sent, nothing cancels it. When ctx ends RunBatch waits for the answer for
// 10 s, after which the outcome is unknown: the error wraps [idempotency.ErrUnavailable].
// A statement that may take long gets a bound by SET LOCAL statement_timeout in batch.
//
// Under pgx's simple protocol it is RunTx.
func (s *Store) RunBatch(ctx context.Context, key idempotency.Key, batch *pgx.Batch) error {
	if slices.ContainsFunc(batch.QueuedQueries, func(q *pgx.QueuedQuery) bool { return q.Fn != nil }) {
		return errors.New("pgxstore: RunBatch: a statement of the batch has a callback, which would be called after COMMIT was sent: use RunTx and SendBatch")
	}
	return idempotency.Run(ctx, batchRunner{s, batch}, idempotency.Item{Key: key}, func(ctx context.Context, tx pgx.Tx) (*idempotency.Result, error) {
		return nil, tx.SendBatch(ctx, add(new(pgx.Batch), batch)).Close()
	}).AsError()
}

// add adds the statements of batch to b. A batch must be sent only once.
func add(b, batch *pgx.Batch) *pgx.Batch {
	for _, q := range batch.QueuedQueries {
		b.Queue(q.SQL, q.Arguments...)
	}
	return b
}

// A batchRunner is a Store that runs a batch in one go.
type batchRunner struct {
	*Store
	batch *pgx.Batch
}

func (r batchRunner) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[pgx.Tx]) idempotency.Outcome {
	if r.pool == nil || r.mode == pgx.QueryExecModeSimpleProtocol {
		return r.Store.Run(ctx, item, work)
	}
	return r.engine.RunShort(ctx, item, work, r.send)
}

// answered is what has become of a batch, as a [records.Shortcut] returns it.
type answered struct {
	o   idempotency.Outcome
	err error
}

// send is a [records.Shortcut]. After ctx has ended it waits as long for the answer as
// after a COMMIT, which may be what the server is doing.
func (r batchRunner) send(ctx context.Context, request records.Request) (idempotency.Outcome, error) {
	leave, err := database{r.Store}.Enter(ctx)
	if err != nil {
		return idempotency.Outcome{}, err
	}
	c, err := r.pool.Acquire(ctx)
	if err != nil {
		leave()
		return idempotency.Outcome{}, err
	}
	if err := r.prepare(ctx, c); err != nil {
		c.Release()
		leave()
		return idempotency.Outcome{}, err
	}
	answer := make(chan answered, 1)
	go func() {
		o, err := r.exchange(context.WithoutCancel(ctx), c, request)
		c.Release() // which closes one that is not clean
		leave()
		answer <- answered{o, err}
	}()
	select {
	case a := <-answer:
		return a.o, a.err
	case <-ctx.Done():
	}
	timeout := time.NewTimer(records.CommitTimeout)
	defer timeout.Stop()
	select {
	case a := <-answer:
		return a.o, a.err
	case <-timeout.C:
		return records.Unavailable("batch", records.ErrNoAnswer), nil
	}
}

// prepare prepares the claim if pgx prepares statements. SendBatch would do that before
// BEGIN, where nothing bounds how long it waits for a table that is locked.
func (r batchRunner) prepare(ctx context.Context, c *pgxpool.Conn) error {
	if r.mode != pgx.QueryExecModeCacheStatement {
		return nil
	}
	claim := r.engine.Table.SQL().InsertOrFail
	err := r.engine.Table.WithWait(ctx, func(ctx context.Context) error {
		_, err := c.Conn().Prepare(ctx, claim, claim)
		return err
	})
	if err != nil && !records.PostgreSQL.LockTimeout(err) {
		return records.ErrLost
	}
	return err
}

// The places of the statements in the batch that is sent.
const (
	placeClaim = 2
	placeWork  = 4
)

// exchange sends the batch and reads the answers. The server stops at the first error, so
// that COMMIT is reached only if all before it have succeeded.
func (r batchRunner) exchange(ctx context.Context, c *pgxpool.Conn, request records.Request) (idempotency.Outcome, error) {
	b := new(pgx.Batch)
	b.Queue(r.begin)
	b.Queue(r.engine.Table.SQL().Bound)
	b.Queue(r.engine.Table.SQL().InsertOrFail, request.Args()...)
	b.Queue(r.engine.Table.SQL().Unbound)
	add(b, r.batch).Queue("COMMIT")
	last := b.Len() - 1

	results := c.SendBatch(ctx, b)
	ended := false
	for place := range b.Len() {
		tag, err := results.Exec()
		if err != nil {
			results.Close()
			return r.failed(ctx, c, place, last, err)
		}
		ended = ended || place >= placeWork && place < last && slices.Contains(endings, tag.String())
		if place == last && tag.String() == "ROLLBACK" {
			ended = true
		}
	}
	switch err := results.Close(); {
	case err != nil:
		return idempotency.Outcome{}, records.ErrLost
	case ended:
		return records.PostgreSQL.Uncommitted(records.ErrEnded), nil
	}
	return idempotency.Outcome{Kind: idempotency.KindCompleted}, nil
}

// endings are the tags of statements that end a transaction.
var endings = []string{"COMMIT", "ROLLBACK", "PREPARE TRANSACTION"}

// failed says what an error at a place of the batch means. A transaction with one
// statement after the other finds out more where the claim itself fails, or its
// statements cannot even be prepared; and where the error is not the server's, or has
// ended the connection, which leaves open how far it has come. It is also what reads the
// record of a claim that was lost.
func (r batchRunner) failed(ctx context.Context, c *pgxpool.Conn, place, last int, err error) (idempotency.Outcome, error) {
	_, told := errors.AsType[*pgconn.PgError](err)
	if told && !c.Conn().IsClosed() && c.Conn().PgConn().TxStatus() != 'I' {
		bounded, cancel := context.WithTimeout(ctx, records.CommitTimeout)
		defer cancel()
		c.Exec(bounded, "ROLLBACK")
	}
	switch {
	case !told || c.Conn().IsClosed():
		return idempotency.Outcome{}, records.ErrLost
	case place == placeClaim && !records.HasState(err, "22012"): // not division_by_zero
		return idempotency.Outcome{}, records.RivalIndex(err)
	case place < placeWork:
		return idempotency.Outcome{}, records.ErrLost
	case place == last:
		return records.PostgreSQL.Uncommitted(err), nil
	}
	return idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}, nil
}
