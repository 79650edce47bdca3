package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// A counted queue notes how many entries each Enqueue gets.
type counted struct {
	*memstore.Store
	mu    sync.Mutex
	calls []int
}

func (c *counted) Enqueue(ctx context.Context, entries []inbox.Entry) ([]inbox.Enqueued, error) {
	c.mu.Lock()
	c.calls = append(c.calls, len(entries))
	c.mu.Unlock()
	return c.Store.Enqueue(ctx, entries)
}

// batchWorld returns an inbox for a sender of batches, a function that sends it a file of
// preset/testdata/batches, and the queue.
func batchWorld(t *testing.T, s hmacverify.Scheme, o *inbox.HandleOptions, f work) (b *inbox.Inbox, send func(file string) int, q *counted) {
	t.Helper()
	q = &counted{Store: new(memstore.Store)}
	signer, err := hmacverify.NewSigner(s, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := hmacverify.New(s, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	runner, err := lease.New(q.Store, nil)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("hooks", verifier, runner, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = inbox.New(q, nil); err != nil {
		t.Fatal(err)
	}
	handler := inbox.Handle(b, endpoint, f, o)
	return b, func(file string) int {
		body, err := os.ReadFile("../../hmacverify/preset/testdata/batches/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		r, err := signer.NewRequest(t.Context(), "http://localhost/", nil, body)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}, q
}

// Each event of a request is an entry, in one commit, and a retry that groups them
// otherwise adds what is new. One that fails is tried again by itself.
func TestInbox_Batches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file   string
		scheme hmacverify.Scheme
		first  int // events of the first request
		again  int // of the retry
		want   []string
	}{
		{"whatsapp", preset.Meta(), 3, 3, []string{
			"102290129340398 message_template_status_update", "102290129340398 message_template_status_update again",
			"102290129340398 messages wamid.A1", "102290129340398 messages wamid.A2", "102290129340398 messages wamid.A3",
		}},
		{"messenger", preset.Meta(), 3, 2, []string{"PAGE1 ", "PAGE1 ", "PAGE2 name", "PAGE3 name"}},
		{"xero", preset.Xero(), 2, 2, []string{" CONTACT", " INVOICE", " INVOICE"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var got []string
				failed := false
				b, send, q := batchWorld(t, tt.scheme, nil, func(_ context.Context, c lease.Claim, d *hmacverify.Delivery) error {
					mu.Lock()
					defer mu.Unlock()
					what := d.Outer["entry.[].id"] + " " + d.EventType()
					for _, id := range []string{"wamid.A1", "wamid.A2", "wamid.A3"} {
						if strings.Contains(string(d.Body), id) {
							what += " " + id
						}
					}
					if strings.HasSuffix(what, "_update") && failed {
						what += " again"
					}
					got = append(got, what)
					if strings.HasSuffix(what, "_update") {
						failed = true
						return errors.New("boom")
					}
					return nil
				})
				for range 2 { // the second time all are duplicates
					if codes := []int{send(tt.file), send(tt.file + "-retry")}; !slices.Equal(codes, []int{tt.scheme.Sender.StatusOf(202), tt.scheme.Sender.StatusOf(202)}) {
						t.Errorf("got %v", codes)
					}
				}
				if diff := cmp.Diff([]int{tt.first, tt.again, tt.first, tt.again}, q.calls); diff != "" {
					t.Errorf("entries of each commit (-want +got):\n%s", diff)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- b.Run(ctx, 2) }()
				time.Sleep(time.Hour)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				slices.Sort(got)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The group of an event is that of its own delivery, and the order of a group that of the
// request.
func TestInbox_BatchGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		tries := 0
		b, send, _ := batchWorld(t, preset.Meta(), &inbox.HandleOptions{
			Group: func(d *hmacverify.Delivery) string { return d.Outer["entry.[].id"] },
		}, func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			kind := "delivery"
			if strings.Contains(string(d.Body), "mid.1") {
				kind = "message"
			}
			if kind == "message" {
				if tries++; tries < 3 {
					return errors.New("boom")
				}
			}
			got = append(got, fmt.Sprint(d.Outer["entry.[].id"], " ", kind))
			return nil
		})
		send("messenger")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx, 4) }()
		time.Sleep(time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{"PAGE2 delivery", "PAGE1 message", "PAGE1 delivery"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
