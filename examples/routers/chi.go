package main

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/hookonce/hookonce/idempotency"
)

// routeChi uses chi: verifier and once are middleware like any other. The
// verifier comes first, and nothing that changes the body before it.
func routeChi(e *endpoint) http.Handler {
	router := chi.NewRouter()
	router.Route("/webhooks", func(r chi.Router) {
		r.Use(e.verifier.Handler, e.once.Handler)
		r.Post("/{source}", func(w http.ResponseWriter, r *http.Request) {
			if err := record(r.Context(), chi.URLParam(r, "source"), "chi"); err != nil {
				idempotency.Fail(r, err)
				return
			}
			fmt.Fprintln(w, "received by chi")
		})
	})
	router.Get("/events", e.serveList)
	return router
}
