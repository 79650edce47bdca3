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

	"github.com/hookonce/hookonce/sessionstep"
)

// verdicts is a session service that knows one session.
type verdicts map[string]sessionstep.Status

func (v verdicts) Submit(_ context.Context, s sessionstep.Submission) error {
	if s.Session != "sess_1" {
		return fmt.Errorf("session %q: %w", s.Session, sessionstep.ErrSessionNotFound)
	}
	v[s.Step] = s.Status
	return nil
}

// In production the verifier and the idempotency middleware stand in front; see
// the package comment.
func ExampleHandler() {
	sessions := verdicts{}
	callback := &sessionstep.Handler{
		Submitter: sessions,
		Step:      "identity_verification",
		OnError:   func(_ *http.Request, err error) { fmt.Println("log:", err) },
	}
	server := httptest.NewServer(callback)
	defer server.Close()

	for _, session := range []string{"sess_1", "sess_2"} {
		body := strings.NewReader(`{"eventId":"evt_1","sessionId":"` + session + `","status":"verified","details":{"score":0.98}}`)
		res, err := http.Post(server.URL, "application/json", body)
		if err != nil {
			fmt.Println(err)
			return
		}
		answer, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(res.StatusCode, string(answer))
	}
	fmt.Println(sessions)
	// Output:
	// 200 {"status":"success","eventId":"evt_1"}
	// log: session "sess_2": sessionstep: session not found
	// 404 {"title":"Not Found","status":404,"code":"session_not_found"}
	// map[identity_verification:verified]
}

// A sender whose callbacks look otherwise gets a decode function.
func ExampleHandler_decode() {
	decode := func(r *http.Request, body []byte) (sessionstep.Submission, error) {
		var event struct {
			ID     string          `json:"id"`
			Passed *bool           `json:"passed"`
			Data   json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return sessionstep.Submission{}, fmt.Errorf("%w: %w", sessionstep.ErrMalformed, err)
		}
		if event.Passed == nil {
			return sessionstep.Submission{}, sessionstep.ErrMissingField
		}
		status := sessionstep.Rejected
		if *event.Passed {
			status = sessionstep.Verified
		}
		return sessionstep.Submission{
			Session: r.PathValue("session"),
			Key:     event.ID,
			Status:  status,
			Details: event.Data,
		}, nil
	}
	sessions := verdicts{}
	mux := http.NewServeMux()
	mux.Handle("POST /sessions/{session}/address", &sessionstep.Handler{
		Submitter: sessions, Step: "address", Decode: decode,
	})

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "/sessions/sess_1/address", strings.NewReader(`{"id":"7","passed":false}`)))
	fmt.Println(w.Code, w.Body, sessions)
	// Output: 200 {"status":"success","eventId":"7"} map[address:rejected]
}

func ExampleDecodeCallback() {
	s, err := sessionstep.DecodeCallback([]byte(`{"eventId":"evt_1","sessionId":"sess_1","status":"needs_review"}`))
	fmt.Println(s.Key, s.Session, s.Status, err)

	_, err = sessionstep.DecodeCallback([]byte(`{"eventId":"evt_1","EVENTID":"evt_2","eventId":"evt_3"}`))
	fmt.Println(err)
	// Output:
	// evt_1 sess_1 needs_review <nil>
	// sessionstep: malformed callback: eventId occurs twice
}

func ExampleSubmission_Validate() {
	err := sessionstep.Submission{Session: "sess_1", Step: "address", Key: "7", Status: "passed"}.Validate()
	fmt.Println(err, errors.Is(err, sessionstep.ErrUnknownStatus))
	// Output: sessionstep: unknown status true
}

func ExampleValidID() {
	fmt.Println(sessionstep.ValidID("sess_1"), sessionstep.ValidID(""), sessionstep.ValidID("a\x00b"))
	// Output: true false false
}
