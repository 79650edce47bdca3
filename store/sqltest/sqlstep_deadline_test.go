package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// createDue creates a session whose step a has the deadline.
func createDue(t testing.TB, sessions sessionStore, id string, deadline time.Time) {
	t.Helper()
	v := sqlstep.Session{ID: id, Steps: []sqlstep.Step{{Name: "a", State: sqlstep.StepInProgress, Required: true, Deadline: deadline}}}
	if err := sessions.Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
}

func expire(t testing.TB, sessions sessionStore, limit, want int) {
	t.Helper()
	if n, err := sessions.Expire(t.Context(), limit); n != want || err != nil {
		t.Errorf("Expire(%d) = %d, %v, want %d", limit, n, err, want)
	}
}

func TestSqlstep_Expire(t *testing.T) {
	t.Parallel()
	past := time.UnixMilli(1)
	eachSessions(t, func(t *testing.T, on sessionDB) {
		var observed changes
		sessions := on.sessionsWith(t, &sqlstep.Options{Observe: observed.observe})
		v := sqlstep.Session{ID: "s", Steps: []sqlstep.Step{
			{Name: "over", State: sqlstep.StepInProgress, Required: true, Deadline: past},
			{Name: "not begun", Deadline: past, Stage: 1},
			{Name: "to come", State: sqlstep.StepInProgress, Deadline: time.Now().Add(time.Hour)},
			{Name: "none", State: sqlstep.StepInProgress},
			{Name: "ended", State: sqlstep.StepCompleted, Deadline: past},
		}}
		if err := sessions.Create(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		t.Run("not before it is called", func(t *testing.T) {
			submit(t, sessions, submission("s", "over", "1", sessionstep.NeedsReview))
			checkStates(t, sessions, "s", "pending: in_progress pending in_progress in_progress completed")
		})
		expire(t, sessions, 10, 2)
		checkStates(t, sessions, "s", "pending: expired expired in_progress in_progress completed")
		checkHistory(t, sessions, "s",
			sqlstep.Change{Step: "over", From: "in_progress", To: "in_progress", NeedsReview: true, Cause: sqlstep.CauseSubmission, By: "1"},
			sqlstep.Change{Step: "over", From: "in_progress", To: "expired", NeedsReview: true, Cause: sqlstep.CauseExpiry},
			sqlstep.Change{Step: "not begun", From: "pending", To: "expired", Cause: sqlstep.CauseExpiry},
		)
		if got := len(observed.of("s")); got != 3 {
			t.Errorf("%d changes were observed, want 3", got)
		}
		expire(t, sessions, 10, 0)
		if err := sessions.Submit(t.Context(), submission("s", "over", "2", sessionstep.Verified)); !errors.Is(err, sessionstep.ErrStepNotInProgress) {
			t.Errorf("a submission after the expiry: got %v, want ErrStepNotInProgress", err)
		}
		submit(t, sessions, submission("s", "over", "1", sessionstep.Verified)) // again

		t.Run("not again after Reopen", func(t *testing.T) {
			if err := sessions.Reopen(t.Context(), "s", "over", "ann"); err != nil {
				t.Fatal(err)
			}
			expire(t, sessions, 10, 0)
			if err := sessions.SetDeadline(t.Context(), "s", "over", past, "ann"); err != nil {
				t.Fatal(err)
			}
			expire(t, sessions, 10, 1)
		})
		t.Run("not what has ended", func(t *testing.T) {
			for id, end := range map[string]func() error{
				"completed": func() error {
					return sessions.Submit(t.Context(), submission("completed", "a", "1", sessionstep.Verified))
				},
				"failed": func() error {
					return sessions.Submit(t.Context(), submission("failed", "a", "1", sessionstep.Rejected))
				},
				"cancelled": func() error { return sessions.Cancel(t.Context(), "cancelled", "ann") },
				"rejected":  func() error { return sessions.Reject(t.Context(), "rejected", "ann") },
				"postponed": func() error {
					return sessions.SetDeadline(t.Context(), "postponed", "a", time.Now().Add(time.Hour), "ann")
				},
				"no more":       func() error { return sessions.SetDeadline(t.Context(), "no more", "a", time.Time{}, "ann") },
				"by hand":       func() error { return nil },
				"own state":     func() error { return nil },
				"a deleted one": func() error { return nil },
			} {
				createDue(t, sessions, id, past)
				if err := end(); err != nil {
					t.Fatal(err)
				}
				v, err := sessions.Session(t.Context(), id)
				if err != nil || v.Steps[0].Deadline.Equal(past) != (id == "by hand" || id == "own state" || id == "a deleted one") {
					t.Errorf("%s: the deadline is %v, error %v", id, v.Steps[0].Deadline, err)
				}
			}
			// What the application writes into the tables keeps no other from expiring.
			mustExec(t, on.db, "UPDATE step_sessions SET state = 'closed' WHERE id = 'by hand'")
			mustExec(t, on.db, "UPDATE step_steps SET state = 'skipped' WHERE session_id = 'own state'")
			mustExec(t, on.db, "DELETE FROM step_sessions WHERE id = 'a deleted one'")
			expire(t, sessions, 2, 0)
			createDue(t, sessions, "due", past)
			expire(t, sessions, 1, 1)
			checkStates(t, sessions, "by hand", "closed: in_progress")
			checkStates(t, sessions, "own state", "pending: skipped")
			checkStates(t, sessions, "cancelled", "cancelled: in_progress")
			checkHistory(t, sessions, "by hand")
		})
	})
}

// The oldest deadlines come first, and no more than the limit.
func TestSqlstep_ExpireLimit(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for i := range 6 {
			createDue(t, sessions, strconv.Itoa(i), time.UnixMilli(int64(10-i)))
		}
		expired := func() (ids string) {
			for i := range 6 {
				if strings.HasSuffix(states(t, sessions, strconv.Itoa(i)), "expired") {
					ids += strconv.Itoa(i)
				}
			}
			return ids
		}
		for _, test := range []struct {
			limit, n int
			want     string
		}{{-1, 0, ""}, {0, 0, ""}, {1, 1, "5"}, {3, 3, "2345"}, {9, 2, "012345"}, {9, 0, "012345"}} {
			expire(t, sessions, test.limit, test.n)
			if got := expired(); got != test.want {
				t.Errorf("after Expire(%d) the sessions %q have expired, want %q", test.limit, got, test.want)
			}
		}
	})
}

// A deadline is kept to the millisecond, in UTC, and those that no database can keep are
// refused.
func TestSqlstep_Deadline(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for i, deadline := range []time.Time{
			{},
			time.UnixMilli(1),
			time.Date(2026, 10, 25, 2, 30, 0, 123_999_999, zone),
			time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC),
		} {
			want := deadline.Truncate(time.Millisecond).UTC()
			id := strconv.Itoa(i)
			createDue(t, sessions, id, deadline)
			check := func(what string) {
				t.Helper()
				v, err := sessions.Session(t.Context(), id)
				if diff := cmp.Diff(want, v.Steps[0].Deadline); diff != "" || err != nil {
					t.Errorf("%s with %v: error %v (-want +got):\n%s", what, deadline, err, diff)
				}
			}
			check("Create")
			submit(t, sessions, submission(id, "a", "1", sessionstep.NeedsReview)) // writes it again
			check("Submit")
			for _, d := range []time.Time{time.Now(), deadline} {
				if err := sessions.SetDeadline(t.Context(), id, "a", d, "ann"); err != nil {
					t.Fatal(err)
				}
			}
			check("SetDeadline")
		}
		for _, deadline := range []time.Time{time.Unix(-1, 0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
			v := sqlstep.Session{ID: "invalid", Steps: []sqlstep.Step{{Name: "a", Deadline: deadline}}}
			if err := sessions.Create(t.Context(), v); !errors.Is(err, sqlstep.ErrInvalidSession) {
				t.Errorf("Create with %v: got %v, want ErrInvalidSession", deadline, err)
			}
			if err := sessions.SetDeadline(t.Context(), "1", "a", deadline, "ann"); err == nil {
				t.Errorf("SetDeadline to %v: got no error", deadline)
			}
		}
	})
}

// settled calls f once. On SQLite, which has no lock of a session to wait for, it calls f
// until that has a verdict.
func (on sessionDB) settled(ctx context.Context, f func() error) error {
	if on.dialect == sqlstore.SQLite {
		return untilSettled(ctx, f)
	}
	return f()
}

// Many callers of Expire expire each step once, and what they return adds up.
func TestSqlstep_ConcurrentExpire(t *testing.T) {
	t.Parallel()
	const due = 24
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for i := range due {
			createDue(t, sessions, strconv.Itoa(i), time.UnixMilli(1))
		}
		counts := make([]int, 8)
		for i, err := range atOnce(len(counts), func(i int) error {
			return on.settled(t.Context(), func() error {
				n, err := sessions.Expire(t.Context(), due)
				counts[i] += n
				return err
			})
		}) {
			if err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		}
		total := 0
		for _, n := range counts {
			total += n
		}
		if total != due || count(t, on.db, "step_changes") != due {
			t.Errorf("%v add up to %d, with %d changes, want %d", counts, total, count(t, on.db, "step_changes"), due)
		}
	})
}

// What is postponed while Expire waits for its session does not expire.
func TestSqlstep_ExpireWhilePostponed(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		if on.dialect == sqlstore.SQLite {
			return // has no lock of a session to wait for
		}
		sessions, front := on.sessions(t), on.front(t, nil)
		createDue(t, sessions, "s", time.UnixMilli(1))
		expired := make(chan error, 1)
		err := front.runTx(t.Context(), key, func(ctx context.Context) error {
			if err := sessions.SetDeadline(ctx, "s", "a", time.Now().Add(time.Hour), "ann"); err != nil {
				return err
			}
			go func() {
				n, err := sessions.Expire(t.Context(), 10)
				if n != 0 {
					err = errors.Join(err, fmt.Errorf("%d steps have expired", n))
				}
				expired <- err
			}()
			time.Sleep(100 * time.Millisecond) // if that is too short, Expire finds nothing
			return nil
		})
		if err := errors.Join(err, <-expired); err != nil {
			t.Error(err)
		}
		checkStates(t, sessions, "s", "pending: in_progress")
	})
}

// Of a verdict, an expiry and a cancellation at the same moment, what is reported is
// what has happened, and what came first keeps out the others.
func TestSqlstep_ConcurrentEnds(t *testing.T) {
	t.Parallel()
	const rounds = 12
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for round := range rounds {
			id := strconv.Itoa(round)
			createDue(t, sessions, id, time.UnixMilli(1))
			expired := 0
			errs := atOnce(3, func(i int) error {
				return on.settled(t.Context(), func() error {
					switch (i + round) % 3 {
					case 0:
						return sessions.Submit(t.Context(), submission(id, "a", "evt", sessionstep.Verified))
					case 1:
						return sessions.Cancel(t.Context(), id, "ann")
					}
					n, err := sessions.Expire(t.Context(), 10)
					expired += n // of one caller only
					return err
				})
			})
			submitted, cancelled := errs[(3-round%3)%3], errs[(4-round%3)%3]
			got := fmt.Sprintf("%s, submitted: %v, cancelled: %v, expired: %d", states(t, sessions, id), submitted, cancelled, expired)
			want := map[string]bool{
				"approved: completed, submitted: <nil>, cancelled: sessionstep: session not open, expired: 0":    true,
				"cancelled: in_progress, submitted: sessionstep: session not open, cancelled: <nil>, expired: 0": true,
				"cancelled: expired, submitted: sessionstep: step not in progress, cancelled: <nil>, expired: 1": true,
				"cancelled: expired, submitted: sessionstep: session not open, cancelled: <nil>, expired: 1":     true,
			}
			if !want[got] {
				t.Errorf("round %d: %s", round, got)
			}
			// The history tells the same, without a gap or a change twice.
			state, step := "pending", "in_progress"
			for _, c := range historyOf(t, sessions, id) {
				from := &state
				if c.Step != "" {
					from = &step
				}
				if c.From != *from {
					t.Errorf("round %d: a change from %s follows one to %s", round, c.From, *from)
				}
				*from = c.To
			}
			if told := state + ": " + step; !strings.HasPrefix(got, told+",") {
				t.Errorf("round %d: the history ends in %s, the session is %s", round, told, got)
			}
		}
	})
}

// Expire finds what is due by an index: what is not due is not read.
func TestSqlstep_ExpireByIndex(t *testing.T) {
	t.Parallel()
	eachRecorded(t, func(t *testing.T, db, recorded *sql.DB, d sqlstore.Dialect, statements *recorder) {
		sessions := bySQL(recorded, d).sessions(t)
		now, later := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "now()", sqlstore.MySQL: "UTC_TIMESTAMP(6)", sqlstore.SQLite: "1000",
		}[d], map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "now() + interval '1 day'", sqlstore.MySQL: "UTC_TIMESTAMP(6) + INTERVAL 1 DAY", sqlstore.SQLite: "99999999999999",
		}[d]
		const numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT "
		mustExec(t, db, "INSERT INTO step_sessions "+numbers+"concat('s', i), 'pending', 0, "+now+", "+now+" FROM n")
		for name, deadline := range map[string]string{"later": later, "none": "NULL"} {
			mustExec(t, db, "INSERT INTO step_steps "+numbers+"concat('s', i), '"+name+"', 0, 0, true, 'in_progress', false, "+deadline+" FROM n")
		}
		mustExec(t, db, map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "ANALYZE", sqlstore.MySQL: "ANALYZE TABLE step_steps, step_sessions", sqlstore.SQLite: "ANALYZE",
		}[d])
		statements.forget()
		expire(t, sessions, 100, 0)
		query, args := statements.with(t, "deadline <=")
		if n := reads(t, db, d, query, args); n > 10 {
			t.Errorf("looking for steps to expire reads %d pages or rows, though none is due", n)
		}
		if d == sqlstore.SQLite {
			checkSQLitePlan(t, db, query, args)
		}
	})
}

// eachRecorded runs f on every database, with a second pool whose statements are recorded.
func eachRecorded(t *testing.T, f func(t *testing.T, db, recorded *sql.DB, d sqlstore.Dialect, statements *recorder)) {
	t.Helper()
	for d, dsn := range map[sqlstore.Dialect]func(t *testing.T) (driver, dsn string){
		sqlstore.SQLite: func(t *testing.T) (string, string) {
			return sqliteDriver(), sqliteDSN(filepath.Join(t.TempDir(), "test.db"))
		},
		sqlstore.PostgreSQL: func(t *testing.T) (string, string) { return postgresDriver(), newPostgreSQL(t) },
		sqlstore.MySQL: func(t *testing.T) (string, string) {
			return "mysql", mysqlConfig(t, openMariaDB(t)).FormatDSN()
		},
	} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			name, dsn := dsn(t)
			db, statements := open(t, name, dsn), new(recorder)
			recorded := sql.OpenDB(recordingConnector{db.Driver(), dsn, statements})
			defer recorded.Close()
			f(t, db, recorded, d, statements)
		})
	}
}

func checkSQLitePlan(t *testing.T, db *sql.DB, query string, args []any) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var detail string
		if err := rows.Scan(new(int), new(int), new(int), &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(detail + "; ")
	}
	if !strings.Contains(plan.String(), "(deadline<?)") || strings.Contains(plan.String(), "SCAN") || strings.Contains(plan.String(), "TEMP B-TREE") || rows.Err() != nil {
		t.Errorf("the plan is %q, error %v", plan.String(), rows.Err())
	}
}
