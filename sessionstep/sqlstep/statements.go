package sqlstep

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// statements is the SQL of one dialect, as it runs but for the tables' names.
//
// There are no foreign keys, as some of the databases that speak these dialects
// have none (Vitess); the session's lock is what keeps the rows together.
type statements struct {
	createSessions    string
	createSteps       string
	createSubmissions string

	insertSession    string // (id, state, submissions), unless the ID is taken
	insertStep       string // (session, name, position, state, required, needs_review)
	lockSession      string // (id) -> state, submissions
	moveSession      string // (state, submissions, id)
	findSteps        string // (session) -> name, state, required
	moveStep         string // (state, needs_review, session, name)
	insertSubmission string // (session, step, key, seq, status, details), unless the key is taken
	findSubmission   string // (session, step, key) -> seq
	findSession      string // (id) -> session × step × submission
}

// The rest of a table's name has 11 bytes, and PostgreSQL cuts what is longer
// than 63.
var prefixPattern = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,51}$`)

func statementsOf(d sqlstore.Dialect, o *Options) (statements, error) {
	if o == nil {
		o = new(Options)
	}
	prefix := cmp.Or(o.Prefix, DefaultPrefix)
	if !prefixPattern.MatchString(prefix) {
		return statements{}, errors.New("sqlstep: Options.Prefix is not an identifier")
	}
	switch d {
	case sqlstore.PostgreSQL:
		return postgreSQL.withPrefix(prefix), nil
	case sqlstore.MySQL:
		return mySQL.withPrefix(prefix), nil
	case sqlstore.SQLite:
		return sqlite.withPrefix(prefix), nil
	}
	return statements{}, fmt.Errorf("sqlstep: unknown dialect %q", d)
}

func (s statements) withPrefix(prefix string) statements {
	tables := strings.NewReplacer(
		"{sessions}", prefix+"sessions",
		"{steps}", prefix+"steps",
		"{submissions}", prefix+"submissions",
	)
	for _, text := range []*string{
		&s.createSessions, &s.createSteps, &s.createSubmissions,
		&s.insertSession, &s.insertStep, &s.lockSession, &s.moveSession, &s.findSteps,
		&s.moveStep, &s.insertSubmission, &s.findSubmission, &s.findSession,
	} {
		*text = tables.Replace(*text)
	}
	return s
}
