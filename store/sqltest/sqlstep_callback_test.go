package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

type submitterFunc func(ctx context.Context, s sessionstep.Submission) error

func (f submitterFunc) Submit(ctx context.Context, s sessionstep.Submission) error { return f(ctx, s) }

// callBack sends a signed callback for the step identity_verification to the server
// whose submitter is given, and returns its status and its body.
func callBack(t *testing.T, f front, submitter sessionstep.Submitter, event, session, status string) string {
	t.Helper()
	callback, err := sessionstep.NewHandler(submitter, nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(preset.XSignature256(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"eventId":%q,"sessionId":%q,"status":%q}`, event, session, status)
	r, err := signer.NewRequest(t.Context(), "/webhooks", http.Header{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	f.callback(callback).ServeHTTP(w, r)
	return fmt.Sprint(w.Code, " ", w.Body)
}

// checkRecords checks how many events are recorded as processed.
func checkRecords(t *testing.T, on sessionDB, want int) {
	t.Helper()
	if got := count(t, on.db, sqlstore.DefaultTable); got != want {
		t.Errorf("%d records, want %d", got, want)
	}
}

// The record, the submission and the changes of step and session are one commit: a
// failure after the submission leaves none of them, and the next delivery makes them all.
func TestSqlstep_CallbackIsOneCommit(t *testing.T) {
	t.Parallel()
	const step = sessionstep.DefaultStep
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions, front := on.sessions(t), on.front(t, nil)
		create(t, sessions, "s", step)
		want, err := sessions.Session(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		failing := submitterFunc(func(ctx context.Context, s sessionstep.Submission) error {
			return errors.Join(sessions.Submit(ctx, s), errors.New("after the submission"))
		})
		got := callBack(t, front, failing, "evt_1", "s", "verified")
		if want := `500 {"title":"Internal Server Error","status":500,"code":"internal"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		checkRecords(t, on, 0)
		checkSession(t, sessions, want)

		got = callBack(t, front, sessions, "evt_1", "s", "verified")
		if want := `200 {"status":"success","eventId":"evt_1"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		want.State, want.Steps[0].State = sqlstep.SessionApproved, sqlstep.StepCompleted
		want.Steps[0].Submissions = []sqlstep.Submission{{Key: "evt_1", Status: sessionstep.Verified}}
		checkRecords(t, on, 1)
		checkSession(t, sessions, want)

		got = callBack(t, front, sessions, "evt_1", "s", "verified")
		if want := `409 {"type":"about:blank","title":"Conflict","status":409,"code":"duplicate"}`; got != want {
			t.Errorf("again: got %s, want %s", got, want)
		}
		checkRecords(t, on, 1)
		checkSession(t, sessions, want)
	})
}

// What the session does not take is answered as the sentinel says, and not recorded, so
// that a later delivery of the event can succeed.
func TestSqlstep_CallbackIsRefused(t *testing.T) {
	t.Parallel()
	const step = sessionstep.DefaultStep
	tests := map[string]struct{ session, status, want string }{
		"unknown session":       {"none", "verified", `404 {"title":"Not Found","status":404,"code":"session_not_found"}`},
		"session that is over":  {"over", "verified", `404 {"title":"Not Found","status":404,"code":"session_not_open"}`},
		"session without step":  {"other", "verified", `404 {"title":"Not Found","status":404,"code":"step_not_found"}`},
		"step not in progress":  {"failed", "verified", `404 {"title":"Not Found","status":404,"code":"step_not_in_progress"}`},
		"status of no meaning":  {"failed", "perhaps", `422 {"title":"Unprocessable Entity","status":422,"code":"unknown_status"}`},
		"session not mentioned": {"", "verified", `400 {"title":"Bad Request","status":400,"code":"missing_field"}`},
	}
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions, front := on.sessions(t), on.front(t, nil)
		create(t, sessions, "other", "another step")
		for id, v := range map[string]sqlstep.Session{
			"over":   {State: sqlstep.SessionCancelled, Steps: []sqlstep.Step{{Name: step, State: sqlstep.StepInProgress}}},
			"failed": {Steps: []sqlstep.Step{{Name: step, State: sqlstep.StepFailed}}},
		} {
			v.ID = id
			if err := sessions.Create(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		for name, test := range tests {
			if got := callBack(t, front, sessions, "evt_1", test.session, test.status); got != test.want {
				t.Errorf("%s: got %s, want %s", name, got, test.want)
			}
		}
		checkRecords(t, on, 0)
	})
}

// A serialization failure of a submission is retried from BEGIN, and the sender sees
// nothing of it.
func TestSqlstep_CallbackAfterConflict(t *testing.T) {
	t.Parallel()
	const step = sessionstep.DefaultStep
	eachSessions(t, func(t *testing.T, on sessionDB) {
		if on.dialect != sqlstore.PostgreSQL {
			return // another submission waits for the run's, or is no conflict
		}
		sessions := on.sessions(t)
		front := on.front(t, &sqlstore.Options{Isolation: sql.LevelRepeatableRead})
		create(t, sessions, "s", step)
		var got []error
		conflicting := submitterFunc(func(ctx context.Context, s sessionstep.Submission) error {
			if len(got) == 0 { // the run has its snapshot since its claim
				submit(t, sessions, submission("s", step, "evt_0", sessionstep.NeedsReview))
			}
			err := sessions.Submit(ctx, s)
			got = append(got, err)
			return err
		})
		answer := callBack(t, front, conflicting, "evt_1", "s", "verified")
		if want := `200 {"status":"success","eventId":"evt_1"}`; answer != want {
			t.Errorf("got %s, want %s", answer, want)
		}
		if len(got) != 2 || got[0] == nil || verdict(got[0]) || got[1] != nil {
			t.Errorf("the submissions returned %v, want a conflict, and then nil", got)
		}
		checkRecords(t, on, 1)
		checkSession(t, sessions, sqlstep.Session{ID: "s", State: sqlstep.SessionApproved, Steps: []sqlstep.Step{{
			Name: step, State: sqlstep.StepCompleted, Required: true,
			Submissions: []sqlstep.Submission{{Key: "evt_0", Status: "needs_review"}, {Key: "evt_1", Status: "verified"}},
		}}})
	})
}
