package main

import (
	"fmt"
	"net/http"

	"github.com/hookonce/hookonce/idempotency"
)

// routeNetHTTP uses the router of the standard library.
func routeNetHTTP(e *endpoint) http.Handler {
	receive := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := record(r.Context(), r.PathValue("source"), "net/http"); err != nil {
			idempotency.Fail(r, err)
			return
		}
		fmt.Fprintln(w, "received by net/http")
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{source}", e.verifier.Handler(e.once.Handler(receive)))
	mux.HandleFunc("GET /events", e.serveList)
	return mux
}
