package hooktest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// endpoint serves an endpoint for Stripe on a store, and counts the calls of its
// handler.
func endpoint(t *testing.T, store idempotency.Store) (url string, calls *atomic.Int64) {
	t.Helper()
	verifier, err := hmacverify.New(preset.Stripe(), nil, "s")
	if err != nil {
		t.Fatal(err)
	}
	calls = new(atomic.Int64)
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: store}}
	server := httptest.NewServer(verifier.Handler(once.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func TestASignedRequestIsOneCall(t *testing.T) {
	t.Parallel()
	url, calls := endpoint(t, new(memstore.Store))
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
		t.Errorf("answered %d after %d calls, want 200 after 1", resp.StatusCode, calls.Load())
	}
}

func TestAStoreThatFailsOnDemandIsOneLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method string
		calls  int64 // of the handler, by two deliveries
		again  int   // the second's status, when the store works again
	}{
		{"Claim", 1, 200},
		{"Complete", 1, 503}, // done, but not known to be: in flight until the lease ends
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
			url, calls := endpoint(t, store)
			s := hooktest.NewSender(t, preset.Stripe(), url, "s")
			s.Send(t, `{"id":"evt_1"}`).Want(t, 503, "unavailable")
			failing = ""
			if got := s.Send(t, `{"id":"evt_1"}`); got.Status != tt.again || calls.Load() != tt.calls {
				t.Errorf("then answered %d after %d calls, want %d after %d", got.Status, calls.Load(), tt.again, tt.calls)
			}
		})
	}
}
