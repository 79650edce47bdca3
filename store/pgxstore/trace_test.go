package pgxstore_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// A tracer keeps the text of the statements that pgx shows to its hooks.
type tracer struct {
	mu   sync.Mutex
	seen []string
}

func (tr *tracer) add(sql string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.seen = append(tr.seen, sql)
}

func (tr *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	tr.add(data.SQL)
	return ctx
}

func (tr *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (tr *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (tr *tracer) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	tr.add(data.SQL)
}

func (tr *tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// take returns the statements since the last call.
func (tr *tracer) take() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	seen := tr.seen
	tr.seen = nil
	return seen
}

var statementName = regexp.MustCompile(`^-- name: (Hookonce[A-Za-z]+) :(one|many|exec|execrows)\n`)

// names are the names of statements; of those that have none, and need none, the first
// word.
func names(statements []string) (names []string) {
	for _, s := range statements {
		if m := statementName.FindStringSubmatch(s); m != nil {
			names = append(names, m[1])
		} else {
			names = append(names, strings.ToLower(strings.Fields(s)[0]))
		}
	}
	return names
}

// The hooks of pgx see each statement by its name, and nothing of an event in its text.
// What has no name is BEGIN, COMMIT, ROLLBACK and the application's own INSERT.
func TestTracer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"cache statement", "simple protocol"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			tr := new(tracer)
			config := configFor(t)
			config.ConnConfig.Tracer = tr
			config.ConnConfig.DefaultQueryExecMode = modes[mode]
			pool := connect(t, config)
			newEvents(t, pool, nil)
			events := newStore(t, pool, &pgxstore.Options{MaxAttempts: 1, KeepPayloads: true})
			warm := idempotency.Key{Scope: "test", ID: "warm"}
			if err := events.RunTx(t.Context(), warm, effect); err != nil { // finds the table
				t.Fatal(err)
			}
			warm.ID = "warm lease"
			if _, _, err := events.Claim(t.Context(), warm, lease.Terms{Lease: time.Hour}); err != nil { // so does this
				t.Fatal(err)
			}
			for _, step := range traced(events, pool) {
				if mode == "simple protocol" && step.name == "RunBatch" {
					continue // it is RunTx there
				}
				tr.take()
				if err := step.do(t.Context()); err != nil {
					t.Errorf("%s: %v", step.name, err)
				}
				seen := tr.take()
				if diff := cmp.Diff(strings.Fields(step.want), names(seen)); diff != "" {
					t.Errorf("statements of %s (-want +got)\n%s", step.name, diff)
				}
				for _, sql := range seen {
					if strings.Contains(sql, secret) {
						t.Errorf("%s: the event is in the text of a statement: %s", step.name, sql)
					}
				}
			}
		})
	}
}

// secret is in the keys and the body of the events that are traced.
const secret = "s3cret"

// A step is something that a store does, and the statements that it takes.
type step struct {
	name, want string
	do         func(ctx context.Context) error
}

func traced(events *pgxstore.Store, pool interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}) []step {
	keyed := func(id string) idempotency.Key { return idempotency.Key{Scope: secret, ID: secret + id} }
	inTx := func(ctx context.Context, f func(tx pgx.Tx) error) error {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		return errors.Join(f(tx), tx.Commit(ctx))
	}
	var jobs []inbox.Job
	want := func(target, err error) error {
		if errors.Is(err, target) {
			return nil
		}
		return errors.Join(errors.New("another error is wanted"), err)
	}
	claim := lease.Claim{Owner: lease.NewOwner(), Token: 1}
	claims := func(id string) func(context.Context) error {
		return func(ctx context.Context) error {
			claim.Key = keyed(id)
			_, won, err := events.Claim(ctx, claim.Key, lease.Terms{Owner: claim.Owner, Lease: time.Hour})
			if !won {
				return errors.Join(errors.New("the claim has lost"), err)
			}
			return nil
		}
	}
	return []step{
		{"RunTx", "begin HookonceClaim insert commit", func(ctx context.Context) error {
			return events.RunTx(ctx, keyed("tx"), effect)
		}},
		{"a duplicate", "begin HookonceClaim HookonceFind rollback", func(ctx context.Context) error {
			return want(idempotency.ErrDuplicate, events.RunTx(ctx, keyed("tx"), effect))
		}},
		{"the next duplicate", "HookonceFindDone", func(ctx context.Context) error {
			return want(idempotency.ErrDuplicate, events.RunTx(ctx, keyed("tx"), effect))
		}},
		{"a new event after it", "HookonceFindDone begin HookonceClaim insert commit", func(ctx context.Context) error {
			return events.RunTx(ctx, keyed("new"), effect)
		}},
		{"RunBatch", "begin HookonceBound HookonceClaim HookonceUnbound insert commit", func(ctx context.Context) error {
			return events.RunBatch(ctx, keyed("batch"), batchOf())
		}},
		{"an event with a payload that fails", "begin HookonceClaim HookonceKeepPayload rollback begin HookonceFail HookonceKeepPayload commit HookonceFind", func(ctx context.Context) error {
			item := idempotency.Item{Key: keyed("dead"), Delivery: &hmacverify.Delivery{Scheme: "sender", Body: []byte(secret)}}
			return want(errBoom, idempotency.Run(ctx, events, item, func(context.Context, pgx.Tx) (*idempotency.Result, error) {
				return nil, errBoom
			}).AsError())
		}},
		{"Failures", "HookonceNextKey HookonceFailures", func(ctx context.Context) error {
			_, _, err := events.Failures(ctx, idempotency.Key{}, 10)
			return err
		}},
		{"Lookup", "HookonceLookup", func(ctx context.Context) error {
			_, err := events.Lookup(ctx, keyed("dead"))
			return err
		}},
		{"Payload", "HookonceFindPayload", func(ctx context.Context) error {
			_, err := events.Payload(ctx, keyed("dead"))
			return err
		}},
		{"Retry", "HookonceRetry", func(ctx context.Context) error {
			return events.Retry(ctx, keyed("dead"))
		}},
		{"an event that had failed", "begin HookonceClaim HookonceFind HookonceTakeOver insert commit", func(ctx context.Context) error {
			return events.RunTx(ctx, keyed("dead"), effect)
		}},
		{"Forget", "begin HookonceForget HookonceForgetPayload commit", func(ctx context.Context) error {
			return events.Forget(ctx, keyed("dead"))
		}},
		{"ClaimTx", "begin HookonceClaim commit", func(ctx context.Context) error {
			return inTx(ctx, func(tx pgx.Tx) error { return events.ClaimTx(ctx, tx, keyed("claim")) })
		}},
		{"ClaimBatchTx", "begin HookonceClaimBatch commit", func(ctx context.Context) error {
			return inTx(ctx, func(tx pgx.Tx) error {
				_, err := events.ClaimBatchTx(ctx, tx, []idempotency.Key{keyed("one"), keyed("two")})
				return err
			})
		}},
		{"Claim", "HookonceClaim", claims("complete")},
		{"Renew", "HookonceRenew", func(ctx context.Context) error { return events.Renew(ctx, claim, time.Hour) }},
		{"Complete", "HookonceComplete", func(ctx context.Context) error { return events.Complete(ctx, claim, nil) }},
		{"Claim, to release", "HookonceClaim", claims("release")},
		{"Release", "HookonceRelease", func(ctx context.Context) error {
			return events.Release(ctx, claim, lease.Failure{Reason: secret})
		}},
		{"Claim, to complete in a transaction", "HookonceClaim", claims("complete in a transaction")},
		{"CompleteTx", "begin HookonceComplete commit", func(ctx context.Context) error {
			return inTx(ctx, func(tx pgx.Tx) error { return events.CompleteTx(ctx, tx, claim) })
		}},
		{"Purge", "HookonceNextKey HookoncePurge HookonceNextPayload HookoncePurgePayloads", func(ctx context.Context) error {
			_, err := events.Purge(ctx)
			return err
		}},
		{"Enqueue", "HookonceInboxAddAll", func(ctx context.Context) error {
			_, err := events.Enqueue(ctx, []inbox.Entry{{Key: keyed("waits"), Delivery: hmacverify.Stored{Scheme: "test", Body: []byte(secret)}}})
			return err
		}},
		{"Due", "HookonceInboxDue", func(ctx context.Context) error {
			_, err := events.Due(ctx, []string{keyed("waits").Endpoint()})
			return err
		}},
		{"Dequeue", "begin HookonceInboxPlanner HookonceInboxPick HookonceInboxDequeue commit", func(ctx context.Context) (err error) {
			jobs, err = events.Dequeue(ctx, keyed("waits").Endpoint(), 1, time.Minute, false)
			return err
		}},
		{"Settle", "begin HookonceInboxPlanner HookonceInboxHeld HookonceInboxRemove commit", func(ctx context.Context) error {
			return events.Settle(ctx, []inbox.Settlement{{Ticket: jobs[0].Ticket, Verdict: inbox.Done}})
		}},
	}
}
