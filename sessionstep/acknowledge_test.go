package sessionstep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
)

const ignoredBody = `{"status":"ignored"}`

// checkIgnored checks that the sender sees success, and package idempotency an event
// that is ignored.
func checkIgnored(t *testing.T, res *http.Response, err error) {
	t.Helper()
	if got := bodyOf(t, res); res.StatusCode != 200 || got != ignoredBody {
		t.Errorf("got %d %s, want 200 %s", res.StatusCode, got, ignoredBody)
	}
	if got := sessionstep.Status(err); got != 200 {
		t.Errorf("Status: got %d, want 200", got)
	}
	var e interface{ EventIgnored() bool }
	if !errors.As(err, &e) || !e.EventIgnored() {
		t.Errorf("%v has no method EventIgnored that returns true", err)
	}
}

func TestHandler_News(t *testing.T) {
	t.Parallel()
	for _, news := range []error{sessionstep.ErrNoResult, fmt.Errorf("started: %w", sessionstep.ErrNoResult)} {
		submitter := new(inMemory)
		o := decodes(sessionstep.Submission{}, news)
		o.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { t.Error("news was handled as an error") }
		res, err := serve(newHandler(t, submitter, o), callback)
		checkIgnored(t, res, err)
		if !errors.Is(err, sessionstep.ErrNoResult) || len(submitter.got) > 0 {
			t.Errorf("got %v and %d submissions, want ErrNoResult and none", err, len(submitter.got))
		}
		w := httptest.NewRecorder()
		sessionstep.WriteError(w, news)
		checkIgnored(t, w.Result(), news)
	}
}

// The log is the default logger's, so it is not parallel.
func TestHandler_Acknowledge(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))

	o := &sessionstep.Options{Acknowledge: []error{sessionstep.ErrSessionNotOpen, sessionstep.ErrStepNotInProgress}}
	for _, refusal := range []error{sessionstep.ErrSessionNotOpen, sessionstep.ErrStepNotInProgress} {
		log.Reset()
		failure := fmt.Errorf("secret of the database: %w", refusal)
		res, err := serve(newHandler(t, &inMemory{err: failure}, o), callback)
		checkIgnored(t, res, err)
		if !errors.Is(err, failure) {
			t.Errorf("got %v, want an error that wraps %v", err, failure)
		}
		for _, want := range []string{"level=WARN", "key=evt_1", refusal.Error()} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s: %s", want, &log)
			}
		}
		if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "0.98") {
			t.Errorf("the log shows too much: %s", &log)
		}
	}
	log.Reset()
	res, err := serve(newHandler(t, &inMemory{err: sessionstep.ErrSessionNotFound}, o), callback)
	checkProblem(t, res, 404, "session_not_found")
	if err != sessionstep.ErrSessionNotFound || log.Len() > 0 {
		t.Errorf("a refusal that is not listed: got %v, log %q", err, &log)
	}
	res, _ = serve(newHandler(t, &inMemory{err: errors.New("no connection")}, o), callback)
	checkProblem(t, res, 500, "internal")
}

// A decoder that finds no session in the payload refuses as a Submitter does.
func TestHandler_AcknowledgeWhatDecodeRefuses(t *testing.T) {
	t.Parallel()
	o := decodes(sessionstep.Submission{Key: "evt_1"}, sessionstep.ErrSessionNotFound)
	o.Acknowledge = []error{sessionstep.ErrSessionNotFound}
	res, err := serve(newHandler(t, new(inMemory), o), callback)
	checkIgnored(t, res, err)
}

func TestNewHandler_AcknowledgeListsRefusalsOnly(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, sessionstep.ErrMalformed, sessionstep.ErrUnknownStatus, sessionstep.ErrNoResult, context.Canceled} {
		o := &sessionstep.Options{Acknowledge: []error{sessionstep.ErrStepNotFound, err}}
		if _, got := sessionstep.NewHandler(new(inMemory), o); got == nil || !strings.Contains(got.Error(), "Options.Acknowledge") {
			t.Errorf("%v: got error %v, want one that names Options.Acknowledge", err, got)
		}
	}
}
