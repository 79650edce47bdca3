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

// inMemory is a Submitter that answers with an error and keeps what it was given.
type inMemory struct {
	err error
	got []sessionstep.Submission
}

func (m *inMemory) Submit(_ context.Context, s sessionstep.Submission) error {
	m.got = append(m.got, s)
	return m.err
}

const callback = `{"eventId":"evt_1","sessionId":"sess_1","status":"verified","details":{"score":0.98}}`

func post(h http.Handler, body string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/webhooks/ai-verification", strings.NewReader(body)))
	return w.Result()
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestHandlerSubmitsAndAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		step, want string
	}{
		"the step that it was told": {"address", "address"},
		"the default step":          {"", "identity_verification"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := new(inMemory)
			res := post(&sessionstep.Handler{Submitter: sessions, Step: test.step}, callback)
			if got, want := bodyOf(t, res), `{"status":"success","eventId":"evt_1"}`; res.StatusCode != 200 || got != want {
				t.Errorf("got %d %s, want 200 %s", res.StatusCode, got, want)
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

func TestSubmittersErrorDecidesTheAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err    error
		status int
		code   string
	}{
		{sessionstep.ErrSessionNotFound, 404, "session_not_found"},
		{sessionstep.ErrSessionNotOpen, 404, "session_not_open"},
		{sessionstep.ErrStepNotFound, 404, "step_not_found"},
		{sessionstep.ErrStepNotInProgress, 404, "step_not_in_progress"},
		{sessionstep.ErrNotAcceptable, 422, "payload_not_acceptable"},
		{errors.New("connection to db-7 refused"), 500, "internal"},
		{context.DeadlineExceeded, 500, "internal"},
	}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			failure := fmt.Errorf("secret of the database: %w", test.err)
			var told error
			h := &sessionstep.Handler{
				Submitter: &inMemory{err: failure},
				OnError:   func(_ *http.Request, err error) { told = err },
			}
			checkProblem(t, post(h, callback), test.status, test.code)
			if told != failure {
				t.Errorf("OnError got %v, want %v", told, failure)
			}
		})
	}
}

// checkProblem checks the whole of the answer, so nothing internal is in it.
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

func TestUnreadableCallbackIsNotSubmitted(t *testing.T) {
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
				sessions := new(inMemory)
				var told error
				h := &sessionstep.Handler{
					Submitter: sessions,
					OnError:   func(_ *http.Request, err error) { told = err },
				}
				if test.status == 413 {
					h.MaxBody = int64(len(callback))
				}
				r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
				if length == "not announced" {
					r.ContentLength = -1
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				checkProblem(t, w.Result(), test.status, test.code)
				if len(sessions.got) != 0 || told == nil {
					t.Errorf("submitted %v; OnError got %v", sessions.got, told)
				}
			})
		}
	}
}

func TestBodyOfExactlyTheLimitIsRead(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int64{"own": 512, "default": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &sessionstep.Handler{Submitter: new(inMemory), MaxBody: limit}
			if limit == 0 {
				limit = sessionstep.DefaultMaxBody
			}
			body := callback + strings.Repeat(" ", int(limit)-len(callback))
			if got := post(h, body).StatusCode; got != 200 {
				t.Errorf("%d bytes: got %d, want 200", len(body), got)
			}
			if got := post(h, body+" ").StatusCode; got != 413 {
				t.Errorf("%d bytes: got %d, want 413", len(body)+1, got)
			}
		})
	}
}

func TestHandlerWithoutSubmitterAsksTheSenderToComeAgain(t *testing.T) {
	t.Parallel()
	checkProblem(t, post(new(sessionstep.Handler), callback), 500, "internal")
	checkProblem(t, post(new(sessionstep.Handler), `{`), 400, "malformed_callback")
}

func TestConnectionThatBreaksIsNoVerdict(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(callback), brokenReader{}))
	w := httptest.NewRecorder()
	(&sessionstep.Handler{Submitter: new(inMemory)}).ServeHTTP(w, r)
	checkProblem(t, w.Result(), 500, "internal")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDecodeOfOnesOwn(t *testing.T) {
	t.Parallel()
	valid := sessionstep.Submission{Session: "s", Step: "own", Key: "k", Status: sessionstep.Rejected}
	without := func(change func(*sessionstep.Submission)) sessionstep.Submission {
		s := valid
		change(&s)
		return s
	}
	tests := map[string]struct {
		s      sessionstep.Submission
		err    error
		status int
		code   string
	}{
		"says the payload is malformed":    {valid, fmt.Errorf("%w: not our XML", sessionstep.ErrMalformed), 400, "malformed_callback"},
		"says the payload is unacceptable": {valid, sessionstep.ErrNotAcceptable, 422, "payload_not_acceptable"},
		"fails for a reason of its own":    {valid, errors.New("lookup failed"), 500, "internal"},
		"forgets the session":              {without(func(s *sessionstep.Submission) { s.Session = "" }), nil, 400, "missing_field"},
		"forgets the key":                  {without(func(s *sessionstep.Submission) { s.Key = "" }), nil, 400, "missing_field"},
		"forgets the status":               {without(func(s *sessionstep.Submission) { s.Status = "" }), nil, 400, "missing_field"},
		"makes a status up":                {without(func(s *sessionstep.Submission) { s.Status = "ok" }), nil, 422, "unknown_status"},
		"names a step that cannot be one":  {without(func(s *sessionstep.Submission) { s.Step = "a\x00" }), nil, 400, "malformed_callback"},
		"makes details that are not JSON":  {without(func(s *sessionstep.Submission) { s.Details = []byte("{") }), nil, 422, "payload_not_acceptable"},
		"makes details that are no UTF-8":  {without(func(s *sessionstep.Submission) { s.Details = []byte("\"\xff\"") }), nil, 422, "payload_not_acceptable"},
		"makes details that are empty":     {without(func(s *sessionstep.Submission) { s.Details = []byte{} }), nil, 422, "payload_not_acceptable"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := new(inMemory)
			h := &sessionstep.Handler{Submitter: sessions, Decode: func(*http.Request, []byte) (sessionstep.Submission, error) {
				return test.s, test.err
			}}
			checkProblem(t, post(h, callback), test.status, test.code)
			if len(sessions.got) != 0 {
				t.Errorf("submitted %v", sessions.got)
			}
		})
	}
	t.Run("names its own step", func(t *testing.T) {
		t.Parallel()
		sessions := new(inMemory)
		h := &sessionstep.Handler{Submitter: sessions, Step: "other", Decode: func(*http.Request, []byte) (sessionstep.Submission, error) {
			return valid, nil
		}}
		if got := post(h, callback).StatusCode; got != 200 {
			t.Errorf("got %d, want 200", got)
		}
		if diff := cmp.Diff([]sessionstep.Submission{valid}, sessions.got); diff != "" {
			t.Errorf("submissions (-want +got):\n%s", diff)
		}
	})
}
