package hooktest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
)

// An Answer is the response of an endpoint. The zero Answer is none.
type Answer struct {
	Status int
	Code   string // of the header Idempotency-Status
	Body   string // without space around it
	Header http.Header
}

// Want checks status and code.
func (a Answer) Want(t *testing.T, status int, code string) {
	t.Helper()
	if a.Status != status || a.Code != code {
		t.Errorf("responded %d %q %s, want %d %q", a.Status, a.Code, a.Body, status, code)
	}
}

// Get returns the response to a GET.
func Get(t *testing.T, url string) Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

// See checks what a GET of url shows.
func See(t *testing.T, url, want string) {
	t.Helper()
	if got := Get(t, url).Body; got != want {
		t.Errorf("%s shows %q, want %q", url, got, want)
	}
}

func do(t *testing.T, r *http.Request) Answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return Answer{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return Answer{
		Status: resp.StatusCode,
		Code:   resp.Header.Get(idempotency.StatusHeader),
		Body:   strings.TrimSpace(string(body)),
		Header: resp.Header,
	}
}
