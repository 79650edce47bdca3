package hooktest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// serve serves an endpoint for Stripe on a store, and counts the calls of its function.
func serve(t *testing.T, store lease.Store) (url string, calls *atomic.Int64) {
	t.Helper()
	verifier, err := hmacverify.New(preset.Stripe(), nil, "s")
	if err != nil {
		t.Fatal(err)
	}
	leases, err := lease.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("stripe", verifier, leases, nil)
	if err != nil {
		t.Fatal(err)
	}
	calls = new(atomic.Int64)
	server := httptest.NewServer(endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
		calls.Add(1)
		return nil
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func TestSigner_SignedRequestIsOneCall(t *testing.T) {
	t.Parallel()
	url, calls := serve(t, new(memstore.Store))
	signer, err := hmacverify.NewSigner(preset.Stripe(), nil, "s")
	if err != nil {
		t.Fatal(err)
	}
	r, err := signer.NewRequest(t.Context(), url, nil, []byte(`{"id":"evt_1"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || calls.Load() != 1 {
		t.Errorf("responded %d after %d calls, want 200 after 1", resp.StatusCode, calls.Load())
	}
}

func TestFailing_StoreOfAnEndpoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method string
		calls  int64 // of the function, by two deliveries
		retry  int   // the second's status, when the store works again
	}{
		{"Claim", 1, 200},
		{"Complete", 1, 503}, // processed, but not recorded: in flight until the lease expires
	}
	for _, tt := range tests {
		t.Run(tt.method, func(t *testing.T) {
			t.Parallel()
			failing := tt.method
			store := storetest.Failing(new(memstore.Store), func(method string) error {
				if method == failing {
					return errors.New("the store is down")
				}
				return nil
			})
			url, calls := serve(t, store)
			s := hooktest.NewSender(t, preset.Stripe(), url, "s")
			s.Send(t, `{"id":"evt_1"}`).Want(t, 503, "unavailable")
			failing = ""
			if got := s.Send(t, `{"id":"evt_1"}`); got.Status != tt.retry || calls.Load() != tt.calls {
				t.Errorf("then responded %d after %d calls, want %d after %d", got.Status, calls.Load(), tt.retry, tt.calls)
			}
		})
	}
}
