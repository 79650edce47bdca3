package storetest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// What does an endpoint respond while its store is down?
func ExampleFailing() {
	store := storetest.Failing(new(memstore.Store), func(method string) error { return errors.New("down") })
	runner, err := lease.New(store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint, err := idempotency.NewEndpoint("test", nil, runner, &idempotency.Options{
		AllowUnverified: true, // this is about the store
		ID:              func(*http.Request, *hmacverify.Delivery) (string, error) { return "evt_1", nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	endpoint.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	fmt.Println(w.Code, "Retry-After:", w.Header().Get("Retry-After"))
	// Output: 503 Retry-After: 5
}
