package records

import (
	"bytes"
	"strings"
)

// PurgeBatch is how many records a purge looks at in one statement: few enough that it
// holds its locks for milliseconds.
const PurgeBatch = 250

// A Position is a key that a batch starts after or ends with.
type Position struct{ Scope, ID []byte }

// After returns the parameters of a condition on the key.
func (p Position) After(d Dialect) []any {
	if d == MySQL {
		return []any{p.Scope, p.Scope, p.ID}
	}
	return []any{p.Scope, p.ID}
}

// A purge of PostgreSQL's deletes from a range of keys within a scope, or from one that
// ends before a scope: the upper bound of a comparison of rows would not end the scan of
// an index. What it has found it deletes by the list of it alone: a planner expects less of
// a range than there is, and would go through the list again for each row.
var (
	withinScope = strings.NewReplacer(
		"{range}", "scope = $1 AND id > $2 AND id <= $3",
		"{found}", "scope = $1 AND id = ANY (ARRAY(SELECT id FROM free))")
	beforeScope = strings.NewReplacer(
		"{range}", "(scope, id) > ($1, $2) AND scope < $3",
		"{found}", "(scope, id) IN (SELECT scope, id FROM free)")
)

// PurgeBetween returns query, which is Purge or PurgePayloads, for the keys after from up
// to to, its parameters but for the age, and the key that it ends with, which may come
// before to.
func (t *Table) PurgeBetween(query string, from, to Position) (text string, args []any, end Position) {
	switch {
	case t.Dialect != PostgreSQL:
		return query, append(from.After(t.Dialect), to.After(t.Dialect)...), to
	case bytes.Equal(from.Scope, to.Scope):
		return withinScope.Replace(query), []any{from.Scope, from.ID, to.ID}, to
	}
	end = Position{Scope: to.Scope, ID: []byte{}}
	return beforeScope.Replace(query), []any{from.Scope, from.ID, to.Scope}, end
}

// DeleteKeys returns query, which is Delete or DeletePayloads, for n keys.
func (t *Table) DeleteKeys(query string, n int) string {
	return strings.ReplaceAll(query, "{keys}", t.keysOf(n))
}
