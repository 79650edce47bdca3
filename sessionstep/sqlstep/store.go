// Package sqlstep keeps sessions and their steps in SQL tables: a small session
// service, and a [sessionstep.Submitter] for those who have none of their own.
//
//	sessions, err := sqlstep.New(db, sqlstore.PostgreSQL, nil)
//	…
//	err = sessions.CreateTables(ctx) // or add the output of Schema to your migrations
//	…
//	err = sessions.Create(ctx, sqlstep.Session{ID: "sess_1", Steps: []sqlstep.Step{
//		{Name: "identity_verification", State: sqlstep.StepInProgress, Required: true},
//	}})
//	…
//	callback, err := sessionstep.NewHandler(sessions, nil)
//
// # What a submission does
//
// A submission is recorded under its key and moves its step. If its status is
// verified, the step is completed; if rejected, the step has failed; if
// needs_review, the step stays in progress and is marked. When the last required
// step is completed, the session is approved. A failed step leaves the session
// pending: what follows is the application's decision.
//
// A second submission with the same key to the same step changes nothing and is not
// an error, even if the step and the session have moved on.
//
// Verification services review a case again after they have decided it, let the
// customer try again after a rejection, and deliver out of order. Such a submission,
// to a step that has ended, is refused unless Options.Late says otherwise: record it
// only, mark the step for review, or reopen the step:
//
//	sessions, err := sqlstep.New(db, sqlstore.PostgreSQL, &sqlstep.Options{
//		Late: func(_ sqlstep.SessionState, step sqlstep.Step, _ sessionstep.Submission) sqlstep.Late {
//			if step.State == sqlstep.StepCompleted {
//				return sqlstep.LateReview // a person decides
//			}
//			return sqlstep.LateReopen // another attempt
//		},
//	})
//
// # What the application decides
//
// Steps are taken in parallel, or in the order of their Stage. [Store.Begin] begins a
// step, [Store.Reopen] has it done again, [Store.Reject] and [Store.Cancel] end the
// session. A person who decides a review submits, with a key of the decision's own. A
// step with a Deadline expires after it, when the application calls [Store.Expire].
//
// [Store.History] lists what has changed when, why, and by which event or by whom. In
// SQL:
//
//	SELECT seq, changed_at, step, from_state, to_state, cause, changed_by
//	FROM step_changes WHERE session_id = 'sess_1' ORDER BY seq
//
// # Transactions
//
// Every method joins the transaction that its context carries (sqlstore.Tx). Under
// the transactional runner of sqlstore, the event's record, the submission and the
// changes of step and session are one commit. The tables must then be in the
// database of that transaction. Package pgxstep joins the transactions of pgxstore.
//
// Without one, a method begins and commits a transaction of its own. What it does is
// still all or nothing, but it is not tied to the event's record: only the
// submission's key keeps a second delivery from being applied again.
//
// If a method returns an error, roll back the transaction. Conflicts in the database
// are not retried here, because a retry must start with BEGIN.
//
// # Writing to the tables
//
// Every change of a session first locks the session's row, then reads the rest, and
// last writes that row. So submissions to one session follow each other, those to
// different sessions do not wait, and a transaction whose snapshot is too old gets a
// serialization failure, at any isolation level. Code of yours that writes to the
// tables should do the same. What it changes is in the history only if it adds it.
//
// # The tables
//
// [Schema] returns the statements that create the tables, for your migrations, and
// [Store.CreateTables] runs them. The folder schema has them as files for goose,
// golang-migrate and atlas. [Upgrade] returns the statements that bring tables of an
// older version up to date. [Store.Check], at start, reports what is missing.
package sqlstep

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A Store keeps sessions in tables of a SQL database. Create it with [New]. It is
// safe for concurrent use, and any number of processes can share the tables.
type Store struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	prefix  string
	sql     statements
	late    func(session SessionState, step Step, sub sessionstep.Submission) Late
	observe func(ctx context.Context, session string, c Change)
}

var _ sessionstep.Submitter = (*Store)(nil)

// Options configures a [Store]; the zero value and nil use the defaults.
type Options struct {
	// Prefix is the beginning of the tables' names, which end in sessions, steps,
	// submissions, changes and version: at most 52 letters, digits and underscores,
	// after an optional schema and a dot. Default: [DefaultPrefix].
	Prefix string

	// Late returns the rule for a submission that is late: its step has ended, or its
	// session, which is in the state session, is not pending. step is without its
	// submissions. The session is locked during the call, which should only look at
	// its arguments. Default: every one is refused, [LateRefuse].
	Late func(session SessionState, step Step, sub sessionstep.Submission) Late

	// Observe, if non-nil, is called for each change that is written to the history,
	// for metrics and logs; c.At is zero. It is called after the commit, but before
	// that of a transaction which the call has joined, which may yet be rolled back,
	// and repeated. It may be called concurrently. Default: nil.
	Observe func(ctx context.Context, session string, c Change)
}

// DefaultPrefix is the beginning of the tables' names unless Options.Prefix sets
// another.
const DefaultPrefix = "step_"

// New returns a store that keeps its sessions in db, whose SQL is the dialect d. It
// does not connect; call [Store.Check] at start to find out whether the tables are
// there. The error says which argument is wrong. o may be nil.
func New(db *sql.DB, d sqlstore.Dialect, o *Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstep: New: db is nil: pass what sql.Open returns")
	}
	prefix, err := prefixOf(o)
	if err != nil {
		return nil, err
	}
	s, err := statementsOf(d, prefix)
	if err != nil {
		return nil, err
	}
	store := &Store{db: db, dialect: d, prefix: prefix, sql: s}
	if o != nil {
		store.late, store.observe = o.Late, o.Observe
	}
	return store, nil
}
