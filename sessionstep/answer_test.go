package sessionstep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
)

// answers says how each error is answered.
var answers = []struct {
	err    error
	status int
	code   string
}{
	{sessionstep.ErrSessionNotFound, 404, "session_not_found"},
	{sessionstep.ErrSessionNotOpen, 404, "session_not_open"},
	{sessionstep.ErrStepNotFound, 404, "step_not_found"},
	{sessionstep.ErrStepNotInProgress, 404, "step_not_in_progress"},
	{sessionstep.ErrNotAcceptable, 422, "payload_not_acceptable"},
	{sessionstep.ErrMalformed, 400, "malformed_callback"},
	{sessionstep.ErrMissingField, 400, "missing_field"},
	{sessionstep.ErrUnknownStatus, 422, "unknown_status"},
	{&http.MaxBytesError{Limit: 1}, 413, "body_too_large"},
	{errors.New("connection to db-7 refused"), 500, "internal"},
	{context.DeadlineExceeded, 500, "internal"},
}

func TestHandler_SubmittersErrorDecidesTheResponse(t *testing.T) {
	t.Parallel()
	for _, test := range answers {
		t.Run(test.err.Error(), func(t *testing.T) {
			t.Parallel()
			failure := fmt.Errorf("secret of the database: %w", test.err)
			res, err := serve(newHandler(t, &inMemory{err: failure}, nil), callback)
			checkProblem(t, res, test.status, test.code)
			if err != failure {
				t.Errorf("Serve returned %v, want %v", err, failure)
			}
		})
	}
}

func TestWriteError_WithoutHandler(t *testing.T) {
	t.Parallel()
	for _, test := range answers {
		for _, err := range []error{test.err, fmt.Errorf("a: %w", test.err), errors.Join(io.EOF, test.err)} {
			w := httptest.NewRecorder()
			sessionstep.WriteError(w, err)
			checkProblem(t, w.Result(), test.status, test.code)
			if got := sessionstep.Status(err); got != test.status {
				t.Errorf("%v: got status %d, want %d", err, got, test.status)
			}
		}
	}
	if got := sessionstep.Status(nil); got != 200 {
		t.Errorf("nil: got status %d, want 200", got)
	}
}

// Package idempotency looks for this method, as it does not import this package.
func TestSentinels_HTTPStatus(t *testing.T) {
	t.Parallel()
	for _, test := range answers {
		var got interface{ HTTPStatus() int }
		found := errors.As(fmt.Errorf("a: %w", errors.Join(io.EOF, test.err)), &got)
		if want := test.status < 500 && test.status != 413; found != want {
			t.Errorf("%v: has a status: got %t, want %t", test.err, found, want)
		} else if found && got.HTTPStatus() != test.status {
			t.Errorf("%v: got %d, want %d", test.err, got.HTTPStatus(), test.status)
		}
	}
}

func TestSentinels_AreDistinct(t *testing.T) {
	t.Parallel()
	for i, a := range answers {
		for j, b := range answers {
			if got := errors.Is(fmt.Errorf("a: %w", a.err), b.err); got != (i == j) {
				t.Errorf("errors.Is(%v, %v) = %t", a.err, b.err, got)
			}
		}
	}
}

func TestHandler_ErrorHandlerWritesTheResponse(t *testing.T) {
	t.Parallel()
	failure := errors.New("database is gone")
	for _, test := range []struct {
		name, body string
		want       error
	}{
		{"of a failed submission", callback, failure},
		{"of an unreadable callback", "{", sessionstep.ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got error
			h := newHandler(t, &inMemory{err: failure}, &sessionstep.Options{
				ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
					got = err
					http.Error(w, r.URL.Path, http.StatusTeapot)
				},
			})
			res, err := serve(h, test.body)
			if body := bodyOf(t, res); res.StatusCode != http.StatusTeapot || body != "/webhooks/ai-verification\n" {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
			if !errors.Is(got, test.want) || err != got {
				t.Errorf("ErrorHandler got %v, Serve returned %v, want %v", got, err, test.want)
			}
		})
	}
	t.Run("of no success", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, new(inMemory), &sessionstep.Options{
			ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) { t.Errorf("ErrorHandler got %v", err) },
		})
		if res, err := serve(h, callback); res.StatusCode != 200 || err != nil {
			t.Errorf("got %d, error %v", res.StatusCode, err)
		}
	})
}

// ServeHTTP has no caller that gets the error, so it logs failures of ours, and
// only those. This test replaces the default logger, so it is not parallel.
func TestHandler_Log(t *testing.T) {
	failure := errors.New("database is gone")
	quiet := &sessionstep.Options{
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { sessionstep.WriteError(w, err) },
	}
	request := func() *http.Request { return httptest.NewRequest("POST", "/", strings.NewReader(callback)) }
	serveHTTP := func(h *sessionstep.Handler) { h.ServeHTTP(httptest.NewRecorder(), request()) }
	tests := map[string]struct {
		err  error
		o    *sessionstep.Options
		call func(*sessionstep.Handler)
		want bool
	}{
		"of a failure of ours":       {failure, nil, serveHTTP, true},
		"of a success":               {nil, nil, serveHTTP, false},
		"of the sender's mistake":    {sessionstep.ErrSessionNotFound, nil, serveHTTP, false},
		"with an ErrorHandler":       {failure, quiet, serveHTTP, false},
		"under Serve, which returns": {failure, nil, func(h *sessionstep.Handler) { h.Serve(httptest.NewRecorder(), request()) }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			before := slog.Default()
			defer slog.SetDefault(before)
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))

			test.call(newHandler(t, &inMemory{err: test.err}, test.o))
			got := log.String()
			if logged := strings.Contains(got, `level=ERROR msg="sessionstep: callback failed" error="database is gone"`); logged != test.want {
				t.Errorf("logged: got %t, want %t: %s", logged, test.want, got)
			}
			if !test.want && got != "" || strings.Contains(got, "sess_1") {
				t.Errorf("log: %s", got)
			}
		})
	}
}
