package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// newEndpoint returns an endpoint over events, and the signer of its sender.
func newEndpoint(t testing.TB, events *sqlstore.Store) (*idempotency.Endpoint[*sql.Tx], *hmacverify.Signer) {
	t.Helper()
	v, err := hmacverify.New(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("test", v, events, nil)
	if err != nil {
		t.Fatal(err)
	}
	return endpoint, signer
}

// deliver sends a signed delivery of the event to h.
func deliver(ctx context.Context, h http.Handler, signer *hmacverify.Signer, id string) (*httptest.ResponseRecorder, error) {
	header := http.Header{"Webhook-Id": {id}, "X-Region": {"eu"}}
	r, err := signer.NewRequest(ctx, "/webhooks", header, []byte(`{"type":"paid","id":"`+id+`"}`))
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, nil
}

// From the request to the row: one delivery fails and is rolled back, the next is
// committed with its record and its payload, and the third is a duplicate.
func TestEndpoint_OverSQL(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	handlers := map[string]func(e *idempotency.Endpoint[*sql.Tx], work func(context.Context, *sql.Tx) error) http.Handler{
		"Handle": func(e *idempotency.Endpoint[*sql.Tx], work func(context.Context, *sql.Tx) error) http.Handler {
			return e.Handle(func(ctx context.Context, tx *sql.Tx, _ *hmacverify.Delivery) error { return work(ctx, tx) })
		},
		"Wrap": func(e *idempotency.Endpoint[*sql.Tx], work func(context.Context, *sql.Tx) error) http.Handler {
			return e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tx, ok := sqlstore.Tx(r.Context())
				if !ok || work(r.Context(), tx) != nil {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}))
		},
	}
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		endpoint, signer := newEndpoint(t, events)
		done := 0
		for name, handler := range handlers {
			var err error
			h := handler(endpoint, func(ctx context.Context, tx *sql.Tx) error {
				return errors.Join(effect(ctx, tx), err)
			})
			for _, step := range []struct {
				err       error
				status    int
				duplicate bool
				done      int
			}{
				{boom, 500, false, 0},
				{nil, 204, false, 1},
				{nil, 204, true, 1},
			} {
				err = step.err
				w, reqErr := deliver(t.Context(), h, signer, name)
				if reqErr != nil {
					t.Fatal(reqErr)
				}
				duplicate := w.Header().Get(idempotency.StatusHeader) == string(idempotency.KindDuplicate)
				if w.Code/100 != step.status/100 || duplicate != step.duplicate {
					t.Errorf("%s: got %d, duplicate %v, want %+v", name, w.Code, duplicate, step)
				}
				checkCounts(t, db, done+step.done, done+step.done)
			}
			done++
			checkRestored(t, events, name)
		}
	})
}

// checkRestored restores the delivery of the event that deliver has sent.
func checkRestored(t *testing.T, events *sqlstore.Store, id string) {
	t.Helper()
	stored, err := events.Payload(t.Context(), idempotency.Key{Scope: "test", ID: id})
	if err != nil {
		t.Fatal(err)
	}
	d, err := stored.RestoreUnverified()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(d.ID, " ", d.IDSigned, " ", d.EventType(), " ", d.Header.Get("X-Region"), " ", d.Header.Get("Webhook-Signature"), string(d.Body))
	if want := fmt.Sprintf(`%s true paid eu {"type":"paid","id":"%[1]s"}`, id); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
}
