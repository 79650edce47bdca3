package galera_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// testInbox accepts and processes events by every node.
func testInbox(t *testing.T, c *cluster) {
	var box *inbox.Inbox
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, size)
	db, n := deliverAll(t, c, func(node int) handler {
		var h handler
		box, h = newInbox(t, c.open(t, node))
		go func(box *inbox.Inbox) { stopped <- box.Run(ctx, 4) }(box)
		return h
	}, nil)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		left, err := count(t.Context(), box, inbox.Waiting, inbox.InFlight)
		if err == nil && left == 0 {
			break
		}
		if time.Now().After(end) {
			t.Errorf("after a minute %d events are left, error %v", left, err)
			break
		}
	}
	cancel()
	for range size {
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
	checkBooks(t, db, n)
}

func count(ctx context.Context, box *inbox.Inbox, states ...inbox.State) (sum int, err error) {
	for _, state := range states {
		n, err := box.Count(ctx, "test", state, *events)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// newInbox returns an inbox on a store of its own, and what has it accept an event.
func newInbox(t *testing.T, db *sql.DB) (*inbox.Inbox, handler) {
	t.Helper()
	s := openStore(t, db)
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("test", verifier, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	box, err := inbox.New(s, &inbox.Options{
		Poll:    50 * time.Millisecond,
		Backoff: func(int) time.Duration { return 10 * time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	h := inbox.Handle(box, endpoint, func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
		event, err := strconv.Atoi(d.ID)
		if err != nil {
			return err
		}
		return work(ctx, tx, event)
	}, nil)
	return box, func(ctx context.Context, _ idempotency.Key, event int) error {
		header := http.Header{"Webhook-Id": {fmt.Sprint(event)}}
		r, err := signer.NewRequest(ctx, "/webhooks", header, []byte(`{}`))
		if err != nil {
			return err
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code/100 != 2 {
			return fmt.Errorf("status %d", w.Code)
		}
		return nil
	}
}
