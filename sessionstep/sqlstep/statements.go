package sqlstep

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// statements is the SQL of one dialect as it runs, except for the tables' names.
// The statements that create the tables are in the folder schema.
//
// There are no foreign keys, because some databases that speak these dialects have
// none (Vitess); the session's lock keeps the rows consistent.
type statements struct {
	insertSession    string // (id, state, changes), unless the ID is taken
	insertStep       string // (session, name, position, stage, required, state, needs_review, deadline)
	lockSession      string // (id) -> state, changes
	moveSession      string // (state, changes, id)
	findSteps        string // (session) -> name, stage, required, state, needs_review, deadline, whether it has passed
	moveStep         string // (state, needs_review, deadline, session, name)
	insertSubmission string // (session, step, key, seq, status, details), unless the key is taken
	findSubmission   string // (session, step, key) -> seq
	insertChange     string // (session, seq, step, from, to, needs_review, cause, by)
	findChanges      string // (session) -> its changes, or a row of NULL
	findDue          string // (limit) -> session, name of steps whose deadline has passed
	findSession      string // (id) -> session × step × submission
	findVersion      string // -> version of the tables
}

// prefixPattern leaves 11 bytes for the rest of a table's name, as PostgreSQL cuts
// names after 63 bytes.
var prefixPattern = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,51}$`)

// prefixOf returns the prefix that o sets, if it can be part of a name.
func prefixOf(o *Options) (string, error) {
	if o == nil {
		o = new(Options)
	}
	prefix := cmp.Or(o.Prefix, DefaultPrefix)
	if !prefixPattern.MatchString(prefix) {
		return "", errors.New("sqlstep: Options.Prefix is not the beginning of a table's name: use at most 52 letters, digits and underscores, after an optional schema and a dot")
	}
	return prefix, nil
}

func statementsOf(d sqlstore.Dialect, prefix string) (statements, error) {
	switch d {
	case sqlstore.PostgreSQL:
		return postgreSQL.withPrefix(prefix), nil
	case sqlstore.MySQL:
		return mySQL.withPrefix(prefix), nil
	case sqlstore.SQLite:
		return sqlite.withPrefix(prefix), nil
	}
	return statements{}, unknownDialect(d)
}

func unknownDialect(d sqlstore.Dialect) error {
	return fmt.Errorf("sqlstep: unknown dialect %q: use %q, %q or %q", d, sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite)
}

func (s statements) withPrefix(prefix string) statements {
	tables := strings.NewReplacer(
		"{sessions}", prefix+"sessions",
		"{steps}", prefix+"steps",
		"{submissions}", prefix+"submissions",
		"{changes}", prefix+"changes",
		"{version}", prefix+"version",
	)
	for _, text := range []*string{
		&s.insertSession, &s.insertStep, &s.lockSession, &s.moveSession, &s.findSteps,
		&s.moveStep, &s.insertSubmission, &s.findSubmission, &s.insertChange, &s.findChanges,
		&s.findDue, &s.findSession, &s.findVersion,
	} {
		*text = tables.Replace(*text)
	}
	return s
}
