package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func checkPayload(t *testing.T, events *sqlstore.Store, want *idempotency.Payload) {
	t.Helper()
	got, err := events.Payload(t.Context(), key)
	if want == nil {
		if !errors.Is(err, sqlstore.ErrNoPayload) {
			t.Errorf("got %+v, error %v, want ErrNoPayload", got, err)
		}
		return
	}
	if diff := cmp.Diff(*want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("payload, error %v (-want +got):\n%s", err, diff)
	}
}

func TestThePayloadIsNotKeptUnlessAskedFor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Source: "s", Body: []byte("personal")})
		if err := events.RunTx(ctx, key, effect); err != nil {
			t.Fatal(err)
		}
		for _, statement := range schemaOf(t, d, &sqlstore.Options{KeepPayloads: true}) {
			mustExec(t, db, statement)
		}
		checkPayload(t, events, nil)
	})
}

func TestThePayloadIsCommittedWithTheWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		payload := idempotency.Payload{Source: "sender", ContentType: "application/json; a=\x00é", Body: []byte("{\x00\xff}")}
		boom := errors.New("boom")
		work := func(p idempotency.Payload, err error) error {
			return events.RunTx(idempotency.WithPayload(t.Context(), p), key, func(context.Context, *sql.Tx) error { return err })
		}
		if err := work(idempotency.Payload{Source: "failed"}, boom); !errors.Is(err, boom) {
			t.Error(err)
		}
		checkPayload(t, events, nil)
		if err := work(payload, nil); err != nil {
			t.Error(err)
		}
		checkPayload(t, events, &payload)
		if err := work(idempotency.Payload{Source: "duplicate"}, nil); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Error(err)
		}
		checkPayload(t, events, &payload)
	})
}

// Whoever has to find out why an event is dead wants what it was.
func TestARecordedFailureHasItsPayload(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, MaxAttempts: 2})
		first := idempotency.Payload{Source: "1", ContentType: "text/1", Body: []byte("1")}
		boom := errors.New("boom")
		for i, want := range []error{boom, boom, idempotency.ErrDead} {
			n := fmt.Sprint(i + 1)
			p := idempotency.Payload{Source: n, ContentType: "text/" + n, Body: []byte(n)}
			err := events.RunTx(idempotency.WithPayload(t.Context(), p), key, func(context.Context, *sql.Tx) error { return boom })
			if !errors.Is(err, want) {
				t.Errorf("run %d: got %v, want %v", i, err, want)
			}
			checkPayload(t, events, &first)
		}
		checkCounts(t, db, 1, 0)
	})
}

// Nobody is told that an event is dead before its payload is there to see why.
func TestAFailureIsNotRecordedWithoutItsPayload(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{KeepPayloads: true})
	mustExec(t, db, `
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM idempotency_records WHERE state = 4) THEN
        RAISE 'no room';
    END IF;
    RETURN NEW;
END $$`)
	mustExec(t, db, "CREATE TRIGGER refuse BEFORE INSERT ON idempotency_records_payloads FOR EACH ROW EXECUTE FUNCTION refuse()")
	ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Body: []byte("b")})
	err := events.RunTx(ctx, key, func(context.Context, *sql.Tx) error { return idempotency.Permanent(errors.New("boom")) })
	if !errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	checkCounts(t, db, 0, 0)
	checkPayload(t, events, nil)
}

func TestThePayloadJoinsTheCallersTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		payload := idempotency.Payload{Source: "sender", Body: []byte{}}
		for _, boom := range []error{errors.New("boom"), nil} {
			err := inTx(t, db, nil, func(tx *sql.Tx) error {
				given := idempotency.Payload{Source: "sender"} // no body at all
				return errors.Join(events.ClaimTx(idempotency.WithPayload(t.Context(), given), tx, key), boom)
			})
			if !errors.Is(err, boom) {
				t.Error(err)
			}
			if boom != nil {
				checkPayload(t, events, nil)
			} else {
				checkPayload(t, events, &payload)
			}
		}
	})
}

func TestALeaseKeepsThePayloadOfTheFirstClaim(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		leased := &idempotency.Leased{Store: events}
		first := idempotency.Payload{Source: "1", ContentType: "text/1", Body: []byte("1")}
		boom := errors.New("boom")
		for i, want := range []error{boom, nil, idempotency.ErrDuplicate} {
			n := fmt.Sprint(i + 1)
			p := idempotency.Payload{Source: n, ContentType: "text/" + n, Body: []byte(n)}
			_, err := leased.Run(idempotency.WithPayload(t.Context(), p), key, idempotency.Fingerprint{},
				func(context.Context) (*idempotency.Result, error) { return nil, want })
			if !errors.Is(err, want) {
				t.Errorf("run %d: got %v, want %v", i, err, want)
			}
			checkPayload(t, events, &first)
		}
	})
}

// Nobody may rely on a payload that is not there.
func TestAPayloadThatIsNotKeptKeepsAnEventFromBeingDone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		mustExec(t, db, "DROP TABLE "+sqlstore.DefaultTable+"_payloads")
		ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Source: "s", Body: []byte("b")})
		err := inTx(t, db, nil, func(tx *sql.Tx) error { return events.ClaimTx(ctx, tx, key) })
		if !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("ClaimTx: got %v, want ErrUnavailable", err)
		}
		if err := events.RunTx(ctx, key, effect); !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("RunTx: got %v, want ErrUnavailable", err)
		}
		checkCounts(t, db, 0, 0)
	})
}

// A delivery without a lease has made no attempt, and leaves nothing that the next
// one would have to wait for.
func TestAPayloadThatIsNotKeptLeavesNoLease(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		table := sqlstore.DefaultTable + "_payloads"
		leased := &idempotency.Leased{Store: events, MaxAttempts: 1}
		ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Source: "s", Body: []byte("b")})
		worked := 0
		deliver := func() error {
			_, err := leased.Run(ctx, key, idempotency.Fingerprint{}, func(context.Context) (*idempotency.Result, error) {
				worked++
				return nil, nil
			})
			return err
		}
		mustExec(t, db, "ALTER TABLE "+table+" RENAME TO away")
		for range 2 {
			if err := deliver(); !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("without the table: got %v, want ErrUnavailable", err)
			}
		}
		checkCounts(t, db, 0, 0)
		mustExec(t, db, "ALTER TABLE away RENAME TO "+table)
		if err := deliver(); err != nil || worked != 1 {
			t.Errorf("with the table: worked %d times, error %v", worked, err)
		}
	})
}

// A claim that loses may still have made the event dead.
func TestAnEventOfCrashesIsDeadThoughPayloadsAreKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		claim(t, events, key.ID, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Body: []byte("b")})
		terms := idempotency.Terms{Owner: idempotency.NewOwner(), Lease: time.Hour, MaxAttempts: 1}
		if rec, won, err := events.Claim(ctx, key, terms); won || err != nil || rec.State != idempotency.Dead {
			t.Errorf("got %v, won %v, error %v, want that it is dead", rec.State, won, err)
		}
		want := []sqlstore.FailedEvent{{Key: key, State: idempotency.Dead, Attempts: 1}}
		if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		checkPayload(t, events, nil)
	})
}

func TestAPayloadIsThatOfScopeAndID(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		for _, key := range siblings {
			ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Body: []byte(key.String())})
			if err := events.RunTx(ctx, key, effect); err != nil {
				t.Error(err)
			}
		}
		for _, key := range siblings {
			if p, err := events.Payload(t.Context(), key); string(p.Body) != key.String() || err != nil {
				t.Errorf("got payload %q of %v, error %v", p.Body, key, err)
			}
		}
		for _, key := range siblings {
			mustExec(t, db, "DELETE FROM "+sqlstore.DefaultTable+"_payloads"+where(d, key))
			if p, err := events.Payload(t.Context(), key); !errors.Is(err, sqlstore.ErrNoPayload) {
				t.Errorf("got payload %q of %v, error %v, want ErrNoPayload", p.Body, key, err)
			}
		}
	})
}

// A claim with a payload is a transaction, which may meet a conflict.
func TestManyClaimsWithPayloadsMeetNoError(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, Wait: 20 * time.Second})
		ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Body: make([]byte, 1<<16)})
		for i, err := range atOnce(48, func(i int) error {
			terms := idempotency.Terms{Owner: idempotency.NewOwner(), Lease: time.Hour}
			_, _, err := events.Claim(ctx, keyOf(fmt.Sprint(i)), terms)
			return err
		}) {
			if err != nil {
				t.Errorf("claim %d: %v", i, err)
			}
		}
		if got := count(t, db, sqlstore.DefaultTable+"_payloads"); got != 48 {
			t.Errorf("%d payloads are kept, want 48", got)
		}
	})
}

// A claim that had to wait is renewed, which must not hide that its payload failed.
func TestAPayloadThatIsNotKeptIsAnErrorAfterAWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // one writer: the claim would find it busy
		}
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, Wait: 20 * time.Second})
		ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Body: []byte("x")})
		mustExec(t, db, "DROP TABLE "+sqlstore.DefaultTable+"_payloads")
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := events.ClaimTx(t.Context(), tx, key); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, func() { tx.Rollback() })
		_, _, err = events.Claim(ctx, key, idempotency.Terms{Owner: idempotency.NewOwner(), Lease: time.Second})
		if err == nil {
			t.Error("got no error without a table of payloads")
		}
	})
}

// The sender chooses the media type.
func TestALongMediaTypeDoesNotKeepAnEventFromBeingDone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		long := strings.Repeat("x", 300)
		ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Source: long, ContentType: long, Body: []byte("b")})
		_, err := events.Transactional().Run(ctx, key, idempotency.Fingerprint{}, func(context.Context) (*idempotency.Result, error) {
			return &idempotency.Result{Status: 200, ContentType: long + "\xff\x00", Body: []byte("r")}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		checkPayload(t, events, &idempotency.Payload{Source: long[:255], ContentType: long[:255], Body: []byte("b")})
	})
}
