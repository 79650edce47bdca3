package sqltest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/sessionstep/steptest"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A sqlstep.Store and a pgxstep.Store keep the contract of a Submitter, in transactions
// of their own and in those of a runner.
func TestSqlstep_Submitter(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		on = on.limit(t, 6) // connections are expensive to open
		sessions, front := on.sessions(t), on.front(t, nil)
		steptest.Run(t, func(t *testing.T) steptest.Service { return serviceOf(sessions, front) })
	})
}

func serviceOf(sessions sessionStore, front front) steptest.Service {
	return steptest.Service{
		Submitter: sessions,
		Create: func(ctx context.Context, s steptest.Session) error {
			v := sqlstep.Session{ID: s.ID}
			for _, name := range s.InProgress {
				v.Steps = append(v.Steps, sqlstep.Step{Name: name, State: sqlstep.StepInProgress, Required: true})
			}
			for _, name := range s.NotBegun {
				v.Steps = append(v.Steps, sqlstep.Step{Name: name, Required: true})
			}
			return sessions.Create(ctx, v)
		},
		Close: func(ctx context.Context, session string) error { return sessions.Cancel(ctx, session, "steptest") },
		Read: func(ctx context.Context, session string) (state steptest.State, err error) {
			v, err := sessions.Session(ctx, session)
			state.States = string(v.State)
			for _, step := range v.Steps {
				state.States += fmt.Sprint(" ", step.State, step.NeedsReview)
				for _, s := range step.Submissions {
					state.Submissions = append(state.Submissions, sessionstep.Submission{Step: step.Name, Key: s.Key, Status: s.Status, Details: s.Details})
				}
			}
			return state, err
		},
		InTx: func(ctx context.Context, work func(context.Context) error) error {
			return front.runTx(ctx, idempotency.Key{Scope: "test", ID: rand.Text()}, work)
		},
	}
}

// cases is a session service as an application may have it: plain SQL in the
// transaction of the event's record, and nothing of sqlstep.
type cases struct{ db *sql.DB }

const casesSchema = `
CREATE TABLE cases (id text PRIMARY KEY, ended boolean NOT NULL);
CREATE TABLE case_steps (
	case_id text NOT NULL, name text NOT NULL, state text NOT NULL,
	PRIMARY KEY (case_id, name));
CREATE TABLE case_results (
	case_id text NOT NULL, step text NOT NULL, event_id text NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
	status text NOT NULL, details text,
	PRIMARY KEY (case_id, step, event_id))`

// Submit implements [sessionstep.Submitter]. Under the transactional runner tx is the
// runner's; the service needs none of its own.
func (c cases) Submit(ctx context.Context, s sessionstep.Submission) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if tx, ok := sqlstore.Tx(ctx); ok {
		return c.submit(ctx, tx, s)
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := c.submit(ctx, tx, s); err != nil {
		return err
	}
	return tx.Commit()
}

func (c cases) submit(ctx context.Context, tx *sql.Tx, s sessionstep.Submission) error {
	var ended bool
	err := tx.QueryRowContext(ctx, "SELECT ended FROM cases WHERE id = $1 FOR UPDATE", s.Session).Scan(&ended)
	if errors.Is(err, sql.ErrNoRows) {
		return sessionstep.ErrSessionNotFound
	}
	if err != nil {
		return err
	}
	var seen int
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM case_results WHERE case_id = $1 AND step = $2 AND event_id = $3",
		s.Session, s.Step, s.Key).Scan(&seen)
	if err != nil || seen > 0 {
		return err
	}
	if ended {
		return sessionstep.ErrSessionNotOpen
	}
	var state string
	err = tx.QueryRowContext(ctx, "SELECT state FROM case_steps WHERE case_id = $1 AND name = $2", s.Session, s.Step).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return sessionstep.ErrStepNotFound
	case err != nil:
		return err
	case state != "open":
		return sessionstep.ErrStepNotInProgress
	}
	if s.Status != sessionstep.NeedsReview {
		if _, err := tx.ExecContext(ctx, "UPDATE case_steps SET state = $1 WHERE case_id = $2 AND name = $3", string(s.Status), s.Session, s.Step); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO case_results (case_id, step, event_id, status, details) VALUES ($1, $2, $3, $4, $5)",
		s.Session, s.Step, s.Key, string(s.Status), sql.NullString{String: string(s.Details), Valid: s.Details != nil})
	return err
}

func (c cases) create(ctx context.Context, s steptest.Session) error {
	_, err := c.db.ExecContext(ctx, "INSERT INTO cases (id, ended) VALUES ($1, false)", s.ID)
	for state, names := range map[string][]string{"open": s.InProgress, "waiting": s.NotBegun} {
		for _, name := range names {
			_, stepErr := c.db.ExecContext(ctx, "INSERT INTO case_steps (case_id, name, state) VALUES ($1, $2, $3)", s.ID, name, state)
			err = errors.Join(err, stepErr)
		}
	}
	return err
}

func (c cases) end(ctx context.Context, id string) error {
	_, err := c.db.ExecContext(ctx, "UPDATE cases SET ended = true WHERE id = $1", id)
	return err
}

func (c cases) read(ctx context.Context, id string) (state steptest.State, err error) {
	err = c.db.QueryRowContext(ctx, `
SELECT concat(ended, ' ', (SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM case_steps WHERE case_id = id))
FROM cases WHERE id = $1`, id).Scan(&state.States)
	if err != nil {
		return state, err
	}
	rows, err := c.db.QueryContext(ctx, "SELECT step, event_id, status, details FROM case_results WHERE case_id = $1 ORDER BY n", id)
	if err != nil {
		return state, err
	}
	defer rows.Close()
	for rows.Next() {
		var s sessionstep.Submission
		var details sql.NullString
		if err := rows.Scan(&s.Step, &s.Key, &s.Status, &details); err != nil {
			return state, err
		}
		if details.Valid {
			s.Details = json.RawMessage(details.String)
		}
		state.Submissions = append(state.Submissions, s)
	}
	return state, rows.Err()
}

// The service's test is one call, also for one that is written by hand in SQL.
func TestSteptest_OwnSQL(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	mustExec(t, db, casesSchema)
	db.SetMaxOpenConns(6)
	c, front := cases{db}, bySQL(db, sqlstore.PostgreSQL).front(t, nil)
	steptest.Run(t, func(t *testing.T) steptest.Service {
		return steptest.Service{Submitter: c, Create: c.create, Close: c.end, Read: c.read,
			InTx: func(ctx context.Context, work func(context.Context) error) error {
				return front.runTx(ctx, idempotency.Key{Scope: "test", ID: rand.Text()}, work)
			}}
	})
}
