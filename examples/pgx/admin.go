package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// admin is for the people who look after the service.
func (s *service) admin(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/failures", s.showFailures)
	mux.HandleFunc("GET /admin/events/{id}", s.showEvent)
	mux.HandleFunc("POST /admin/events/{id}/rerun", func(w http.ResponseWriter, r *http.Request) {
		if err := s.rerun(r.Context(), r.PathValue("id")); err != nil {
			writeError(w, r, err)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
			http.Error(w, "not for you", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func keyOf(id string) idempotency.Key { return idempotency.Key{Scope: "stripe", ID: id} }

// rerun processes an event again from what was kept of it, as if Stripe had delivered it
// again. Concurrent calls process it once.
func (s *service) rerun(ctx context.Context, id string) error {
	key := keyOf(id)
	stored, err := s.events.Payload(ctx, key)
	if err != nil {
		return err
	}
	delivery, err := stored.RestoreUnverified() // it was verified before it was kept
	if err != nil {
		return err
	}
	if err := s.events.Retry(ctx, key); err != nil && !errors.Is(err, pgxstore.ErrNotDead) {
		return err
	}
	return s.events.RunTx(ctx, key, func(ctx context.Context, tx pgx.Tx) error {
		return s.receive(ctx, tx, delivery)
	})
}

func (s *service) showFailures(w http.ResponseWriter, r *http.Request) {
	failures, _, err := s.events.Failures(r.Context(), idempotency.Key{}, 100)
	if err != nil {
		writeError(w, r, err)
		return
	}
	for _, f := range failures {
		show(w, f)
	}
}

func (s *service) showEvent(w http.ResponseWriter, r *http.Request) {
	status, err := s.events.Lookup(r.Context(), keyOf(r.PathValue("id")))
	if err != nil {
		writeError(w, r, err)
		return
	}
	show(w, status)
}

func show(w http.ResponseWriter, e lease.Status) {
	fmt.Fprintf(w, "%s %s: %s, attempts: %d, last error: %q\n", e.Key.Scope, e.Key.ID, e.State, e.Attempts, e.LastError)
}

// writeError responds with the status of err. Its text is for the log.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	slog.WarnContext(r.Context(), "admin", "path", r.URL.Path, "err", err)
	if errors.Is(err, pgxstore.ErrNotFound) || errors.Is(err, pgxstore.ErrNoPayload) {
		http.Error(w, "no such event", http.StatusNotFound)
		return
	}
	idempotency.WriteError(w, err)
}
