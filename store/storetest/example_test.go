package storetest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// What does an endpoint answer while its store is down?
func ExampleFailing() {
	store := storetest.Failing(new(memstore.Store), func(method string) error { return errors.New("down") })
	once := &idempotency.Middleware{
		Runner: &idempotency.Leased{Store: store},
		Key: func(*http.Request) (idempotency.Key, error) {
			return idempotency.Key{Scope: "test", ID: "evt_1"}, nil
		},
	}
	w := httptest.NewRecorder()
	once.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	fmt.Println(w.Code, "come again in", w.Header().Get("Retry-After"), "seconds")
	// Output: 503 come again in 5 seconds
}
