package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// What engines answer, where, and what becomes of the event: retried and done once, or
// refused with ErrUnavailable and not done, or, if the engine has committed in spite of
// its error, refused and found done by the next delivery.
var engineErrors = []struct {
	engine string
	d      sqlstore.Dialect
	fault
	retry  bool
	closes bool // the connection
}{
	// https://www.cockroachlabs.com/docs/stable/transaction-retry-error-reference
	{engine: "CockroachDB", d: sqlstore.PostgreSQL, retry: true,
		fault: fault{at: "COMMIT", err: pgError("40001", "restart transaction: TransactionRetryWithProtoRefreshError: TransactionRetryError: retry txn (RETRY_SERIALIZABLE)")}},
	{engine: "CockroachDB", d: sqlstore.PostgreSQL, retry: true,
		fault: fault{at: "HookonceClaim", err: pgError("40001", "restart transaction: TransactionRetryWithProtoRefreshError: WriteTooOldError")}},
	// https://www.cockroachlabs.com/docs/stable/common-errors#result-is-ambiguous
	{engine: "CockroachDB", d: sqlstore.PostgreSQL,
		fault: fault{at: "COMMIT", err: pgError("40003", "result is ambiguous (error=rpc error: code = Unavailable [exhausted])")}},
	{engine: "CockroachDB, which has committed", d: sqlstore.PostgreSQL,
		fault: fault{at: "COMMIT", applied: true, err: pgError("40003", "result is ambiguous (error=rpc error: code = Unavailable [exhausted])")}},
	// https://github.com/cockroachdb/cockroach/pull/37791
	{engine: "CockroachDB after an ALTER", d: sqlstore.PostgreSQL,
		fault: fault{at: "COMMIT", applied: true, err: pgError("XXA00", "transaction committed but schema change aborted")}},
	// https://docs.yugabyte.com/stable/develop/learn/transactions/transactions-errorcodes-ysql/
	{engine: "YugabyteDB", d: sqlstore.PostgreSQL, retry: true,
		fault: fault{at: "COMMIT", err: pgError("40001", "could not serialize access due to concurrent update")}},
	{engine: "YugabyteDB", d: sqlstore.PostgreSQL, retry: true,
		fault: fault{at: "HookonceClaim", err: pgError("40P01", "deadlock detected")}},
	// https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html
	{engine: "Aurora DSQL", d: sqlstore.PostgreSQL, retry: true,
		fault: fault{at: "COMMIT", err: pgError("40001", "change conflicts with another transaction, please retry: (OC000)")}},
	{engine: "Aurora DSQL after an ALTER", d: sqlstore.PostgreSQL, retry: true,
		fault: fault{at: "COMMIT", err: pgError("40001", "schema has been updated by another transaction, please retry: (OC001)")}},
	// https://github.com/GoogleCloudPlatform/pgadapter
	{engine: "Spanner", d: sqlstore.PostgreSQL, retry: true,
		fault: fault{at: "COMMIT", err: pgError("40001", "Transaction was aborted.")}},
	// https://www.postgresql.org/docs/current/errcodes-appendix.html
	{engine: "a server that is a standby since a failover", d: sqlstore.PostgreSQL, closes: true,
		fault: fault{at: "HookonceClaim", err: pgError("25006", "cannot execute INSERT in a read-only transaction")}},
	// https://docs.pingcap.com/tidb/stable/error-codes
	{engine: "TiDB", d: sqlstore.MySQL, retry: true,
		fault: fault{at: "COMMIT", err: mysqlError(9007, "Write conflict, txnStartTS=1, conflictStartTS=2")}},
	{engine: "TiDB", d: sqlstore.MySQL, retry: true,
		fault: fault{at: "COMMIT", err: mysqlError(8002, "SELECT FOR UPDATE can not be retried on a commit conflict")}},
	{engine: "TiDB", d: sqlstore.MySQL, retry: true,
		fault: fault{at: "COMMIT", err: mysqlError(8005, "Write Conflict, txnStartTS is stale")}},
	{engine: "TiDB", d: sqlstore.MySQL, retry: true,
		fault: fault{at: "COMMIT", err: mysqlError(8022, "Error: KV error safe to retry")}},
	{engine: "TiDB after an ALTER", d: sqlstore.MySQL, retry: true,
		fault: fault{at: "COMMIT", err: mysqlError(8028, "Information schema is changed during the execution of the statement")}},
	{engine: "TiDB", d: sqlstore.MySQL, retry: true,
		fault: fault{at: "INSERT INTO", err: mysqlError(9007, "Write conflict, txnStartTS=1, conflictStartTS=2")}},
	{engine: "TiDB without TiKV", d: sqlstore.MySQL,
		fault: fault{at: "COMMIT", err: mysqlError(9002, "TiKV server timeout")}},
	{engine: "TiDB without TiKV, which has committed", d: sqlstore.MySQL,
		fault: fault{at: "COMMIT", applied: true, err: mysqlError(9002, "TiKV server timeout")}},
	// https://github.com/vitessio/vitess/blob/main/go/mysql/sqlerror/sql_error.go
	{engine: "Vitess", d: sqlstore.MySQL, retry: true,
		fault: fault{at: "COMMIT", err: mysqlError(1213, "target: commerce.0.primary: vttablet: rpc error: code = Aborted desc = Deadlock found when trying to get lock (errno 1213) (sqlstate 40001)")}},
	{engine: "Vitess, whose transaction was killed", d: sqlstore.MySQL,
		fault: fault{at: "COMMIT", err: mysqlError(1317, "target: commerce.0.primary: vttablet: rpc error: code = Aborted desc = transaction 1: ended (exceeded timeout: 20s)")}},
	// https://github.com/vitessio/vitess/issues/8000
	{engine: "Vitess after a reparent", d: sqlstore.MySQL,
		fault: fault{at: "COMMIT", err: mysqlError(1105, "vttablet: rpc error: code = FailedPrecondition desc = wrong tablet type: REPLICA, want: REPLICA or []")}},
	// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
	{engine: "a server that is a replica since a failover", d: sqlstore.MySQL, closes: true,
		fault: fault{at: "INSERT INTO", err: mysqlError(1290, "The MySQL server is running with the --read-only option so it cannot execute this statement")}},
	{engine: "a server that is a replica since a failover", d: sqlstore.MySQL, closes: true,
		fault: fault{at: "INSERT INTO", err: mysqlError(1836, "Running in read-only mode")}},
	{engine: "Galera, whose node left the cluster", d: sqlstore.MySQL, closes: true,
		fault: fault{at: "INSERT INTO", err: mysqlError(1047, "WSREP has not yet prepared node for application use")}},
}

func TestEngines_Errors(t *testing.T) {
	t.Parallel()
	for _, test := range engineErrors {
		t.Run(test.engine+" at "+test.at, func(t *testing.T) {
			t.Parallel()
			plain, db, s := newStandIn(t, test.d)
			events := newEvents(t, db, test.d, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Second})
			closed := s.connectionsClosed()
			s.fail(test.fault, 1)
			err := events.RunTx(t.Context(), key, effect)
			if test.retry != (err == nil) || err != nil && !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("got %v; want nil %v, else ErrUnavailable", err, test.retry)
			}
			if test.closes && s.connectionsClosed() == closed {
				t.Error("no connection was closed")
			}
			done := 0
			if test.retry || test.applied {
				done = 1
			}
			checkCounts(t, plain, done, done)
			err = events.RunTx(t.Context(), key, effect)
			if done == 1 && !errors.Is(err, idempotency.ErrDuplicate) || done == 0 && err != nil {
				t.Errorf("next delivery, of an event that was done %d times: %v", done, err)
			}
			checkCounts(t, plain, 1, 1)
			if got := failures(t, events, 10); len(got) > 0 {
				t.Errorf("recorded as failures: %v", got)
			}
		})
	}
}

// What is tried again is tried for Options.Wait, and then refused.
func TestEngines_EndlessConflicts(t *testing.T) {
	t.Parallel()
	for _, test := range engineErrors {
		if !test.retry {
			continue
		}
		t.Run(test.engine+" at "+test.at, func(t *testing.T) {
			t.Parallel()
			plain, db, s := newStandIn(t, test.d)
			events := newEvents(t, db, test.d, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Millisecond})
			s.fail(test.fault, 1000)
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			checkCounts(t, plain, 0, 0)
		})
	}
}

// A statement about a lease that meets a conflict is tried again; one of which the engine
// does not say what became of it is found done by the next call.
func TestEngines_LeaseErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		d sqlstore.Dialect
		fault
		want bool // nil from the first call
	}{
		"CockroachDB restarts it":         {sqlstore.PostgreSQL, fault{at: "HookonceComplete", err: pgError("40001", "restart transaction")}, true},
		"CockroachDB does not know":       {sqlstore.PostgreSQL, fault{at: "HookonceComplete", err: pgError("40003", "result is ambiguous")}, false},
		"CockroachDB has done it":         {sqlstore.PostgreSQL, fault{at: "HookonceComplete", err: pgError("40003", "result is ambiguous"), applied: true}, false},
		"TiDB meets another":              {sqlstore.MySQL, fault{at: "SET state = 2", err: mysqlError(9007, "Write conflict")}, true},
		"TiDB has done it without TiKV":   {sqlstore.MySQL, fault{at: "SET state = 2", err: mysqlError(9002, "TiKV server timeout"), applied: true}, false},
		"MySQL is a replica for a moment": {sqlstore.MySQL, fault{at: "SET state = 2", err: mysqlError(1290, "--read-only")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, db, s := newStandIn(t, test.d)
			events := newEvents(t, db, test.d, &sqlstore.Options{Wait: 20 * time.Second})
			c := claim(t, events, "leased", time.Hour)
			s.fail(test.fault, 1)
			if err := events.Complete(t.Context(), c, nil); (err == nil) != test.want {
				t.Errorf("got %v, want nil %v", err, test.want)
			}
			if err := events.Complete(t.Context(), c, nil); err != nil {
				t.Errorf("again: %v", err)
			}
			if rec, won := stateOf(t, events, c.Key); won || rec.State != lease.Done {
				t.Errorf("record %+v, won %v; want that it is Done", rec, won)
			}
		})
	}
}

// On Galera, and where all transactions are serializable, a conflict can meet what only reads.
func TestEngines_ReadMeetsConflict(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		d sqlstore.Dialect
		fault
	}{
		"CockroachDB": {sqlstore.PostgreSQL, fault{at: "HookonceFind", err: pgError("40001", "restart transaction")}},
		"Galera":      {sqlstore.MySQL, fault{at: "SELECT state, owner", err: mysqlError(1213, "Deadlock found when trying to get lock")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, db, s := newStandIn(t, test.d)
			events := newEvents(t, db, test.d, nil)
			c := claim(t, events, "leased", time.Hour)
			for range 2 {
				if err := events.Complete(t.Context(), c, nil); err != nil {
					t.Error(err)
				}
				s.fail(test.fault, 1) // of the second call, which finds the record completed
			}
			if _, ok := s.take(test.at); !ok {
				t.Error("the last fault is not left: the second call did not meet the first")
			}
		})
	}
}

// An event that an inbox accepts has one effect, whatever an engine answers on its way. A
// delivery is accepted if a conflict can be tried again, and refused if it is not known what
// became of it.
func TestEngines_InboxErrors(t *testing.T) {
	t.Parallel()
	restart := pgError("40001", "restart transaction")
	ambiguous := pgError("40003", "result is ambiguous")
	deadlock := mysqlError(1213, "Deadlock found when trying to get lock")
	timeout := mysqlError(9002, "TiKV server timeout")
	for name, test := range map[string]struct {
		d sqlstore.Dialect
		fault
		working bool // it comes while the event is processed, not while it is accepted
		refused bool
	}{
		"PostgreSQL, accepting, restarted":     {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxAddAll", err: restart}},
		"PostgreSQL, accepting, not known":     {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxAddAll", err: ambiguous}, refused: true},
		"PostgreSQL, accepting, done":          {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxAddAll", err: ambiguous, applied: true}, refused: true},
		"PostgreSQL, picking, restarted":       {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxPick", err: restart}, working: true},
		"PostgreSQL, dequeuing, restarted":     {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxDequeue", err: restart}, working: true},
		"PostgreSQL, COMMIT, restarted":        {d: sqlstore.PostgreSQL, fault: fault{at: "COMMIT", err: restart}, working: true},
		"PostgreSQL, COMMIT, not known":        {d: sqlstore.PostgreSQL, fault: fault{at: "COMMIT", err: ambiguous}, working: true},
		"PostgreSQL, COMMIT, done":             {d: sqlstore.PostgreSQL, fault: fault{at: "COMMIT", err: ambiguous, applied: true}, working: true},
		"PostgreSQL, the work, restarted":      {d: sqlstore.PostgreSQL, fault: fault{at: "INTO effects", err: restart}, working: true},
		"PostgreSQL, removing, restarted":      {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxRemove", err: restart}, working: true},
		"PostgreSQL, removing, not known":      {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxRemove", err: ambiguous}, working: true},
		"MySQL, accepting, a conflict":         {d: sqlstore.MySQL, fault: fault{at: "COMMIT", err: deadlock}},
		"MySQL, accepting, not known":          {d: sqlstore.MySQL, fault: fault{at: "COMMIT", err: timeout}, refused: true},
		"MySQL, accepting, done":               {d: sqlstore.MySQL, fault: fault{at: "COMMIT", err: timeout, applied: true}, refused: true},
		"MySQL, picking, a conflict":           {d: sqlstore.MySQL, fault: fault{at: "SELECT scope, id, token", err: deadlock}, working: true},
		"MySQL, COMMIT, a conflict":            {d: sqlstore.MySQL, fault: fault{at: "COMMIT", err: deadlock}, working: true},
		"MySQL, COMMIT, not known":             {d: sqlstore.MySQL, fault: fault{at: "COMMIT", err: timeout}, working: true},
		"MySQL, COMMIT, done":                  {d: sqlstore.MySQL, fault: fault{at: "COMMIT", err: timeout, applied: true}, working: true},
		"MySQL, the work, a conflict":          {d: sqlstore.MySQL, fault: fault{at: "INTO effects", err: deadlock}, working: true},
		"MySQL, removing, a conflict":          {d: sqlstore.MySQL, fault: fault{at: "DELETE FROM", err: deadlock}, working: true},
		"MySQL, removing, the node has left":   {d: sqlstore.MySQL, fault: fault{at: "DELETE FROM", err: mysqlError(1047, "WSREP has not yet prepared node")}, working: true},
		"MySQL, accepting, read-only since":    {d: sqlstore.MySQL, fault: fault{at: "INSERT INTO", err: mysqlError(1290, "--read-only")}, refused: true},
		"PostgreSQL, accepting, a standby now": {d: sqlstore.PostgreSQL, fault: fault{at: "HookonceInboxAddAll", err: pgError("25006", "cannot execute INSERT in a read-only transaction")}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, db, s := newStandIn(t, test.d)
			events := newEvents(t, db, test.d, &sqlstore.Options{Wait: 20 * time.Second})
			box, h, signer := newInbox(t, events, quickly(inbox.Options{Lease: time.Second}), effectOf)
			if !test.working {
				s.fail(test.fault, 1)
			}
			if test.refused {
				if w, err := deliver(t.Context(), h, signer, "evt"); err != nil || w.Code != 503 {
					t.Errorf("got %v, error %v, want 503", w, err)
				}
			}
			accept(t, h, signer, "evt")
			if test.working {
				s.fail(test.fault, 1)
			}
			defer work(t, box, 1)()
			eventually(t, "an empty inbox", func() bool { return count(t, plain, sqlstore.DefaultTable+"_inbox") == 0 })
			checkCounts(t, plain, 1, 1)
			if _, ok := s.take(test.at); ok {
				t.Error("nothing met the fault")
			}
			accept(t, h, signer, "evt") // a late retry
			checkCounts(t, plain, 1, 1)
		})
	}
}

// A server that takes no lock_timeout, or does not honour it, as YugabyteDB and MySQL,
// holds a call no longer than the context of its wait.
func TestEngines_NoLockTimeout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		d  sqlstore.Dialect
		at string
	}{
		"YugabyteDB": {sqlstore.PostgreSQL, "HookonceClaim"},
		"MySQL":      {sqlstore.MySQL, "INSERT INTO"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, db, s := newStandIn(t, test.d)
			events := newEvents(t, db, test.d, &sqlstore.Options{Wait: 50 * time.Millisecond, MaxAttempts: 5})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for way, call := range map[string]func() error{
				"a run": func() error { return events.RunTx(ctx, key, effect) },
				"a claim of a lease": func() error {
					rec, won, err := events.Claim(ctx, key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
					if err == nil && !won && rec.State == lease.Claimed {
						err = idempotency.ErrInFlight
					}
					return err
				},
				"a transaction of the caller's": func() error {
					return inTx(t, db, nil, func(tx *sql.Tx) error { return events.ClaimTx(ctx, tx, key) })
				},
			} {
				s.fail(fault{at: test.at, hang: true}, 1)
				if err := call(); !errors.Is(err, idempotency.ErrInFlight) || ctx.Err() != nil {
					t.Errorf("%s: got %v, want ErrInFlight", way, err)
				}
			}
			checkCounts(t, plain, 0, 0)
			failed := errors.New("failed")
			s.fail(fault{at: failAt[test.d], hang: true}, 1)
			if err := events.RunTx(ctx, key, func(context.Context, *sql.Tx) error { return failed }); !errors.Is(err, failed) || ctx.Err() != nil {
				t.Errorf("a failure: got %v, want it", err)
			}
		})
	}
}

// failAt is a part of the statement that records a failure.
var failAt = map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "HookonceFail", sqlstore.MySQL: "ON DUPLICATE KEY UPDATE\n    fingerprint"}
