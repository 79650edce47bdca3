package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
)

// A database error halfway through a submission leaves nothing behind.
func TestSqlstep_FailureHalfway(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		create(t, sessions, "s", "identity")
		want, err := sessions.Session(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		rename := func(from, to string) {
			t.Helper()
			if _, err := on.db.ExecContext(t.Context(), "ALTER TABLE step_changes RENAME COLUMN "+from+" TO "+to); err != nil {
				t.Fatal(err)
			}
		}
		sub := submission("s", "identity", "1", sessionstep.Verified)
		rename("needs_review", "gone") // so that the submission is inserted and its step moved, but the change not recorded
		if err := sessions.Submit(t.Context(), sub); err == nil || verdict(err) {
			t.Errorf("got %v, want an error of the database", err)
		}
		rename("gone", "needs_review")
		checkSession(t, sessions, want)

		submit(t, sessions, sub)
		want.State, want.Steps[0].State = sqlstep.SessionApproved, sqlstep.StepCompleted
		want.Steps[0].Submissions = []sqlstep.Submission{{Key: "1", Status: sessionstep.Verified}}
		checkSession(t, sessions, want)
	})
}

// SubmitTx leaves the transaction to its caller.
func TestSqlstep_SubmitTxCommitsNothing(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		create(t, sessions, "s", "identity")
		want, err := sessions.Session(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		tx, err := on.begin(t.Context(), sql.LevelDefault, sessions)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.submit(t.Context(), submission("s", "identity", "1", sessionstep.Verified)); err != nil {
			t.Fatal(err)
		}
		if err := tx.rollback(); err != nil {
			t.Fatalf("Rollback after SubmitTx: %v", err)
		}
		checkSession(t, sessions, want)
	})
}

// Every method joins the runner's transaction. The pool has one connection, so one
// that did not would hang.
func TestSqlstep_JoinsTheRunnersTransaction(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		on = on.limit(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		sessions := on.sessions(t)
		runTx := on.front(t, nil).runTx
		key := idempotency.Key{Scope: "test", ID: "evt_1"}
		work := func(ctx context.Context) error {
			v := sqlstep.Session{ID: "s", Steps: []sqlstep.Step{{Name: "identity", State: sqlstep.StepInProgress, Required: true}}}
			if err := sessions.Create(ctx, v); err != nil {
				return err
			}
			if err := sessions.Submit(ctx, submission("s", "identity", "evt_1", sessionstep.Verified)); err != nil {
				return err
			}
			got, err := sessions.Session(ctx, "s")
			if err == nil && got.State != sqlstep.SessionApproved {
				t.Errorf("inside the transaction: %+v", got)
			}
			return err
		}

		failure := errors.New("after the submission")
		err := runTx(ctx, key, func(ctx context.Context) error {
			return errors.Join(work(ctx), failure)
		})
		if !errors.Is(err, failure) {
			t.Errorf("got %v, want %v", err, failure)
		}
		if _, err := sessions.Session(ctx, "s"); !errors.Is(err, sessionstep.ErrSessionNotFound) {
			t.Errorf("a failed run left something: error %v", err)
		}

		for i, want := range []error{nil, idempotency.ErrDuplicate} {
			err := runTx(ctx, key, work)
			if !errors.Is(err, want) {
				t.Errorf("run %d: got %v, want %v", i, err, want)
			}
		}
		checkSession(t, sessions, sqlstep.Session{ID: "s", State: sqlstep.SessionApproved, Steps: []sqlstep.Step{{
			Name: "identity", State: sqlstep.StepCompleted, Required: true,
			Submissions: []sqlstep.Submission{{Key: "evt_1", Status: sessionstep.Verified}},
		}}})
	})
}
