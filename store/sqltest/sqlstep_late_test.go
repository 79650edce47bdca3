package sqltest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
)

// changes is an observer that keeps what it is called for.
type changes struct {
	mu  sync.Mutex
	all map[string][]sqlstep.Change // by session
}

func (c *changes) observe(_ context.Context, session string, change sqlstep.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[string][]sqlstep.Change)
	}
	c.all[session] = append(c.all[session], change)
}

func (c *changes) of(session string) []sqlstep.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[session]
}

// historyOf returns the session's, without the times, and checks those.
func historyOf(t testing.TB, sessions sessionStore, session string) []sqlstep.Change {
	t.Helper()
	all, err := sessions.History(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].Seq != int64(i)+1 || time.Since(all[i].At).Abs() > time.Hour {
			t.Errorf("change %d is number %d, of %v", i, all[i].Seq, all[i].At)
		}
		all[i].At, all[i].Seq = time.Time{}, 0
	}
	return all
}

// checkHistory compares the session's history, without numbers and times.
func checkHistory(t testing.TB, sessions sessionStore, session string, want ...sqlstep.Change) {
	t.Helper()
	if diff := cmp.Diff(want, historyOf(t, sessions, session), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("history of %q (-want +got):\n%s", session, diff)
	}
}

// byRule takes the rule for late submissions from the beginning of the session's ID.
func byRule(_ sqlstep.SessionState, _ sqlstep.Step, s sessionstep.Submission) sqlstep.Late {
	rule, _, _ := strings.Cut(s.Session, ":")
	return sqlstep.Late(rule)
}

// What becomes of a submission to a step that has ended, or to a session that is not
// pending, by each rule.
func TestSqlstep_Late(t *testing.T) {
	t.Parallel()
	const (
		pending, approved, rejected, cancelled = sqlstep.SessionPending, sqlstep.SessionApproved, sqlstep.SessionRejected, sqlstep.SessionCancelled
		notBegun, inProgress, completed        = sqlstep.StepPending, sqlstep.StepInProgress, sqlstep.StepCompleted
		failed, expired                        = sqlstep.StepFailed, sqlstep.StepExpired
		own                                    = sqlstep.StepState("skipped") // by the application
		verified, no, unsure                   = sessionstep.Verified, sessionstep.Rejected, sessionstep.NeedsReview
		refuse, record, review, reopen         = sqlstep.LateRefuse, sqlstep.LateRecord, sqlstep.LateReview, sqlstep.LateReopen
	)
	tests := []struct {
		rule    sqlstep.Late
		session sqlstep.SessionState
		step    sqlstep.StepState
		status  sessionstep.Outcome

		wantSession sqlstep.SessionState
		wantStep    sqlstep.StepState
		wantReview  bool
		want        error
	}{
		{refuse, approved, completed, no, approved, completed, false, sessionstep.ErrSessionNotOpen},
		{refuse, pending, completed, no, pending, completed, false, sessionstep.ErrStepNotInProgress},
		{refuse, pending, failed, verified, pending, failed, false, sessionstep.ErrStepNotInProgress},
		{refuse, pending, expired, verified, pending, expired, false, sessionstep.ErrStepNotInProgress},
		{refuse, cancelled, inProgress, verified, cancelled, inProgress, false, sessionstep.ErrSessionNotOpen},

		{record, approved, completed, no, approved, completed, false, nil},
		{record, approved, completed, unsure, approved, completed, false, nil},
		{record, pending, failed, verified, pending, failed, false, nil},
		{record, cancelled, inProgress, verified, cancelled, inProgress, false, nil},
		{record, cancelled, notBegun, verified, cancelled, notBegun, false, nil},
		{record, pending, notBegun, verified, pending, notBegun, false, sessionstep.ErrStepNotInProgress}, // early, not late
		{record, pending, own, verified, pending, own, false, sessionstep.ErrStepNotInProgress},

		{review, approved, completed, no, approved, completed, true, nil},
		{review, approved, completed, unsure, approved, completed, true, nil},
		{review, approved, completed, verified, approved, completed, false, nil},
		{review, approved, inProgress, verified, approved, inProgress, true, nil},
		{review, approved, own, no, approved, own, false, nil},
		{review, pending, failed, verified, pending, failed, true, nil},
		{review, pending, failed, no, pending, failed, false, nil},
		{review, pending, expired, verified, pending, expired, true, nil},
		{review, cancelled, completed, no, cancelled, completed, false, nil},

		{reopen, approved, completed, no, pending, failed, false, nil},
		{reopen, approved, completed, unsure, pending, inProgress, true, nil},
		{reopen, approved, completed, verified, approved, completed, false, nil},
		{reopen, pending, completed, no, pending, failed, false, nil},
		{reopen, pending, failed, verified, approved, completed, false, nil},
		{reopen, pending, expired, verified, approved, completed, false, nil},
		{reopen, approved, notBegun, verified, approved, notBegun, false, nil},
		{reopen, rejected, failed, verified, rejected, failed, false, nil},
		{reopen, cancelled, inProgress, verified, cancelled, inProgress, false, nil},
		{reopen, "on hold", failed, verified, "on hold", failed, false, nil},
	}
	eachSessions(t, func(t *testing.T, on sessionDB) {
		var observed changes
		sessions := on.sessionsWith(t, &sqlstep.Options{Late: byRule, Observe: observed.observe})
		strict := on.store(t, nil)
		for _, test := range tests {
			id := fmt.Sprintf("%s:%s, %s, %s", test.rule, test.session, test.step, test.status)
			create(t, sessions, id, "identity", "address")
			mustExec(t, on.db, "UPDATE step_steps SET state = 'completed' WHERE name = 'address' AND session_id = '"+id+"'")
			mustExec(t, on.db, fmt.Sprintf("UPDATE step_steps SET state = '%s' WHERE name = 'identity' AND session_id = '%s'", test.step, id))
			mustExec(t, on.db, fmt.Sprintf("UPDATE step_sessions SET state = '%s' WHERE id = '%s'", test.session, id))
			want := sqlstep.Session{ID: id, State: test.wantSession, Steps: []sqlstep.Step{
				{Name: "identity", State: test.wantStep, NeedsReview: test.wantReview, Required: true},
				{Name: "address", State: completed, Required: true},
			}}
			if err := sessions.Submit(t.Context(), submission(id, "identity", "evt", test.status)); !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", id, err, test.want)
			}
			if test.want != nil {
				checkSession(t, sessions, want)
				checkHistory(t, sessions, id)
				continue
			}
			want.Steps[0].Submissions = []sqlstep.Submission{{Key: "evt", Status: test.status}}
			wantHistory := []sqlstep.Change{{
				Step: "identity", From: string(test.step), To: string(test.wantStep), NeedsReview: test.wantReview, Cause: sqlstep.CauseLate, By: "evt",
			}}
			if test.wantSession != test.session {
				wantHistory = append(wantHistory, sqlstep.Change{From: string(test.session), To: string(test.wantSession), Cause: sqlstep.CauseLate, By: "evt"})
			}
			// A retry changes nothing, whatever the rule is by then.
			for _, again := range []sessionStore{sessions, strict} {
				checkSession(t, sessions, want)
				checkHistory(t, sessions, id, wantHistory...)
				submit(t, again, submission(id, "identity", "evt", sessionstep.Rejected))
			}
			if diff := cmp.Diff(wantHistory, observed.of(id), cmpopts.IgnoreFields(sqlstep.Change{}, "Seq")); diff != "" {
				t.Errorf("%s: observed (-want +got):\n%s", id, diff)
			}
		}
		t.Run("a review of a completed step is decided by Reopen and Submit", func(t *testing.T) {
			create(t, sessions, "review:", "identity")
			submit(t, sessions, submission("review:", "identity", "1", sessionstep.Verified))
			submit(t, sessions, submission("review:", "identity", "2", sessionstep.Rejected))
			if err := sessions.Reopen(t.Context(), "review:", "identity", "ann"); err != nil {
				t.Fatal(err)
			}
			check := func(state sqlstep.StepState, review bool) {
				t.Helper()
				v, err := sessions.Session(t.Context(), "review:")
				if err != nil || v.Steps[0].State != state || v.Steps[0].NeedsReview != review {
					t.Errorf("got %+v, error %v, want %s, for review %t", v, err, state, review)
				}
			}
			check(inProgress, true)
			submit(t, sessions, submission("review:", "identity", "ann 1", sessionstep.Verified))
			check(completed, false)
		})
		t.Run("an unknown rule is an error", func(t *testing.T) {
			create(t, sessions, "later:", "identity")
			submit(t, sessions, submission("later:", "identity", "1", sessionstep.Verified))
			err := sessions.Submit(t.Context(), submission("later:", "identity", "2", sessionstep.Rejected))
			if err == nil || verdict(err) || !strings.Contains(err.Error(), `Options.Late returned "later"`) {
				t.Errorf("got %v", err)
			}
		})
	})
}

// An optional step that is reopened in an approved session holds the session back until
// it has ended, however it ends.
func TestSqlstep_ReopenOptional(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessionsWith(t, &sqlstep.Options{Late: byRule})
		for _, id := range []string{"reopen:", ":by hand", "record:"} {
			v := sqlstep.Session{ID: id, Steps: []sqlstep.Step{
				{Name: "optional", State: sqlstep.StepCompleted},
				{Name: "identity", State: sqlstep.StepInProgress, Required: true},
			}}
			if err := sessions.Create(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			submit(t, sessions, submission(id, "identity", "1", sessionstep.Verified))
			if id != "reopen:" {
				if err := sessions.Reopen(t.Context(), id, "optional", "ann"); err != nil {
					t.Fatal(err)
				}
			}
			if id == "record:" { // which moves nothing, and so does not approve
				submit(t, sessions, submission(id, "identity", "late", sessionstep.Verified))
				checkStates(t, sessions, id, "pending: in_progress completed")
			}
			for i, test := range []struct {
				status sessionstep.Outcome
				want   sqlstep.SessionState
			}{{sessionstep.NeedsReview, sqlstep.SessionPending}, {sessionstep.Rejected, sqlstep.SessionApproved}} {
				submit(t, sessions, submission(id, "optional", fmt.Sprint(i), test.status))
				got, err := sessions.Session(t.Context(), id)
				if err != nil || got.State != test.want {
					t.Errorf("%s: after %s the session is %s, error %v, want %s", id, test.status, got.State, err, test.want)
				}
			}
		}
	})
}
