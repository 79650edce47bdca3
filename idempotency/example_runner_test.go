package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// notebook is a Runner of one's own: a map, for one goroutine. What it hands to the
// work is the page to write on, which is torn out if the work fails.
type notebook struct {
	processed map[idempotency.Key]bool
	pages     []string
}

func (n *notebook) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[*string]) idempotency.Outcome {
	if err := item.Key.Validate(); err != nil {
		return idempotency.OutcomeOf(idempotency.KindInvalidKey, err)
	}
	if n.processed[item.Key] {
		return idempotency.OutcomeOf(idempotency.KindDuplicate, nil)
	}
	var page string
	result, err := work(ctx, &page)
	if err != nil {
		return idempotency.OutcomeOf(idempotency.KindFailed, err)
	}
	n.processed[item.Key], n.pages = true, append(n.pages, page)
	return idempotency.Outcome{Kind: idempotency.KindCompleted, Result: result}
}

func (n *notebook) Observe(_ context.Context, e idempotency.Event) {
	fmt.Println("observed:", e.Endpoint, e.Kind, e.Status)
}

func (n *notebook) Retention() time.Duration { return 0 } // unlimited

func ExampleRunner() {
	n := &notebook{processed: make(map[idempotency.Key]bool)}
	endpoint, err := idempotency.NewEndpoint("notes", nil, n, &idempotency.Options{
		AllowUnverified: true, // something in front authenticates the requests
		ID: func(r *http.Request, _ *hmacverify.Delivery) (string, error) {
			return r.Header.Get("Event-Id"), nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	failing := true
	h := endpoint.Handle(func(_ context.Context, page *string, _ *hmacverify.Delivery) error {
		*page = "Dear diary"
		if failing {
			failing = false
			return errors.New("out of ink")
		}
		return nil
	})
	for range 3 {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Event-Id", "evt_1")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	fmt.Printf("%q\n", n.pages)
	// Output:
	// observed: notes failed 500
	// observed: notes completed 200
	// observed: notes duplicate 200
	// ["Dear diary"]
}
