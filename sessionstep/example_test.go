package sessionstep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hookonce/hookonce/sessionstep"
)

// verdicts is a session service that knows one session.
type verdicts map[string]sessionstep.Outcome

func (v verdicts) Submit(_ context.Context, s sessionstep.Submission) error {
	if s.Session != "sess_1" {
		return fmt.Errorf("session %q: %w", s.Session, sessionstep.ErrSessionNotFound)
	}
	v[s.Step] = s.Status
	return nil
}

func callbackOf(session string) *http.Request {
	body := `{"eventId":"evt_1","sessionId":"` + session + `","status":"verified","details":{"score":0.98}}`
	return httptest.NewRequest("POST", "/webhooks/ai-verification", strings.NewReader(body))
}

// A Handler is an http.Handler. In production, put a verifier and an endpoint of
// package idempotency in front of it; the package comment shows how.
func ExampleHandler() {
	sessions := verdicts{}
	callback, err := sessionstep.NewHandler(sessions, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, session := range []string{"sess_1", "sess_2"} {
		w := httptest.NewRecorder()
		callback.ServeHTTP(w, callbackOf(session))
		fmt.Println(w.Code, w.Body)
	}
	fmt.Println(sessions)
	// Output:
	// 200 {"status":"success","eventId":"evt_1"}
	// 404 {"title":"Not Found","status":404,"code":"session_not_found"}
	// map[identity_verification:verified]
}

// A step's name that cannot be one is refused at start, not at the first callback.
func ExampleNewHandler() {
	_, err := sessionstep.NewHandler(verdicts{}, &sessionstep.Options{Step: "address\x00"})
	fmt.Println(err)
	// Output: sessionstep: NewHandler: Options.Step of 8 bytes cannot name a step: use 1 to 255 bytes of UTF-8 without NUL and U+FFFD, or leave it empty for "identity_verification"
}

// Serve writes the response and returns why it is not 200, so that its caller can
// roll back.
func ExampleHandler_Serve() {
	callback, err := sessionstep.NewHandler(verdicts{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	err = callback.Serve(w, callbackOf("sess_2"))
	fmt.Println(w.Code, w.Body)
	fmt.Println(err)
	// Output:
	// 404 {"title":"Not Found","status":404,"code":"session_not_found"}
	// session "sess_2": sessionstep: session not found
}

// Submit needs no request: it takes the body of a delivery, fresh or stored. Its
// errors carry their status, which package idempotency looks for.
func ExampleHandler_Submit() {
	callback, err := sessionstep.NewHandler(verdicts{}, &sessionstep.Options{Step: "address"})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := callback.Submit(context.Background(), []byte(`{"eventId":"evt_1","sessionId":"sess_1","status":"rejected"}`))
	fmt.Println(s.Key, s.Step, s.Status, err)

	_, err = callback.Submit(context.Background(), []byte(`{"eventId":"evt_1","sessionId":"sess_1","status":"passed"}`))
	var e interface{ HTTPStatus() int }
	fmt.Println(err, errors.As(err, &e), e.HTTPStatus())
	// Output:
	// evt_1 address rejected <nil>
	// sessionstep: unknown status true 422
}

// Options.Decode reads callbacks of another shape. What it needs of the request,
// here the session in the path, is passed in the context.
func ExampleOptions() {
	type pathSession struct{}
	decode := func(ctx context.Context, body []byte) (sessionstep.Submission, error) {
		var event struct {
			ID     string          `json:"id"`
			Passed *bool           `json:"passed"`
			Data   json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return sessionstep.Submission{}, fmt.Errorf("%w: not an event", sessionstep.ErrMalformed)
		}
		if event.Passed == nil {
			return sessionstep.Submission{}, sessionstep.ErrMissingField
		}
		status := sessionstep.Rejected
		if *event.Passed {
			status = sessionstep.Verified
		}
		session, _ := ctx.Value(pathSession{}).(string)
		return sessionstep.Submission{Session: session, Key: event.ID, Status: status, Details: event.Data}, nil
	}
	sessions := verdicts{}
	callback, err := sessionstep.NewHandler(sessions, &sessionstep.Options{Step: "address", Decode: decode})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sessions/{session}/address", func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), pathSession{}, r.PathValue("session"))
		callback.ServeHTTP(w, r.WithContext(ctx))
	})

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "/sessions/sess_1/address", strings.NewReader(`{"id":"7","passed":false}`)))
	fmt.Println(w.Code, w.Body, sessions)
	// Output: 200 {"status":"success","eventId":"7"} map[address:rejected]
}

// Those who decode and submit themselves answer with the same documents.
func ExampleWriteError() {
	w := httptest.NewRecorder()
	sessionstep.WriteError(w, fmt.Errorf("session 7: %w", sessionstep.ErrSessionNotOpen))
	fmt.Println(w.Code, w.Body)
	// Output: 404 {"title":"Not Found","status":404,"code":"session_not_open"}
}

func ExampleStatus() {
	fmt.Println(sessionstep.Status(nil))
	fmt.Println(sessionstep.Status(fmt.Errorf("session 7: %w", sessionstep.ErrSessionNotOpen)))
	fmt.Println(sessionstep.Status(errors.New("connection refused")))
	// Output:
	// 200
	// 404
	// 500
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
