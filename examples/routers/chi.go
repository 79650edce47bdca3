package main

import (
	"database/sql"
	"fmt"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/hookonce/hookonce/idempotency"
)

// routeChi uses chi, with the endpoint as its middleware and a handler that knows
// nothing of it. Put nothing that changes the body before the endpoint.
func routeChi(e *idempotency.Endpoint[*sql.Tx], events http.HandlerFunc) http.Handler {
	router := chi.NewRouter()
	router.With(e.Wrap).Post("/webhooks/{source}", func(w http.ResponseWriter, r *http.Request) {
		if err := record(r.Context(), chi.URLParam(r, "source"), "chi"); err != nil {
			log.Print(err)
			http.Error(w, "failed", http.StatusInternalServerError) // rolls back
			return
		}
		fmt.Fprintln(w, "received by chi")
	})
	router.Get("/events", events)
	return router
}
