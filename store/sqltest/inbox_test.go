package sqltest_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// effectOf is work that leaves the event's ID.
func effectOf(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO effects (name) VALUES ('"+d.ID+"')")
	return err
}

// quickly is Options for tests.
func quickly(o inbox.Options) *inbox.Options {
	o.Backoff = func(int) time.Duration { return 10 * time.Millisecond }
	o.Poll = 50 * time.Millisecond
	return &o
}

// newInbox returns an inbox for an endpoint "test", and the endpoint's handler.
func newInbox(t testing.TB, events *sqlstore.Store, o *inbox.Options, f sqlstore.Func) (*inbox.Inbox, http.Handler, *hmacverify.Signer) {
	t.Helper()
	endpoint, signer := newEndpoint(t, events)
	box, err := inbox.New(events, o)
	if err != nil {
		t.Fatal(err)
	}
	return box, inbox.Handle(box, endpoint, f, nil), signer
}

// work runs an inbox until the function that it returns is called.
func work(t testing.TB, box *inbox.Inbox, workers int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx, workers) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 30 s: %s", what)
		}
	}
}

func accept(t testing.TB, h http.Handler, signer *hmacverify.Signer, id string) {
	t.Helper()
	if w, err := deliver(t.Context(), h, signer, id); err != nil || w.Code != 202 {
		t.Errorf("delivery of %s: %v, error %v, want 202", id, w, err)
	}
}

// Several processes accept and process events whose work fails now and then. Each event
// has one effect, and nothing is left behind.
func TestInbox_ProcessesShareAQueue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const n, processes = 60, 3
		db.SetMaxOpenConns(20)
		newEvents(t, db, d, nil)
		var attempts atomic.Int64
		f := func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
			err := effectOf(ctx, tx, d)
			if attempts.Add(1)%3 == 0 {
				err = errors.Join(err, errors.New("boom"))
			}
			return err
		}
		var handlers []http.Handler
		var signer *hmacverify.Signer
		for range processes {
			events := newStore(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
			box, h, s := newInbox(t, events, quickly(inbox.Options{MaxAttempts: 1000}), f)
			handlers, signer = append(handlers, h), s
			defer work(t, box, 4)()
		}
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for range 2 { // and a retry, anywhere
					accept(t, handlers[rand.IntN(processes)], signer, fmt.Sprint("evt_", i))
				}
			})
		}
		wg.Wait()
		eventually(t, "all effects", func() bool { return count(t, db, "effects") >= n })
		for _, table := range []string{"_inbox", "_payloads"} {
			eventually(t, "an empty table "+table, func() bool { return count(t, db, sqlstore.DefaultTable+table) == 0 })
		}
		time.Sleep(100 * time.Millisecond)
		var twice int
		query := "SELECT count(*) FROM (SELECT name FROM effects GROUP BY name HAVING count(*) <> 1) AS x"
		if err := db.QueryRowContext(t.Context(), query).Scan(&twice); err != nil || twice > 0 {
			t.Errorf("%d events with several effects, error %v", twice, err)
		}
		if got := count(t, db, "effects"); got != n {
			t.Errorf("%d effects, want %d", got, n)
		}
		if got := count(t, db, sqlstore.DefaultTable+" WHERE state = 2"); got != n {
			t.Errorf("%d records, want %d", got, n)
		}
		for i := range n {
			accept(t, handlers[0], signer, fmt.Sprint("evt_", i)) // a late retry
		}
		if got := count(t, db, sqlstore.DefaultTable+"_inbox"); got != 0 {
			t.Errorf("late retries have left %d entries", got)
		}
	})
}

// A process dies between the commit of the work and the end of the entry. The next finds
// the record.
func TestInbox_DiesAfterTheWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		box, h, signer := newInbox(t, events, quickly(inbox.Options{}), effectOf)
		accept(t, h, signer, "evt_1")
		jobs, err := events.Dequeue(t.Context(), "test", 1, 50*time.Millisecond, false)
		if len(jobs) != 1 || err != nil {
			t.Fatalf("dequeued %v, error %v", jobs, err)
		}
		if err := events.RunTx(t.Context(), jobs[0].Key, effect); err != nil {
			t.Fatal(err)
		}
		defer work(t, box, 1)()
		eventually(t, "no entry", func() bool { return count(t, db, sqlstore.DefaultTable+"_inbox") == 0 })
		if got := count(t, db, "effects"); got != 1 {
			t.Errorf("%d effects, want 1", got)
		}
	})
}

// During a deployment, processes of the version before still process at once what others
// accept for later.
func TestInbox_BesideInlineProcesses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const n = 30
		db.SetMaxOpenConns(10)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		box, later, signer := newInbox(t, events, quickly(inbox.Options{}), effectOf)
		inline, _ := newEndpoint(t, newStore(t, db, d, &sqlstore.Options{Wait: 20 * time.Second}))
		atOnce := inline.Handle(effectOf)
		stop := work(t, box, 2)
		var wg sync.WaitGroup
		for i := range n {
			id := fmt.Sprint("evt_", i)
			wg.Go(func() { accept(t, later, signer, id) })
			wg.Go(func() {
				if w, err := deliver(t.Context(), atOnce, signer, id); err != nil || w.Code != 200 {
					t.Errorf("inline delivery of %s: %v, error %v, want 200", id, w, err)
				}
			})
		}
		wg.Wait()
		eventually(t, "no entry", func() bool { return count(t, db, sqlstore.DefaultTable+"_inbox") == 0 })
		stop()
		if got := count(t, db, "effects"); got != n {
			t.Errorf("%d effects, want %d", got, n)
		}
	})
}

// An event that died at once is redelivered from what was kept of it, whole.
func TestInbox_RedeliversInlineEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		var broken atomic.Bool
		broken.Store(true)
		var got hmacverify.Stored
		f := func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
			if broken.Load() {
				return idempotency.Permanent(errors.New("boom"))
			}
			got = d.Stored()
			return effectOf(ctx, tx, d)
		}
		endpoint, signer := newEndpoint(t, events)
		box, err := inbox.New(events, quickly(inbox.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		inbox.Handle(box, endpoint, f, nil)
		atOnce := endpoint.Handle(f)
		if w, err := deliver(t.Context(), atOnce, signer, "evt_1"); err != nil || w.Header().Get(idempotency.StatusHeader) != "dead" {
			t.Fatalf("got %v, error %v, want it dead", w, err)
		}
		dead := idempotency.Key{Scope: "test", ID: "evt_1"}
		want, err := events.Payload(t.Context(), dead)
		if err != nil {
			t.Fatal(err)
		}
		broken.Store(false)
		if err := box.Redeliver(t.Context(), dead); err != nil {
			t.Fatal(err)
		}
		stop := work(t, box, 1)
		eventually(t, "the effect", func() bool { return count(t, db, "effects") == 1 })
		stop()
		if diff := cmp.Diff(want, got); diff != "" || want.Type != "paid" || want.Header.Get("X-Region") != "eu" {
			t.Errorf("redelivered (-kept +got):\n%s", diff)
		}
		if _, err := events.Payload(t.Context(), dead); err != nil {
			t.Errorf("the payload was to be kept: %v", err)
		}
		if err := box.Redeliver(t.Context(), dead); !errors.Is(err, idempotency.ErrNotDead) {
			t.Errorf("again: error %v, want ErrNotDead", err)
		}
	})
}

// Whatever its age, an event that waits or is dead keeps its payload, and an event whose
// entry is still there keeps its record: without it, it would be processed again.
func TestPurge_LeavesTheInbox(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		_, h, signer := newInbox(t, events, nil, effectOf)
		for _, id := range []string{"waits", "done"} {
			accept(t, h, signer, id)
		}
		if err := events.RunTx(t.Context(), idempotency.Key{Scope: "test", ID: "done"}, effect); err != nil {
			t.Fatal(err)
		}
		if err := events.RunTx(t.Context(), idempotency.Key{Scope: "test", ID: "other"}, effect); err != nil {
			t.Fatal(err)
		}
		backdate(t, db, 100*24*time.Hour)
		mustExec(t, db, "UPDATE "+sqlstore.DefaultTable+"_payloads SET changed_at = 0")
		if n, err := events.Purge(t.Context()); n != 1 || err != nil {
			t.Errorf("purged %d, error %v, want the record without an entry only", n, err)
		}
		if n := count(t, db, sqlstore.DefaultTable+"_payloads"); n != 2 {
			t.Errorf("%d payloads are left, want 2", n)
		}
	})
}

// What is stored of a delivery is sealed, and redacted, and the work gets it back.
func TestOptions_SealAndRedact(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		aead := newAEAD(t)
		o := &sqlstore.Options{
			KeepPayloads: true,
			Redact:       func(d *hmacverify.Stored) { d.Header.Del("X-Region") },
			Seal: func(key idempotency.Key, data []byte) ([]byte, error) {
				return aead.Seal(nil, nil, data, []byte(key.String())), nil
			},
			Open: func(key idempotency.Key, data []byte) ([]byte, error) {
				return aead.Open(nil, nil, data, []byte(key.String()))
			},
		}
		events := newEvents(t, db, d, o)
		var got *hmacverify.Delivery
		box, h, signer := newInbox(t, events, quickly(inbox.Options{}), func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
			got = d
			return effectOf(ctx, tx, d)
		})
		accept(t, h, signer, "evt_1")
		endpoint, _ := newEndpoint(t, events)
		if w, err := deliver(t.Context(), endpoint.Handle(effectOf), signer, "evt_2"); err != nil || w.Code != 200 {
			t.Fatalf("got %v, error %v", w, err)
		}
		rows, err := db.QueryContext(t.Context(), "SELECT delivery, body FROM "+sqlstore.DefaultTable+"_payloads")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		stored := 0
		for ; rows.Next(); stored++ {
			var delivery, body []byte
			if err := rows.Scan(&delivery, &body); err != nil {
				t.Fatal(err)
			}
			if all := string(delivery) + string(body); strings.Contains(all, "evt_") || strings.Contains(all, "paid") || strings.Contains(all, "Webhook") {
				t.Errorf("stored in the clear: %q", all)
			}
		}
		if err := rows.Err(); err != nil || stored != 2 {
			t.Errorf("%d payloads, error %v, want 2", stored, err)
		}
		stop := work(t, box, 1)
		eventually(t, "both effects", func() bool { return count(t, db, "effects") == 2 })
		stop()
		if string(got.Body) != `{"type":"paid","id":"evt_1"}` || got.EventType() != "paid" || got.Header.Get("X-Region") != "" || got.Header.Get("Webhook-Id") != "evt_1" {
			t.Errorf("the work got %+v", got.Stored())
		}
		// Without the key there is no way in.
		o.Seal, o.Open, o.Redact = nil, nil, nil
		if _, err := newStore(t, db, d, o).Payload(t.Context(), idempotency.Key{Scope: "test", ID: "evt_1"}); err == nil || !strings.Contains(err.Error(), "Options.Open") {
			t.Errorf("without Open: error %v, want one that names it", err)
		}
	})
}

func newAEAD(t testing.TB) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// A delivery that cannot be sealed is not accepted; at once, it is processed and not kept.
func TestOptions_SealFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		broken := func(idempotency.Key, []byte) ([]byte, error) { return nil, errors.New("the vault is away") }
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, Seal: broken, Open: broken})
		_, h, signer := newInbox(t, events, nil, effectOf)
		if w, err := deliver(t.Context(), h, signer, "evt_1"); err != nil || w.Code != 503 {
			t.Errorf("got %v, error %v, want 503", w, err)
		}
		endpoint, _ := newEndpoint(t, events)
		if w, err := deliver(t.Context(), endpoint.Handle(effectOf), signer, "evt_1"); err != nil || w.Code != 200 {
			t.Errorf("at once: got %v, error %v, want 200", w, err)
		}
		if n := count(t, db, sqlstore.DefaultTable+"_payloads"); n != 0 {
			t.Errorf("%d payloads, want none", n)
		}
	})
}
