package hooktest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
)

// Response is what a handler responded.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

func responseOf(r *http.Response) Response {
	body, _ := io.ReadAll(r.Body) // a recorder's
	return Response{Status: r.StatusCode, Header: r.Header, Body: string(body)}
}

// Kind returns what the endpoint says of the delivery, such as "duplicate" or
// "in_flight": the header [idempotency.StatusHeader]. It is empty if the event was
// processed.
func (r Response) Kind() string { return r.Header.Get(idempotency.StatusHeader) }

// Want checks the status and the kind.
func (r Response) Want(tb testing.TB, status int, kind string) {
	tb.Helper()
	if r.Status != status || r.Kind() != kind {
		tb.Errorf("responded %d %q %s, want %d %q", r.Status, r.Kind(), strings.TrimSpace(r.Body), status, kind)
	}
}

// WantOnce checks the responses to copies of an event: one says that it was processed,
// the others that they are duplicates, or that the sender shall retry. Whether there is
// one effect, only your database can say.
func WantOnce(tb testing.TB, responses []Response) {
	tb.Helper()
	processed := 0
	for _, r := range responses {
		switch kind := r.Kind(); {
		case kind == "" && r.Status/100 == 2:
			processed++
		case kind == "duplicate" || r.Status == http.StatusServiceUnavailable:
		default:
			tb.Errorf("responded %d %q to a copy, want a duplicate or 503", r.Status, kind)
		}
	}
	if processed != 1 {
		tb.Errorf("%d of %d copies were processed, want 1", processed, len(responses))
	}
}
