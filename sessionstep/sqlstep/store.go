// Package sqlstep keeps sessions and their steps in SQL tables: a small session
// service, and the [sessionstep.Submitter] for those who have none of their own.
//
//	sessions, err := sqlstep.New(db, sqlstore.PostgreSQL, nil)
//	…
//	err = sessions.CreateTables(ctx) // or give Schema to your migration tool
//	…
//	err = sessions.Create(ctx, sqlstep.Session{ID: "sess_1", Steps: []sqlstep.Step{
//		{Name: "identity_verification", State: sqlstep.StepInProgress, Required: true},
//	}})
//	…
//	callback := &sessionstep.Handler{Submitter: sessions}
//
// # What a submission does
//
// It is recorded under its key. If it says verified, the step is completed; if it
// says rejected, the step has failed; if it says needs_review, the step stays in
// progress and is marked. The session becomes approved when the last of its
// required steps is completed. What follows from a failed step is for the
// application to decide: the session stays pending.
//
// A second submission under the same key to the same step changes nothing and is
// not an error, also when step and session have moved on.
//
// # Transactions
//
// Every method joins the transaction that its context carries (sqlstore.Tx), so
// that under sqlstore's transactional runner the event's record, the submission
// and the moves of step and session are one commit. The tables must then be in
// the database of that transaction. Without one a method begins and commits a
// transaction of its own: what it does is still all or nothing, but it is not
// tied to a record, and only the submission's key keeps a second delivery from
// being applied again.
//
// Whatever the isolation level, whoever changes anything of a session first locks
// its row, then reads the rest, and last writes that row. So submissions to one
// session follow each other, those to different sessions do not wait, and a
// transaction that took its snapshot too early gets a serialization failure and
// never an old state. Code of yours that writes to the tables should do the same.
// On an error the transaction must be rolled back; conflicts are not tried again
// here, as that has to start with BEGIN, which is the caller's, or the sender's.
package sqlstep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A Store keeps sessions in three tables of a SQL database. Make one with [New].
// It is safe for concurrent use, and any number of processes can share the
// tables.
type Store struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	sql     statements
}

var _ sessionstep.Submitter = (*Store)(nil)

// Options are what [New] can be told beyond what it must be told. The zero value
// and nil mean the defaults.
type Options struct {
	// Prefix begins the names of the tables, which go on with sessions, steps
	// and submissions. It is made of letters, digits and underscores, and may
	// have a schema and a dot in front. Empty means [DefaultPrefix].
	Prefix string
}

// DefaultPrefix is the prefix of the tables' names if no other is given.
const DefaultPrefix = "step_"

// New returns a store in db, which must speak the dialect d. It does not touch
// the database; see [Store.CreateTables]. The error says which argument is wrong.
func New(db *sql.DB, d sqlstore.Dialect, o *Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstep: no database")
	}
	s, err := statementsOf(d, o)
	if err != nil {
		return nil, err
	}
	return &Store{db: db, dialect: d, sql: s}, nil
}

// Schema returns the statements that make the tables, for migration tools. They
// do nothing if the tables are there.
func Schema(d sqlstore.Dialect, o *Options) (string, error) {
	s, err := statementsOf(d, o)
	if err != nil {
		return "", err
	}
	return s.createSessions + ";\n" + s.createSteps + ";\n" + s.createSubmissions + ";\n", nil
}

// CreateTables makes the tables that are not there. It is for programs without a
// migration tool; call it from one process at a time, before the first use, and
// not inside of a transaction.
func (s *Store) CreateTables(ctx context.Context) error {
	for _, statement := range []string{s.sql.createSessions, s.sql.createSteps, s.sql.createSubmissions} {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("sqlstep: create tables: %w", err)
		}
	}
	return nil
}

// transact calls f with the transaction that ctx carries, or with one of its own.
func (s *Store) transact(ctx context.Context, f func(tx *sql.Tx) error) error {
	if tx, ok := sqlstore.Tx(ctx); ok {
		return f(tx)
	}
	tx, err := s.db.BeginTx(ctx, s.isolation())
	if err != nil {
		return fmt.Errorf("sqlstep: begin: %w", err)
	}
	defer tx.Rollback() // nothing after Commit; else also when f panics
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlstep: commit: %w", err)
	}
	return nil
}

// isolation is READ COMMITTED where there is a choice: with the session's row
// locked it is enough, and a higher default of the server or the pool would turn
// waiting into serialization failures, which nobody tries again here.
func (s *Store) isolation() *sql.TxOptions {
	if s.dialect == sqlstore.SQLite {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}
