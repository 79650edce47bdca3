package sqltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/pgxstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Every way in which pgx executes statements takes ours: a session is created, submitted
// to, with details and without, and read, in a run and outside of one.
func TestPgxstep_QueryModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			config, err := pgxpool.ParseConfig(newPostgreSQL(t))
			if err != nil {
				t.Fatal(err)
			}
			config.ConnConfig.DefaultQueryExecMode = mode
			on := openPool(t, config)
			sessions, front := on.sessions(t), on.front(t, nil)
			if err := sessions.Check(t.Context()); err != nil {
				t.Error(err)
			}
			work := func(ctx context.Context, id string) {
				v := sqlstep.Session{ID: id, Steps: []sqlstep.Step{{Name: "identity", State: sqlstep.StepInProgress, Required: true}}}
				if err := sessions.Create(ctx, v); err != nil {
					t.Fatal(err)
				}
				first := submission(id, "identity", "1", sessionstep.NeedsReview)
				first.Details = json.RawMessage(`{ "score": 0.98, "é": "a\u0000b" }`)
				for _, s := range []sessionstep.Submission{first, submission(id, "identity", "2", sessionstep.Verified)} {
					if err := sessions.Submit(ctx, s); err != nil {
						t.Error(err)
					}
				}
				v.State, v.Steps[0].State = sqlstep.SessionApproved, sqlstep.StepCompleted
				v.Steps[0].Submissions = []sqlstep.Submission{
					{Key: "1", Status: sessionstep.NeedsReview, Details: first.Details},
					{Key: "2", Status: sessionstep.Verified},
				}
				checkSessionIn(ctx, t, sessions, v)
			}
			work(t.Context(), "outside")
			if err := front.runTx(t.Context(), key, func(ctx context.Context) error {
				work(ctx, "in a run")
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A service can move from sqlstep to pgxstep, or run both: what one has written means
// the same to the other.
func TestPgxstep_SharesTablesWithSqlstep(t *testing.T) {
	t.Parallel()
	on := openByPgx(t)
	native, standard := on.sessions(t), bySQL(on.db, sqlstore.PostgreSQL).sessions(t)
	for name, stores := range map[string][2]sessionStore{"pgxstep first": {native, standard}, "sqlstep first": {standard, native}} {
		create(t, stores[0], name, "identity")
		submit(t, stores[1], submission(name, "identity", "1", sessionstep.Verified))
		submit(t, stores[0], submission(name, "identity", "1", sessionstep.Rejected)) // again, so that it changes nothing
		for _, sessions := range stores {
			checkSession(t, sessions, sqlstep.Session{ID: name, State: sqlstep.SessionApproved, Steps: []sqlstep.Step{{
				Name: "identity", State: sqlstep.StepCompleted, Required: true,
				Submissions: []sqlstep.Submission{{Key: "1", Status: sessionstep.Verified}},
			}}})
		}
	}
}

// A pgxstep.Store joins the transaction of a sqlstore.Store too, for a service that moves
// its endpoints later than its sessions.
func TestPgxstep_JoinsSqlstore(t *testing.T) {
	t.Parallel()
	on := openByPgx(t)
	sessions, front := on.sessions(t), bySQL(on.db, sqlstore.PostgreSQL).front(t, nil)
	create(t, sessions, "s", "identity")
	for _, want := range []error{errors.New("after the submission"), nil} {
		err := front.runTx(t.Context(), key, func(ctx context.Context) error {
			return errors.Join(sessions.Submit(ctx, submission("s", "identity", "1", sessionstep.Verified)), want)
		})
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		got, err := sessions.Session(t.Context(), "s")
		if err != nil || (got.State == sqlstep.SessionApproved) != (want == nil) {
			t.Errorf("after %v: session %+v, error %v", want, got, err)
		}
	}
}

// SubmitTx submits in the transaction that it is given, whatever its context carries.
func TestPgxstep_SubmitTxInARun(t *testing.T) {
	t.Parallel()
	on := openByPgx(t)
	sessions, front := on.sessions(t), on.front(t, nil)
	create(t, sessions, "s", "identity")
	err := front.runTx(t.Context(), key, func(ctx context.Context) error {
		tx, err := on.pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		return sessions.(*pgxstep.Store).SubmitTx(ctx, tx, submission("s", "identity", "1", sessionstep.Verified))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := count(t, on.db, "step_submissions"); got != 0 {
		t.Errorf("%d submissions, want none, as the transaction was rolled back", got)
	}
}
