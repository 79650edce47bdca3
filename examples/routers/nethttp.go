package main

import (
	"database/sql"
	"fmt"
	"net/http"

	"github.com/hookonce/hookonce/idempotency"
)

// routeNetHTTP uses the router of the standard library, with a handler that returns
// its error: the reason is logged, and conflicts in the database are retried.
func routeNetHTTP(e *idempotency.Endpoint[*sql.Tx], events http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{source}", e.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ *sql.Tx) error {
		fmt.Fprintln(w, "received by net/http") // held back until the commit
		return record(r.Context(), r.PathValue("source"), "net/http")
	}))
	mux.Handle("GET /events", events)
	return mux
}
