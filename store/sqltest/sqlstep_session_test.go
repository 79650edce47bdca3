package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// states returns the states of a session's steps, in their order.
func states(t testing.TB, sessions sessionStore, id string) string {
	t.Helper()
	v, err := sessions.Session(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{string(v.State) + ":"}
	for _, step := range v.Steps {
		all = append(all, string(step.State))
	}
	return strings.Join(all, " ")
}

func checkStates(t testing.TB, sessions sessionStore, id, want string) {
	t.Helper()
	if got := states(t, sessions, id); got != want {
		t.Errorf("session %q is %q, want %q", id, got, want)
	}
}

// Steps of one stage are in parallel. Those of the next begin when the required ones
// before them are completed, and the history tells by which event.
func TestSqlstep_Stages(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		v := sqlstep.Session{ID: "s", Steps: []sqlstep.Step{
			{Name: "income", Stage: 2, Required: true},
			{Name: "document", State: sqlstep.StepInProgress, Required: true},
			{Name: "selfie", State: sqlstep.StepInProgress, Required: true},
			{Name: "phone", State: sqlstep.StepInProgress},
			{Name: "later"},
			{Name: "address", Stage: 1, Required: true},
			{Name: "newsletter", Stage: 1},
		}}
		if err := sessions.Create(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct{ step, want string }{
			{"document", "pending: pending completed in_progress in_progress pending pending pending"},
			{"selfie", "pending: pending completed completed in_progress pending in_progress in_progress"},
			{"address", "pending: in_progress completed completed in_progress pending completed in_progress"},
			{"income", "approved: completed completed completed in_progress pending completed in_progress"},
		} {
			submit(t, sessions, submission("s", test.step, "evt_"+test.step, sessionstep.Verified))
			checkStates(t, sessions, "s", test.want)
		}
		submitted := func(step string) sqlstep.Change {
			return sqlstep.Change{Step: step, From: "in_progress", To: "completed", Cause: sqlstep.CauseSubmission, By: "evt_" + step}
		}
		turn := func(step, by string) sqlstep.Change {
			return sqlstep.Change{Step: step, From: "pending", To: "in_progress", Cause: sqlstep.CauseTurn, By: "evt_" + by}
		}
		checkHistory(t, sessions, "s",
			submitted("document"),
			submitted("selfie"), turn("address", "selfie"), turn("newsletter", "selfie"),
			submitted("address"), turn("income", "address"),
			submitted("income"), sqlstep.Change{From: "pending", To: "approved", Cause: sqlstep.CauseSubmission, By: "evt_income"},
		)
		t.Run("whose turn has come are begun by Create", func(t *testing.T) {
			v := sqlstep.Session{ID: "turn", Steps: []sqlstep.Step{
				{Name: "optional", State: sqlstep.StepInProgress},
				{Name: "done", State: sqlstep.StepCompleted, Required: true},
				{Name: "next", Stage: 1, Required: true},
				{Name: "after", Stage: 2},
			}}
			if err := sessions.Create(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			checkStates(t, sessions, "turn", "pending: in_progress completed in_progress pending")
		})
		t.Run("do not begin after a failure", func(t *testing.T) {
			v := sqlstep.Session{ID: "failed", Steps: []sqlstep.Step{{Name: "a", State: sqlstep.StepInProgress, Required: true}, {Name: "b", Stage: 1}}}
			if err := sessions.Create(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			submit(t, sessions, submission("failed", "a", "1", sessionstep.Rejected))
			checkStates(t, sessions, "failed", "pending: failed pending")
		})
		t.Run("below 0 are refused", func(t *testing.T) {
			v := sqlstep.Session{ID: "below", Steps: []sqlstep.Step{{Name: "a", Stage: -1}}}
			if err := sessions.Create(t.Context(), v); !errors.Is(err, sqlstep.ErrInvalidSession) {
				t.Errorf("got %v, want ErrInvalidSession", err)
			}
		})
	})
}

// A decision is a call of the application.
type decision struct {
	name string
	make func(ctx context.Context, sessions sessionStore, id, by string) error
}

var (
	begins    = decision{"Begin", func(ctx context.Context, s sessionStore, id, by string) error { return s.Begin(ctx, id, "a", by) }}
	reopens   = decision{"Reopen", func(ctx context.Context, s sessionStore, id, by string) error { return s.Reopen(ctx, id, "a", by) }}
	postpones = decision{"SetDeadline", func(ctx context.Context, s sessionStore, id, by string) error {
		return s.SetDeadline(ctx, id, "a", time.Date(2100, 1, 2, 3, 4, 5, 6_999_999, time.FixedZone("", 3600)), by)
	}}
	cancels = decision{"Cancel", func(ctx context.Context, s sessionStore, id, by string) error { return s.Cancel(ctx, id, by) }}
	rejects = decision{"Reject", func(ctx context.Context, s sessionStore, id, by string) error { return s.Reject(ctx, id, by) }}
)

// What each decision makes of each state: of the session, of the step a, and of the
// required step z of the stage below that of a.
func TestSqlstep_Decisions(t *testing.T) {
	t.Parallel()
	notOpen, wrong := sessionstep.ErrSessionNotOpen, sqlstep.ErrWrongState
	tests := []struct {
		decision   decision
		from, to   string
		want       error
		wantChange []sqlstep.Change // without its cause and by
	}{
		{begins, "pending: completed pending", "pending: completed in_progress", nil, []sqlstep.Change{{Step: "a", From: "pending", To: "in_progress"}}},
		{begins, "pending: completed in_progress", "", nil, nil},
		{begins, "pending: in_progress pending", "", wrong, nil},
		{begins, "pending: completed completed", "", wrong, nil},
		{begins, "pending: completed expired", "", wrong, nil},
		{begins, "cancelled: completed pending", "", notOpen, nil},

		{reopens, "pending: completed completed", "pending: completed in_progress", nil, []sqlstep.Change{{Step: "a", From: "completed", To: "in_progress"}}},
		{reopens, "pending: completed failed", "pending: completed in_progress", nil, []sqlstep.Change{{Step: "a", From: "failed", To: "in_progress"}}},
		{reopens, "pending: failed expired", "pending: failed in_progress", nil, []sqlstep.Change{{Step: "a", From: "expired", To: "in_progress"}}},
		{reopens, "approved: completed completed", "pending: completed in_progress", nil, []sqlstep.Change{{Step: "a", From: "completed", To: "in_progress"}, {From: "approved", To: "pending"}}},
		{reopens, "rejected: completed failed", "pending: completed in_progress", nil, []sqlstep.Change{{Step: "a", From: "failed", To: "in_progress"}, {From: "rejected", To: "pending"}}},
		{reopens, "approved: completed in_progress", "pending: completed in_progress", nil, []sqlstep.Change{{Step: "a", From: "in_progress", To: "in_progress"}, {From: "approved", To: "pending"}}},
		{reopens, "pending: completed in_progress", "", nil, nil},
		{reopens, "pending: in_progress pending", "", wrong, nil},
		{reopens, "pending: completed skipped", "", wrong, nil},
		{reopens, "cancelled: completed failed", "", notOpen, nil},

		{postpones, "pending: completed in_progress", "pending: completed in_progress", nil, []sqlstep.Change{{Step: "a", From: "in_progress", To: "in_progress"}}},
		{postpones, "pending: in_progress pending", "pending: in_progress pending", nil, []sqlstep.Change{{Step: "a", From: "pending", To: "pending"}}},
		{postpones, "pending: completed failed", "", wrong, nil},
		{postpones, "approved: completed in_progress", "", notOpen, nil},

		{cancels, "pending: in_progress pending", "cancelled: in_progress pending", nil, []sqlstep.Change{{From: "pending", To: "cancelled"}}},
		{cancels, "cancelled: in_progress pending", "", nil, nil},
		{cancels, "approved: completed completed", "", notOpen, nil},
		{cancels, "rejected: completed completed", "", notOpen, nil},

		{rejects, "pending: completed failed", "rejected: completed failed", nil, []sqlstep.Change{{From: "pending", To: "rejected"}}},
		{rejects, "rejected: completed failed", "", nil, nil},
		{rejects, "cancelled: completed failed", "", notOpen, nil},
	}
	causes := map[string]sqlstep.Cause{
		"Begin": sqlstep.CauseBegin, "Reopen": sqlstep.CauseReopen, "SetDeadline": sqlstep.CauseDeadline, "Cancel": sqlstep.CauseCancel, "Reject": sqlstep.CauseReject,
	}
	for _, test := range tests {
		for i := range test.wantChange {
			test.wantChange[i].Cause, test.wantChange[i].By = causes[test.decision.name], "ann"
		}
	}
	eachSessions(t, func(t *testing.T, on sessionDB) {
		var observed changes
		sessions := on.sessionsWith(t, &sqlstep.Options{Observe: observed.observe})
		for _, test := range tests {
			id := test.decision.name + " of " + test.from
			create(t, sessions, id, "z", "a")
			var session, z, a string
			fmt.Sscanf(strings.ReplaceAll(test.from, ":", ""), "%s %s %s", &session, &z, &a)
			mustExec(t, on.db, fmt.Sprintf("UPDATE step_steps SET state = '%s' WHERE name = 'z' AND session_id = '%s'", z, id))
			mustExec(t, on.db, fmt.Sprintf("UPDATE step_steps SET state = '%s', stage = 1 WHERE name = 'a' AND session_id = '%s'", a, id))
			mustExec(t, on.db, fmt.Sprintf("UPDATE step_sessions SET state = '%s' WHERE id = '%s'", session, id))
			if test.to == "" {
				test.to = test.from
			}
			// A repetition is as good as the first, and changes nothing.
			for range 2 {
				if err := test.decision.make(t.Context(), sessions, id, "ann"); !errors.Is(err, test.want) {
					t.Errorf("%s: got %v, want %v", id, err, test.want)
				}
				checkStates(t, sessions, id, test.to)
				checkHistory(t, sessions, id, test.wantChange...)
			}
			if diff := cmp.Diff(test.wantChange, observed.of(id), cmpopts.IgnoreFields(sqlstep.Change{}, "Seq"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: observed (-want +got):\n%s", id, diff)
			}
		}
		create(t, sessions, "other", "b")
		for _, d := range []decision{begins, reopens, postpones, cancels, rejects} {
			for _, id := range []string{"none", "", "s\x00"} {
				if err := d.make(t.Context(), sessions, id, "ann"); !errors.Is(err, sessionstep.ErrSessionNotFound) {
					t.Errorf("%s of session %q: got %v, want ErrSessionNotFound", d.name, id, err)
				}
			}
			for _, by := range []string{"", "a\x00", strings.Repeat("a", 256)} {
				if err := d.make(t.Context(), sessions, "other", by); err == nil || !strings.Contains(err.Error(), "name the caller or an event") {
					t.Errorf("%s by %q: got %v, want an error", d.name, by, err)
				}
			}
			if d.name == "Cancel" || d.name == "Reject" {
				continue
			}
			if err := d.make(t.Context(), sessions, "other", "ann"); !errors.Is(err, sessionstep.ErrStepNotFound) {
				t.Errorf("%s of an unknown step: got %v, want ErrStepNotFound", d.name, err)
			}
		}
		checkHistory(t, sessions, "other")
		if _, err := sessions.History(t.Context(), "none"); !errors.Is(err, sessionstep.ErrSessionNotFound) {
			t.Errorf("History of an unknown session: got %v, want ErrSessionNotFound", err)
		}
	})
}

// A step that is reopened takes a submission again, also under a rule that refuses late
// ones, and its session is approved again.
func TestSqlstep_ReopenAndSubmit(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		create(t, sessions, "s", "identity")
		submit(t, sessions, submission("s", "identity", "1", sessionstep.Verified))
		if err := sessions.Reopen(t.Context(), "s", "identity", "ann"); err != nil {
			t.Fatal(err)
		}
		submit(t, sessions, submission("s", "identity", "1", sessionstep.Verified)) // again
		checkStates(t, sessions, "s", "pending: in_progress")
		submit(t, sessions, submission("s", "identity", "2", sessionstep.NeedsReview))
		submit(t, sessions, submission("s", "identity", "3", sessionstep.Verified))
		checkStates(t, sessions, "s", "approved: completed")
		step := func(from, to sqlstep.StepState, review bool, cause sqlstep.Cause, by string) sqlstep.Change {
			return sqlstep.Change{Step: "identity", From: string(from), To: string(to), NeedsReview: review, Cause: cause, By: by}
		}
		checkHistory(t, sessions, "s",
			step("in_progress", "completed", false, "submission", "1"),
			sqlstep.Change{From: "pending", To: "approved", Cause: "submission", By: "1"},
			step("completed", "in_progress", false, "reopen", "ann"),
			sqlstep.Change{From: "approved", To: "pending", Cause: "reopen", By: "ann"},
			step("in_progress", "in_progress", true, "submission", "2"),
			step("in_progress", "completed", false, "submission", "3"),
			sqlstep.Change{From: "pending", To: "approved", Cause: "submission", By: "3"},
		)
		// A submission has the number of the change of its step.
		var n int
		err := on.db.QueryRowContext(t.Context(), `
SELECT count(*) FROM step_submissions AS u
JOIN step_changes AS c ON c.session_id = u.session_id AND c.seq = u.seq AND c.step = u.step AND c.changed_by = u.submission_key`).Scan(&n)
		if err != nil || n != 3 {
			t.Errorf("%d of 3 submissions have the number of their change, error %v", n, err)
		}
	})
}

// Every decision joins the runner's transaction: a failure after it leaves nothing. The
// pool has one connection, so one that did not would hang.
func TestSqlstep_DecisionsJoinTheTransaction(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		on = on.limit(t, 1)
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		var observed changes
		sessions := on.sessionsWith(t, &sqlstep.Options{Observe: observed.observe})
		runTx := on.front(t, nil).runTx
		v := sqlstep.Session{ID: "s", Steps: []sqlstep.Step{{Name: "a"}, {Name: "b", State: sqlstep.StepFailed}, {Name: "c", Deadline: time.UnixMilli(1)}}}
		if err := sessions.Create(ctx, v); err != nil {
			t.Fatal(err)
		}
		failure := errors.New("after the decisions")
		for _, want := range []error{failure, nil} {
			err := runTx(ctx, idempotency.Key{Scope: "test", ID: "1"}, func(ctx context.Context) error {
				n, err := sessions.Expire(ctx, 10)
				if n != 1 || err != nil {
					t.Errorf("Expire: got %d, error %v, want 1", n, err)
				}
				err = errors.Join(
					sessions.Begin(ctx, "s", "a", "evt_1"),
					sessions.SetDeadline(ctx, "s", "a", time.Now().Add(time.Hour), "evt_1"),
					sessions.Reopen(ctx, "s", "b", "evt_1"),
					sessions.Cancel(ctx, "s", "evt_1"),
				)
				all, _ := sessions.History(ctx, "s")
				if err != nil || len(all) != 5 {
					t.Errorf("in the transaction: error %v, history %+v", err, all)
				}
				return want
			})
			if !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			wantStates, wantChanges := "cancelled: in_progress in_progress expired", 5
			if want != nil {
				wantStates, wantChanges = "pending: pending failed pending", 0
			}
			checkStates(t, sessions, "s", wantStates)
			if got := len(historyOf(t, sessions, "s")); got != wantChanges {
				t.Errorf("%d changes, want %d", got, wantChanges)
			}
		}
		if got := len(observed.of("s")); got != 10 {
			t.Errorf("%d changes were observed, want 10, as both transactions made 5", got)
		}
	})
}

// A transaction whose snapshot is older than a decision must not overlook it.
func TestSqlstep_DecisionsAndOldSnapshots(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for _, d := range []decision{cancels, postpones} {
			create(t, sessions, d.name, "a")
			tx := beginWithSnapshot(t, on, sql.LevelRepeatableRead, sessions)
			if err := d.make(t.Context(), sessions, d.name, "ann"); err != nil {
				t.Fatal(err)
			}
			err := tx.submit(t.Context(), submission(d.name, "a", "1", sessionstep.NeedsReview))
			if err == nil && d.name == "Cancel" {
				t.Error("a submission to a session that was cancelled meanwhile is accepted")
			}
			if err == nil {
				err = tx.commit()
			}
			tx.rollback()
			v, readErr := sessions.Session(t.Context(), d.name)
			if readErr != nil || (d.name == "SetDeadline") == v.Steps[0].Deadline.IsZero() {
				t.Errorf("%s: after %v the session is %+v, error %v", d.name, err, v, readErr)
			}
		}
	})
}

// A decision that conflicts with a submission is retried with its run, from BEGIN, and
// then sees the submission.
func TestSqlstep_DecisionAfterConflict(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		if on.dialect != sqlstore.PostgreSQL {
			return // the submission waits for the run, or is no conflict
		}
		sessions, front := on.sessions(t), on.front(t, &sqlstore.Options{Isolation: sql.LevelRepeatableRead})
		createDue(t, sessions, "s", time.UnixMilli(1))
		runs := 0
		err := front.runTx(t.Context(), key, func(ctx context.Context) error {
			if runs++; runs == 1 { // it has its snapshot since its claim
				submit(t, sessions, submission("s", "a", "evt_1", sessionstep.NeedsReview))
			}
			if _, err := sessions.Expire(ctx, 10); err != nil {
				return err
			}
			return sessions.Cancel(ctx, "s", "evt_2")
		})
		if err != nil || runs != 2 {
			t.Errorf("got %v after %d runs, want nil after 2", err, runs)
		}
		checkHistory(t, sessions, "s",
			sqlstep.Change{Step: "a", From: "in_progress", To: "in_progress", NeedsReview: true, Cause: sqlstep.CauseSubmission, By: "evt_1"},
			sqlstep.Change{Step: "a", From: "in_progress", To: "expired", NeedsReview: true, Cause: sqlstep.CauseExpiry},
			sqlstep.Change{From: "pending", To: "cancelled", Cause: sqlstep.CauseCancel, By: "evt_2"},
		)
	})
}
