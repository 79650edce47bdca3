package sqltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// create creates a session whose steps are required and in progress.
func create(t testing.TB, sessions sessionStore, id string, steps ...string) {
	t.Helper()
	v := sqlstep.Session{ID: id}
	for _, name := range steps {
		v.Steps = append(v.Steps, sqlstep.Step{Name: name, State: sqlstep.StepInProgress, Required: true})
	}
	if err := sessions.Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
}

func submission(session, step, key string, status sessionstep.Outcome) sessionstep.Submission {
	return sessionstep.Submission{Session: session, Step: step, Key: key, Status: status}
}

func submit(t testing.TB, sessions sessionStore, s sessionstep.Submission) {
	t.Helper()
	if err := sessions.Submit(t.Context(), s); err != nil {
		t.Fatalf("Submit(%+v): %v", s, err)
	}
}

// checkSession compares a session with want, except for the times.
func checkSession(t testing.TB, sessions sessionStore, want sqlstep.Session) {
	t.Helper()
	checkSessionIn(t.Context(), t, sessions, want)
}

func checkSessionIn(ctx context.Context, t testing.TB, sessions sessionStore, want sqlstep.Session) {
	t.Helper()
	got, err := sessions.Session(ctx, want.ID)
	if err != nil {
		t.Fatal(err)
	}
	ignored := cmpopts.IgnoreTypes(time.Time{})
	if diff := cmp.Diff(want, got, ignored, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("session %q (-want +got):\n%s", want.ID, diff)
	}
}

func TestSqlstep_SubmissionMovesItsStep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status  sessionstep.Outcome
		session sqlstep.SessionState
		step    sqlstep.StepState
		review  bool
	}{
		{sessionstep.Verified, sqlstep.SessionApproved, sqlstep.StepCompleted, false},
		{sessionstep.Rejected, sqlstep.SessionPending, sqlstep.StepFailed, false},
		{sessionstep.NeedsReview, sqlstep.SessionPending, sqlstep.StepInProgress, true},
	}
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for _, test := range tests {
			t.Run(string(test.status), func(t *testing.T) {
				id := string(test.status)
				create(t, sessions, id, "identity")
				sub := submission(id, "identity", "evt_1", test.status)
				sub.Details = json.RawMessage(`{ "score": 0.98, "note": "a\u0000b\ud800", "é": [1,2] }`)
				submit(t, sessions, sub)
				checkSession(t, sessions, sqlstep.Session{ID: id, State: test.session, Steps: []sqlstep.Step{{
					Name: "identity", State: test.step, Required: true, NeedsReview: test.review,
					Submissions: []sqlstep.Submission{{Key: "evt_1", Status: test.status, Details: sub.Details}},
				}}})
			})
		}
	})
}

// A verdict ends the step's need for a review.
func TestSqlstep_VerdictEndsReview(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		create(t, sessions, "s", "identity")
		submit(t, sessions, submission("s", "identity", "1", sessionstep.NeedsReview))
		submit(t, sessions, submission("s", "identity", "2", sessionstep.Verified))
		checkSession(t, sessions, sqlstep.Session{ID: "s", State: sqlstep.SessionApproved, Steps: []sqlstep.Step{{
			Name: "identity", State: sqlstep.StepCompleted, Required: true,
			Submissions: []sqlstep.Submission{{Key: "1", Status: "needs_review"}, {Key: "2", Status: "verified"}},
		}}})
	})
}

func TestSqlstep_LastRequiredStepApproves(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		err := sessions.Create(t.Context(), sqlstep.Session{ID: "s", Steps: []sqlstep.Step{
			{Name: "b", State: sqlstep.StepInProgress, Required: true},
			{Name: "a", State: sqlstep.StepInProgress, Required: true},
			{Name: "optional", State: sqlstep.StepInProgress},
			{Name: "never begun"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			step string
			want sqlstep.SessionState
		}{
			{"b", sqlstep.SessionPending},
			{"optional", sqlstep.SessionPending},
			{"a", sqlstep.SessionApproved},
		} {
			submit(t, sessions, submission("s", test.step, "evt", sessionstep.Verified))
			v, err := sessions.Session(t.Context(), "s")
			if err != nil || v.State != test.want {
				t.Errorf("after step %q the session is %q, want %q; error %v", test.step, v.State, test.want, err)
			}
		}
	})
}

// A session without required steps stays pending.
func TestSqlstep_NoRequiredSteps(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		v := sqlstep.Session{ID: "s", Steps: []sqlstep.Step{{Name: "optional", State: sqlstep.StepInProgress}}}
		if err := sessions.Create(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		submit(t, sessions, submission("s", "optional", "1", sessionstep.Verified))
		v, err := sessions.Session(t.Context(), "s")
		if err != nil || v.State != sqlstep.SessionPending {
			t.Errorf("got %q, error %v, want pending", v.State, err)
		}
	})
}

// A submission with a key that was accepted changes nothing.
func TestSqlstep_RepeatedSubmission(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		create(t, sessions, "s", "identity", "address")
		submit(t, sessions, submission("s", "identity", "1", sessionstep.NeedsReview))
		before, err := sessions.Session(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		again := func(t *testing.T) {
			t.Helper()
			before, err := sessions.Session(t.Context(), "s")
			if err != nil {
				t.Fatal(err)
			}
			submit(t, sessions, submission("s", "identity", "1", sessionstep.Verified))
			after, err := sessions.Session(t.Context(), "s")
			if diff := cmp.Diff(before, after); diff != "" || err != nil {
				t.Errorf("error %v (-before +after):\n%s", err, diff)
			}
		}
		t.Run("while the step is in progress", again)
		submit(t, sessions, submission("s", "identity", "2", sessionstep.Verified))
		t.Run("when the step has moved on", again)
		submit(t, sessions, submission("s", "address", "1", sessionstep.Verified))
		t.Run("when the session has moved on", again)

		after, err := sessions.Session(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		if after.State != sqlstep.SessionApproved || len(after.Steps[1].Submissions) != 1 {
			t.Errorf("the same key did not count for another step: %+v", after)
		}
		if !after.CreatedAt.Equal(before.CreatedAt) || time.Since(after.UpdatedAt).Abs() > time.Hour {
			t.Errorf("created %v, then %v; updated %v", before.CreatedAt, after.CreatedAt, after.UpdatedAt)
		}
	})
}

// IDs, names and keys are compared byte for byte.
func TestSqlstep_IDsAreBytes(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "A", "a ", " a", "\u00e9", "e\u0301", "ß", "ss", "1", "01", "1.0", strings.Repeat("€", 85)}
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		var steps []sqlstep.Step
		for _, id := range ids {
			steps = append(steps, sqlstep.Step{Name: id, State: sqlstep.StepInProgress})
		}
		for _, id := range ids {
			if err := sessions.Create(t.Context(), sqlstep.Session{ID: id, Steps: steps}); err != nil {
				t.Fatalf("session %q: %v", id, err)
			}
		}
		want := sqlstep.Session{ID: "a", State: sqlstep.SessionPending, Steps: steps}
		want.Steps[1].NeedsReview = true
		for _, id := range ids {
			submit(t, sessions, submission("a", "A", id, sessionstep.NeedsReview))
			want.Steps[1].Submissions = append(want.Steps[1].Submissions, sqlstep.Submission{Key: id, Status: "needs_review"})
		}
		checkSession(t, sessions, want)
	})
}

func TestSqlstep_Create(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		create(t, sessions, "s", "identity")
		submit(t, sessions, submission("s", "identity", "1", sessionstep.Verified))
		want, err := sessions.Session(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		t.Run("with an ID that is taken leaves the session unchanged", func(t *testing.T) {
			v := sqlstep.Session{ID: "s", Steps: []sqlstep.Step{{Name: "other"}}}
			if err := sessions.Create(t.Context(), v); !errors.Is(err, sqlstep.ErrSessionExists) {
				t.Errorf("got %v, want ErrSessionExists", err)
			}
			checkSession(t, sessions, want)
		})
		t.Run("of the tables twice changes nothing", func(t *testing.T) {
			if err := sessions.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkSession(t, sessions, want)
		})
		t.Run("of an invalid session is refused", func(t *testing.T) {
			step := []sqlstep.Step{{Name: "identity"}}
			for name, v := range map[string]sqlstep.Session{
				"no ID":         {Steps: step},
				"NUL in ID":     {ID: "a\x00", Steps: step},
				"no steps":      {ID: "x"},
				"unknown state": {ID: "x", State: "open", Steps: step},
				"unnamed step":  {ID: "x", Steps: []sqlstep.Step{{}}},
				"step's state":  {ID: "x", Steps: []sqlstep.Step{{Name: "identity", State: "done"}}},
				"twice a step":  {ID: "x", Steps: append(step, step...)},
			} {
				if err := sessions.Create(t.Context(), v); !errors.Is(err, sqlstep.ErrInvalidSession) {
					t.Errorf("%s: got %v, want ErrInvalidSession", name, err)
				}
			}
			if _, err := sessions.Session(t.Context(), "x"); !errors.Is(err, sessionstep.ErrSessionNotFound) {
				t.Errorf("got %v, want ErrSessionNotFound", err)
			}
		})
	})
}

// Options.Prefix names the tables, in a schema if it has one.
func TestSqlstep_Prefix(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		schema := map[sqlstore.Dialect]string{sqlstore.SQLite: "main", sqlstore.PostgreSQL: "pg_temp", sqlstore.MySQL: ""}[on.dialect]
		if on.dialect == sqlstore.PostgreSQL {
			on = on.limit(t, 1) // pg_temp belongs to a connection
		}
		for _, prefix := range []string{"kyc_", schema + ".kyc2_"} {
			sessions := on.store(t, &sqlstep.Options{Prefix: strings.TrimPrefix(prefix, ".")})
			if err := sessions.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			create(t, sessions, "s", "identity")
			submit(t, sessions, submission("s", "identity", "1", sessionstep.Verified))
			var n int
			if err := on.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+strings.TrimPrefix(prefix, ".")+"submissions").Scan(&n); err != nil || n != 1 {
				t.Errorf("%s: got %d submissions, error %v, want 1", prefix, n, err)
			}
		}
	})
}
