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
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, RecordFailures: true})
		payload := idempotency.Payload{Source: "sender", ContentType: "application/json; a=\xff", Body: []byte("{\x00\xff}")}
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
		first := idempotency.Payload{Source: "1", ContentType: "text/plain", Body: []byte("1")}
		boom := errors.New("boom")
		for i, want := range []error{boom, nil, idempotency.ErrDuplicate} {
			p := first
			p.Source = fmt.Sprint(i + 1)
			_, err := leased.Run(idempotency.WithPayload(t.Context(), p), key, idempotency.Fingerprint{},
				func(context.Context) (*idempotency.Result, error) { return nil, want })
			if !errors.Is(err, want) {
				t.Errorf("run %d: got %v, want %v", i, err, want)
			}
			checkPayload(t, events, &first)
		}
	})
}

// The sender chooses the media type.
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

func TestPayloadsHaveARetentionOfTheirOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		// The table's name is also a part of what stands in the statements.
		events := newEvents(t, db, d, &sqlstore.Options{Table: "e", KeepPayloads: true, PayloadRetention: 2 * day})
		for _, id := range []string{"old", "new"} {
			ctx := idempotency.WithPayload(t.Context(), idempotency.Payload{Source: "s", Body: []byte(id)})
			if err := events.RunTx(ctx, keyOf(id), effect); err != nil {
				t.Fatal(err)
			}
			if id == "old" {
				mustExec(t, db, fmt.Sprintf("UPDATE e_payloads SET changed_at = changed_at - %d", (3*day).Microseconds()))
			}
		}
		if n, err := events.Purge(t.Context()); n != 0 || err != nil {
			t.Errorf("purged %d records, error %v, want none", n, err)
		}
		if got := count(t, db, "e"); got != 2 {
			t.Errorf("%d records, want 2", got)
		}
		if _, err := events.Payload(t.Context(), keyOf("old")); !errors.Is(err, sqlstore.ErrNoPayload) {
			t.Errorf("old payload: got %v, want ErrNoPayload", err)
		}
		if got, err := events.Payload(t.Context(), keyOf("new")); string(got.Body) != "new" || err != nil {
			t.Errorf("new payload: got %q, error %v", got.Body, err)
		}
	})
}
