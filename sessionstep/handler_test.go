package sessionstep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
)

// inMemory is a Submitter that keeps what it is given and returns err.
type inMemory struct {
	err error
	got []sessionstep.Submission
}

func (m *inMemory) Submit(_ context.Context, s sessionstep.Submission) error {
	m.got = append(m.got, s)
	return m.err
}

const callback = `{"eventId":"evt_1","sessionId":"sess_1","status":"verified","details":{"score":0.98}}`

func newHandler(t *testing.T, s sessionstep.Submitter, o *sessionstep.Options) *sessionstep.Handler {
	t.Helper()
	h, err := sessionstep.NewHandler(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// serve posts body to h and returns the response and the error of Serve.
func serve(h *sessionstep.Handler, body string) (*http.Response, error) {
	w := httptest.NewRecorder()
	err := h.Serve(w, httptest.NewRequest("POST", "/webhooks/ai-verification", strings.NewReader(body)))
	return w.Result(), err
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// checkProblem checks the whole response, so that it shows nothing internal.
func checkProblem(t *testing.T, res *http.Response, status int, code string) {
	t.Helper()
	want := fmt.Sprintf(`{"title":%q,"status":%d,"code":%q}`, http.StatusText(status), status, code)
	if got := bodyOf(t, res); res.StatusCode != status || got != want {
		t.Errorf("got %d %s, want %d %s", res.StatusCode, got, status, want)
	}
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: got %q", got)
	}
}

func TestNewHandler_Refuses(t *testing.T) {
	t.Parallel()
	sessions := new(inMemory)
	tests := map[string]struct {
		s    sessionstep.Submitter
		o    *sessionstep.Options
		want string // the way out
	}{
		"a nil Submitter":           {nil, nil, "pass your session service"},
		"a step with NUL":           {sessions, &sessionstep.Options{Step: "a\x00"}, `leave it empty for "identity_verification"`},
		"a step of 256 bytes":       {sessions, &sessionstep.Options{Step: strings.Repeat("a", 256)}, "use 1 to 255 bytes"},
		"a step that is not UTF-8":  {sessions, &sessionstep.Options{Step: "\xff"}, "use 1 to 255 bytes of UTF-8"},
		"a negative limit of bytes": {sessions, &sessionstep.Options{MaxBody: -1}, "leave it 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := sessionstep.NewHandler(test.s, test.o)
			if h != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, error %v, want one with %q", h, err, test.want)
			}
		})
	}
}

func TestHandler_SubmitsAndAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		o    *sessionstep.Options
		want string
	}{
		"the named step":                   {&sessionstep.Options{Step: "address"}, "address"},
		"the default step":                 {new(sessionstep.Options), "identity_verification"},
		"the default step without Options": {nil, "identity_verification"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := new(inMemory)
			res, err := serve(newHandler(t, sessions, test.o), callback)
			if got, want := bodyOf(t, res), `{"status":"success","eventId":"evt_1"}`; res.StatusCode != 200 || got != want || err != nil {
				t.Errorf("got %d %s, error %v, want 200 %s", res.StatusCode, got, err, want)
			}
			if got := res.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type: got %q", got)
			}
			want := []sessionstep.Submission{{
				Session: "sess_1", Step: test.want, Key: "evt_1",
				Status: sessionstep.Verified, Details: json.RawMessage(`{"score":0.98}`),
			}}
			if diff := cmp.Diff(want, sessions.got); diff != "" {
				t.Errorf("submissions (-want +got):\n%s", diff)
			}
		})
	}
}

// The options are copied: changing them later has no effect.
func TestHandler_KeepsItsOptions(t *testing.T) {
	t.Parallel()
	sessions, o := new(inMemory), sessionstep.Options{Step: "address"}
	h := newHandler(t, sessions, &o)
	o.Step = "other"
	if _, err := serve(h, callback); err != nil || sessions.got[0].Step != "address" {
		t.Errorf("got %+v, error %v", sessions.got, err)
	}
}

// What cannot be read is answered with the payload's verdict and not submitted.
func TestHandler_UnreadableCallback(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body   string
		status int
		code   string
	}{
		"malformed":         {`{"eventId":`, 400, "malformed_callback"},
		"empty":             {``, 400, "malformed_callback"},
		"no eventId":        {`{"sessionId":"s","status":"verified"}`, 400, "missing_field"},
		"unknown status":    {`{"eventId":"e","sessionId":"s","status":"VERIFIED"}`, 422, "unknown_status"},
		"over the limit":    {callback + strings.Repeat(" ", 200), 413, "body_too_large"},
		"ID over the limit": {`{"eventId":"` + strings.Repeat("e", 256) + `","sessionId":"s","status":"verified"}`, 400, "malformed_callback"},
	}
	for name, test := range tests {
		for _, length := range []string{"announced", "not announced"} {
			t.Run(name+", length "+length, func(t *testing.T) {
				t.Parallel()
				sessions, o := new(inMemory), new(sessionstep.Options)
				if test.status == 413 {
					o.MaxBody = int64(len(callback))
				}
				r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
				if length == "not announced" {
					r.ContentLength = -1
				}
				w := httptest.NewRecorder()
				err := newHandler(t, sessions, o).Serve(w, r)
				checkProblem(t, w.Result(), test.status, test.code)
				if len(sessions.got) != 0 || sessionstep.Status(err) != test.status {
					t.Errorf("submitted %v; Serve returned %v", sessions.got, err)
				}
			})
		}
	}
}

func TestHandler_BodyOfExactlyTheLimit(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int64{"own": 512, "default": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, new(inMemory), &sessionstep.Options{MaxBody: limit})
			if limit == 0 {
				limit = sessionstep.DefaultMaxBody
			}
			body := callback + strings.Repeat(" ", int(limit)-len(callback))
			if got, _ := serve(h, body); got.StatusCode != 200 {
				t.Errorf("%d bytes: got %d, want 200", len(body), got.StatusCode)
			}
			if got, _ := serve(h, body+" "); got.StatusCode != 413 {
				t.Errorf("%d bytes: got %d, want 413", len(body)+1, got.StatusCode)
			}
		})
	}
}

// The zero Handler accepts nothing, and lets the sender retry what it could read.
func TestHandler_Zero(t *testing.T) {
	t.Parallel()
	res, _ := serve(new(sessionstep.Handler), callback)
	checkProblem(t, res, 500, "internal")
	res, _ = serve(new(sessionstep.Handler), `{`)
	checkProblem(t, res, 400, "malformed_callback")
}

// A connection that breaks says nothing about the payload.
func TestHandler_BrokenConnection(t *testing.T) {
	t.Parallel()
	sessions := new(inMemory)
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(callback), brokenReader{}))
	w := httptest.NewRecorder()
	err := newHandler(t, sessions, nil).Serve(w, r)
	checkProblem(t, w.Result(), 500, "internal")
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(sessions.got) != 0 {
		t.Errorf("Serve returned %v; submitted %v", err, sessions.got)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Submit is what Serve does, without HTTP.
func TestHandler_Submit(t *testing.T) {
	t.Parallel()
	sessions := &inMemory{err: sessionstep.ErrStepNotFound}
	h := newHandler(t, sessions, &sessionstep.Options{Step: "address", MaxBody: 1})
	want := sessionstep.Submission{
		Session: "sess_1", Step: "address", Key: "evt_1",
		Status: sessionstep.Verified, Details: json.RawMessage(`{"score":0.98}`),
	}
	got, err := h.Submit(t.Context(), []byte(callback))
	if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, sessionstep.ErrStepNotFound) {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]sessionstep.Submission{want}, sessions.got); diff != "" {
		t.Errorf("submissions (-want +got):\n%s", diff)
	}
	if _, err := h.Submit(t.Context(), []byte("{")); !errors.Is(err, sessionstep.ErrMalformed) || len(sessions.got) != 1 {
		t.Errorf("malformed: error %v, submissions %v", err, sessions.got)
	}
}
