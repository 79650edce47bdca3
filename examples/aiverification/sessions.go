package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
)

// createSession creates a pending session whose identity verification is in progress.
func (a *app) createSession(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&in); err != nil || !sessionstep.ValidID(in.ID) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": `want {"id":"…"}`})
		return
	}
	err := a.sessions.Create(r.Context(), newSession(in.ID))
	switch {
	case errors.Is(err, sqlstep.ErrSessionExists):
		writeJSON(w, http.StatusConflict, map[string]string{"error": "the session exists"})
	case err != nil:
		fail(w, r, err)
	default:
		a.writeSession(w, r, http.StatusCreated, in.ID)
	}
}

func newSession(id string) sqlstep.Session {
	return sqlstep.Session{
		ID: id,
		Steps: []sqlstep.Step{
			{Name: "identity_verification", State: sqlstep.StepInProgress, Required: true},
		},
	}
}

func (a *app) showSession(w http.ResponseWriter, r *http.Request) {
	a.writeSession(w, r, http.StatusOK, r.PathValue("id"))
}

func (a *app) writeSession(w http.ResponseWriter, r *http.Request, status int, id string) {
	session, err := a.sessions.Session(r.Context(), id)
	switch {
	case errors.Is(err, sessionstep.ErrSessionNotFound):
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such session"})
	case err != nil:
		fail(w, r, err)
	default:
		writeJSON(w, status, session)
	}
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "internal"})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v) // the client is gone if this fails
}
