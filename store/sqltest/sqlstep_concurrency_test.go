package sqltest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// atOnce calls f n times concurrently and returns the errors.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// untilSettled calls f until it has a verdict, like a sender that retries when the
// database was busy or found a conflict.
func untilSettled(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || verdict(err) || ctx.Err() != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func verdict(err error) bool {
	for _, v := range []error{
		sessionstep.ErrSessionNotFound, sessionstep.ErrSessionNotOpen,
		sessionstep.ErrStepNotFound, sessionstep.ErrStepNotInProgress,
		sessionstep.ErrNotAcceptable, sqlstep.ErrSessionExists,
	} {
		if errors.Is(err, v) {
			return true
		}
	}
	return false
}

// eachLevel runs f with a function that submits, for every isolation level that a
// caller's transaction may have, for Submit without one, and in runs.
func eachLevel(t *testing.T, f func(t *testing.T, sessions sessionStore, submit func(sessionstep.Submission) error)) {
	eachSessions(t, func(t *testing.T, on sessionDB) {
		on.db.SetMaxOpenConns(20)
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		t.Cleanup(cancel)
		sessions := on.sessions(t)
		t.Run("a transaction of its own", func(t *testing.T) {
			f(t, sessions, func(s sessionstep.Submission) error {
				return untilSettled(ctx, func() error { return sessions.Submit(ctx, s) })
			})
		})
		runTx := on.front(t, nil).runTx
		t.Run("a run", func(t *testing.T) {
			f(t, sessions, func(s sessionstep.Submission) error {
				return untilSettled(ctx, func() error {
					key := idempotency.Key{Scope: "test", ID: rand.Text()}
					return runTx(ctx, key, func(ctx context.Context) error { return sessions.Submit(ctx, s) })
				})
			})
		})
		levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}
		if on.dialect == sqlstore.SQLite {
			levels = levels[2:] // it has no other
		}
		for _, level := range levels {
			t.Run(level.String(), func(t *testing.T) {
				f(t, sessions, func(s sessionstep.Submission) error {
					return untilSettled(ctx, func() error { return submitAt(ctx, on, level, sessions, s) })
				})
			})
		}
	})
}

// submitAt submits in a transaction that has read before, so that it has its
// snapshot if its level uses one.
func submitAt(ctx context.Context, on sessionDB, level sql.IsolationLevel, sessions sessionStore, s sessionstep.Submission) error {
	tx, err := on.begin(ctx, level, sessions)
	if err != nil {
		return err
	}
	defer tx.rollback()
	if err := tx.scan(ctx, "SELECT count(*) FROM step_sessions", new(int)); err != nil {
		return err
	}
	if err := tx.submit(ctx, s); err != nil {
		return err
	}
	return tx.commit()
}

// Many concurrent submissions with one key are one.
func TestSqlstep_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	eachLevel(t, func(t *testing.T, sessions sessionStore, submit func(sessionstep.Submission) error) {
		create(t, sessions, t.Name(), "identity")
		for i, err := range atOnce(32, func(int) error {
			return submit(submission(t.Name(), "identity", "evt_1", sessionstep.NeedsReview))
		}) {
			if err != nil {
				t.Errorf("submission %d: %v", i, err)
			}
		}
		checkSession(t, sessions, sqlstep.Session{ID: t.Name(), State: sqlstep.SessionPending, Steps: []sqlstep.Step{{
			Name: "identity", State: sqlstep.StepInProgress, Required: true, NeedsReview: true,
			Submissions: []sqlstep.Submission{{Key: "evt_1", Status: sessionstep.NeedsReview}},
		}}})
	})
}

// Different events of one session all count.
func TestSqlstep_ConcurrentEvents(t *testing.T) {
	t.Parallel()
	const events = 24
	eachLevel(t, func(t *testing.T, sessions sessionStore, submit func(sessionstep.Submission) error) {
		create(t, sessions, t.Name(), "identity")
		for i, err := range atOnce(events, func(i int) error {
			return submit(submission(t.Name(), "identity", strconv.Itoa(i), sessionstep.NeedsReview))
		}) {
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		v, err := sessions.Session(t.Context(), t.Name())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(v.Steps[0].Submissions); got != events {
			t.Errorf("got %d submissions, want %d", got, events)
		}
	})
}

// One of many verdicts on a step is accepted.
func TestSqlstep_ConcurrentVerdicts(t *testing.T) {
	t.Parallel()
	eachLevel(t, func(t *testing.T, sessions sessionStore, submit func(sessionstep.Submission) error) {
		create(t, sessions, t.Name(), "identity")
		var won int
		for i, err := range atOnce(16, func(i int) error {
			return submit(submission(t.Name(), "identity", strconv.Itoa(i), sessionstep.Verified))
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, sessionstep.ErrSessionNotOpen):
				t.Errorf("verdict %d: %v", i, err)
			}
		}
		if won != 1 {
			t.Errorf("%d verdicts were accepted, want 1", won)
		}
	})
}

// Steps that are completed concurrently approve the session.
func TestSqlstep_ConcurrentSteps(t *testing.T) {
	t.Parallel()
	eachLevel(t, func(t *testing.T, sessions sessionStore, submit func(sessionstep.Submission) error) {
		steps := []string{"identity", "address", "income"}
		for round := range 12 {
			id := fmt.Sprint(t.Name(), round)
			create(t, sessions, id, steps...)
			for i, err := range atOnce(len(steps), func(i int) error {
				return submit(submission(id, steps[i], "evt", sessionstep.Verified))
			}) {
				if err != nil {
					t.Errorf("step %q: %v", steps[i], err)
				}
			}
			v, err := sessions.Session(t.Context(), id)
			if err != nil || v.State != sqlstep.SessionApproved {
				t.Errorf("round %d: session is %q, error %v, want approved; steps %+v", round, v.State, err, v.Steps)
			}
		}
	})
}

// One of many concurrent creates of a session wins.
func TestSqlstep_ConcurrentCreates(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		on.db.SetMaxOpenConns(20)
		sessions := on.sessions(t)
		var won int
		for i, err := range atOnce(16, func(i int) error {
			return untilSettled(t.Context(), func() error {
				return sessions.Create(t.Context(), sqlstep.Session{ID: "s", Steps: []sqlstep.Step{{Name: strconv.Itoa(i)}}})
			})
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, sqlstep.ErrSessionExists):
				t.Errorf("create %d: %v", i, err)
			}
		}
		v, err := sessions.Session(t.Context(), "s")
		if won != 1 || err != nil || len(v.Steps) != 1 {
			t.Errorf("%d creates won, want 1; session %+v, error %v", won, v, err)
		}
	})
}

// With a busy timeout SQLite's writers follow each other. Only a transaction that
// has read before it writes fails at once, whatever the timeout.
func TestSqlstep_SubmitUpgradesNoLock(t *testing.T) {
	t.Parallel()
	db := openSQLite(t, "busy_timeout", "20000")
	sessions := bySQL(db, sqlstore.SQLite).sessions(t)
	create(t, sessions, "s", "identity")
	for i, err := range atOnce(24, func(i int) error {
		return sessions.Submit(t.Context(), submission("s", "identity", strconv.Itoa(i), sessionstep.NeedsReview))
	}) {
		if err != nil {
			t.Errorf("submission %d: %v", i, err)
		}
	}
}

// Submissions to different sessions do not conflict, not even by gap locks, so none
// is retried here. SQLite has a single writer, so it gets a single connection.
func TestSqlstep_SessionsDoNotConflict(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		if on.dialect == sqlstore.SQLite {
			on = on.limit(t, 1)
		}
		sessions := on.sessions(t)
		for i := range 24 {
			create(t, sessions, strconv.Itoa(i), "identity")
		}
		for i, err := range atOnce(24, func(i int) error {
			sub := submission(strconv.Itoa(i), "identity", "evt", sessionstep.Verified)
			if on.dialect == sqlstore.SQLite {
				return sessions.Submit(t.Context(), sub)
			}
			return submitAt(t.Context(), on, sql.LevelRepeatableRead, sessions, sub)
		}) {
			if err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		}
	})
}

// A transaction whose snapshot is older than the first delivery's commit must see
// that delivery or fail, at any level.
func TestSqlstep_OldSnapshot(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for _, level := range []sql.IsolationLevel{sql.LevelRepeatableRead, sql.LevelSerializable} {
			if on.dialect == sqlstore.MySQL && level == sql.LevelSerializable {
				continue // its reads take locks, so there is no snapshot, and the first delivery waits
			}
			t.Run(level.String(), func(t *testing.T) {
				id := t.Name()
				create(t, sessions, id, "identity")
				tx := beginWithSnapshot(t, on, level, sessions)
				defer tx.rollback()
				sub := submission(id, "identity", "evt", sessionstep.Verified)
				submit(t, sessions, sub)
				if err := tx.submit(t.Context(), sub); verdict(err) {
					t.Errorf("the same key again: got %v, want nil or a conflict", err)
				}
				checkSession(t, sessions, sqlstep.Session{ID: id, State: sqlstep.SessionApproved, Steps: []sqlstep.Step{{
					Name: "identity", State: sqlstep.StepCompleted, Required: true,
					Submissions: []sqlstep.Submission{{Key: "evt", Status: sessionstep.Verified}},
				}}})
			})
		}
	})
}

func beginWithSnapshot(t *testing.T, on sessionDB, level sql.IsolationLevel, sessions sessionStore) *callersTx {
	t.Helper()
	if on.dialect == sqlstore.SQLite {
		level = sql.LevelDefault // its only one, which is serializable
	}
	tx, err := on.begin(t.Context(), level, sessions)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.scan(t.Context(), "SELECT count(*) FROM step_submissions", new(int)); err != nil {
		t.Fatal(err)
	}
	return tx
}
