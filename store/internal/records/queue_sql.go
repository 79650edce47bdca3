package records

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

// The statements of an inbox's queue are the same in every dialect but for the words of
// queueWords. Their first line is a name for tracers on PostgreSQL. {keys} is the
// condition that a row is of one of some keys, {rows} a list of new rows.
//
// An entry's due_at is, of one that is waiting, when it may be dequeued; of one that is in
// flight, when its lease ends; of a dead one, when it died. The order in which a group's
// entries were committed is that of their rows in the table of groups. Who adds or removes
// one holds the lock of the group's row 0.
const (
	// Which of the keys are in the queue, or have a record that is Done: for those the
	// state is 0.
	queueKnown = `-- name: HookonceInboxKnown :many
SELECT scope, id, state, fingerprint, {early}
FROM {table}_inbox
WHERE {keys}
UNION ALL
SELECT scope, id, 0, fingerprint, {early}
FROM {table}
WHERE {keys} AND state = 2`

	queueAdd = `-- name: HookonceInboxAdd :execrows
INSERT INTO {table}_inbox (scope, id, endpoint, state, group_name, fingerprint, due_at, accepted_at, token, attempts, copies)
VALUES {rows}`
	queueAddRow = `({bytes}, {bytes}, {bytes}, {int}, {bytes}, {bytes}, {now}, {now}, 0, 0, 0)`

	// All of it in one statement, for PostgreSQL, whose text and plan are the same for any
	// number of entries. It returns what it has added. A copy that was added in the same
	// microsecond may stand in the way in the index of due times first.
	queueAddAll = `-- name: HookonceInboxAddAll :many
WITH given AS (
    SELECT *
    FROM unnest(?::bytea[], ?::bytea[], ?::bytea[], ?::bytea[], ?::text[], ?::bytea[])
        AS g (scope, id, endpoint, fingerprint, delivery, body)
),
added AS (
    INSERT INTO {table}_inbox (scope, id, endpoint, state, group_name, fingerprint, due_at, accepted_at, token, attempts, copies)
    SELECT scope, id, endpoint, 1, '', fingerprint, {now}, {now}, 0, 0, 0
    FROM given AS g
    WHERE NOT EXISTS (SELECT FROM {table}_inbox AS i WHERE i.scope = g.scope AND i.id = g.id)
      AND NOT EXISTS (SELECT FROM {table} AS r WHERE r.scope = g.scope AND r.id = g.id AND r.state = 2)
    ON CONFLICT DO NOTHING
    RETURNING scope, id
),
kept AS (
    INSERT INTO {table}_payloads (scope, id, delivery, body, changed_at)
    SELECT scope, id, delivery, body, {now}
    FROM added JOIN given USING (scope, id)
    ON CONFLICT (scope, id) DO NOTHING
)
SELECT scope, id FROM added`

	queueKeep = `-- name: HookonceInboxKeep :execrows
INSERT INTO {table}_payloads (scope, id, delivery, body, changed_at)
VALUES {rows}
{unless}`
	queueKeepRow = `({bytes}, {bytes}, {text}, {bytes}, {now})`

	queueTouch = `-- name: HookonceInboxTouch :execrows
UPDATE {table}_inbox
SET copies = copies + 1
WHERE scope = ? AND id = ?`

	queuePick = `-- name: HookonceInboxPick :many
SELECT scope, id, token, attempts, fingerprint, {now} - accepted_at
FROM {table}_inbox{index}
WHERE {of} AND due_at > ? AND due_at <= {clock}
ORDER BY {due_at}
LIMIT ?
{skip}`

	queueClaim = `-- name: HookonceInboxDequeue :execrows
UPDATE {table}_inbox
SET state = 2, due_at = {now} + ?, token = token + 1, attempts = attempts + 1
WHERE {keys}`

	queueDue = `-- name: HookonceInboxDue :one
SELECT {clock}{due}`
	queueDuePart = `,
    (SELECT due_at FROM {table}_inbox{index} WHERE {of} AND due_at > ? AND due_at <= {clock} ORDER BY {due_at} LIMIT 1)`

	queueExtend = `-- name: HookonceInboxExtend :execrows
UPDATE {table}_inbox
SET due_at = {now} + ?
WHERE scope = ? AND id = ? AND token = ? AND state = 2`

	queueHeld = `-- name: HookonceInboxHeld :many
SELECT scope, id, token, group_name
FROM {table}_inbox
WHERE {keys} AND state = 2
{lock}`

	queueRemove = `-- name: HookonceInboxRemove :execrows
DELETE FROM {table}_inbox WHERE {keys}`
	queueRemoveBody = `-- name: HookonceInboxRemovePayload :execrows
DELETE FROM {table}_payloads WHERE {keys}`

	queuePostpone = `-- name: HookonceInboxPostpone :execrows
UPDATE {table}_inbox
SET state = 1, due_at = {now} + ?, attempts = attempts - ?, last_error = coalesce(?, last_error)
WHERE scope = ? AND id = ?`

	queueBury = `-- name: HookonceInboxBury :execrows
UPDATE {table}_inbox
SET state = 4, due_at = {now}, last_error = coalesce(?, last_error)
WHERE scope = ? AND id = ?`

	queueEntry = `-- name: HookonceInboxEntry :one
SELECT scope, id, state, group_name, attempts, last_error, {now} - accepted_at, due_at - {now}, due_at
FROM {table}_inbox
WHERE scope = ? AND id = ?`

	queueEntries = `-- name: HookonceInboxEntries :many
SELECT scope, id, state, group_name, attempts, last_error, {now} - accepted_at, due_at - {now}, due_at
FROM {table}_inbox{index}
WHERE {of} AND due_at >= ? AND (due_at > ? OR scope > ? OR scope = ? AND id > ?)
ORDER BY {due_at}, scope, id
LIMIT ?`

	queueCount = `-- name: HookonceInboxCount :one
SELECT count(*)
FROM (SELECT 1 FROM {table}_inbox{index} WHERE {of} LIMIT ?) AS counted`

	queueRevive = `-- name: HookonceInboxRevive :execrows
UPDATE {table}_inbox
SET state = ?, due_at = {now}, attempts = 0
WHERE scope = ? AND id = ? AND state = 4`

	queueLockGroup = `-- name: HookonceInboxLockGroup :execrows
INSERT INTO {table}_groups (scope, group_name, place, id, last_place)
VALUES ({bytes}, {bytes}, 0, {empty}, {int})
{orAdd}`
	queueLast = `-- name: HookonceInboxLastPlace :one
SELECT last_place FROM {table}_groups WHERE scope = ? AND group_name = ? AND place = 0`
	queueJoin = `-- name: HookonceInboxJoin :execrows
INSERT INTO {table}_groups (scope, group_name, place, id, last_place) VALUES ({bytes}, {bytes}, {int}, {bytes}, 0)`
	queueFirst = `-- name: HookonceInboxFirst :one
SELECT id FROM {table}_groups WHERE scope = ? AND group_name = ? AND place > 0 ORDER BY place LIMIT 1`
	queueLeave = `-- name: HookonceInboxLeave :execrows
DELETE FROM {table}_groups WHERE scope = ? AND group_name = ? AND id = ? AND place > 0`
	queueDrop = `-- name: HookonceInboxDropGroup :execrows
DELETE FROM {table}_groups WHERE scope = ? AND group_name = ? AND place = 0`

	queueUnblock = `-- name: HookonceInboxUnblock :execrows
UPDATE {table}_inbox
SET state = 1, due_at = {now}
WHERE scope = ? AND id = ? AND state = 3`

	queueRevivable = `-- name: HookonceInboxFindRecord :one
SELECT state FROM {table} WHERE scope = ? AND id = ?`
	queueHasBody = `-- name: HookonceInboxFindPayload :one
SELECT 1 FROM {table}_payloads WHERE scope = ? AND id = ?`

	queuePlanner = `-- name: HookonceInboxPlanner :one
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)`
)

// queueWords are what differs between the dialects. The clock is a subquery so that
// PostgreSQL, whose clock changes within a statement, can compare it with an index.
var queueWords = map[Dialect][]string{
	PostgreSQL: {
		"{clock}", `(SELECT {now})`,
		"{bytes}", `?::bytea`, "{text}", `?::text`, "{int}", `?::bigint`, "{empty}", `''::bytea`,
		"{unless}", `ON CONFLICT (scope, id) DO NOTHING`,
		"{orAdd}", `ON CONFLICT (scope, group_name, place) DO UPDATE SET last_place = {table}_groups.last_place + excluded.last_place`,
		"{skip}", `FOR UPDATE SKIP LOCKED`,
		"{lock}", `FOR UPDATE`,
	},
	MySQL: {
		"{clock}", `{now}`,
		"{bytes}", `?`, "{text}", `?`, "{int}", `?`, "{empty}", `''`,
		"{unless}", `ON DUPLICATE KEY UPDATE changed_at = changed_at`,
		"{orAdd}", `ON DUPLICATE KEY UPDATE last_place = last_place + VALUES(last_place)`,
		"{skip}", `FOR UPDATE SKIP LOCKED`,
		"{lock}", `FOR UPDATE`,
	},
	SQLite: {
		"{clock}", `{now}`,
		"{bytes}", `?`, "{text}", `?`, "{int}", `?`, "{empty}", `x''`,
		"{unless}", `ON CONFLICT (scope, id) DO NOTHING`,
		"{orAdd}", `ON CONFLICT (scope, group_name, place) DO UPDATE SET last_place = last_place + excluded.last_place`,
		"{skip}", ``,
		"{lock}", ``,
	},
}

// Text is a statement for the table, which may have the words of queueWords in it.
func (t *Table) Text(text string, more ...string) string {
	if len(more) > 0 {
		text = strings.NewReplacer(more...).Replace(text)
	}
	text = strings.NewReplacer(queueWords[t.Dialect]...).Replace(text)
	text = strings.NewReplacer("{table}", t.texts.Load().name, "{now}", now[t.Dialect], "{early}", early[t.Dialect]).Replace(text)
	if t.Dialect == PostgreSQL {
		return number(text)
	}
	if name, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(name, "-- name:") {
		return rest // only pgx's tracers look for it
	}
	return text
}

// number replaces question marks by $1, $2 and so on.
func number(text string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		text = after
	}
}

// entriesOf is the words of a statement that reads, in order of their times, the entries of
// an endpoint in a state, which is a literal because PostgreSQL chooses the index for it.
// Left alone, MariaDB begins with the first of them instead of with those of a given time,
// if it is given equalities, or reads, and locks, the whole table.
func (t *Table) entriesOf(s inbox.State) []string {
	if t.Dialect == MySQL {
		return []string{
			"{index}", " FORCE INDEX (due)",
			"{of}", fmt.Sprintf("endpoint >= ? AND endpoint <= ? AND state >= %d AND state <= %[1]d", s),
			"{due_at}", "endpoint, state, due_at",
		}
	}
	return []string{
		"{index}", "",
		"{of}", fmt.Sprintf("endpoint = ? AND state = %d", s),
		"{due_at}", "due_at",
	}
}

// endpointArgs is the parameters of entriesOf's condition.
func (t *Table) endpointArgs(name string) []any {
	if t.Dialect == MySQL {
		return []any{[]byte(name), []byte(name)}
	}
	return []any{[]byte(name)}
}

// keysOf is the condition that a row is of one of n keys. Given a list of one, UPDATE and
// DELETE of MariaDB read, and lock, the whole table.
func (t *Table) keysOf(n int) string {
	if n == 1 {
		return "scope = ? AND id = ?"
	}
	list := strings.TrimSuffix(strings.Repeat("(?, ?), ", n), ", ")
	if t.Dialect == SQLite {
		list = "VALUES " + list
	}
	return "(scope, id) IN (" + list + ")"
}

// rowsOf is n rows as a list.
func rowsOf(row string, n int) string {
	return strings.TrimSuffix(strings.Repeat(row+",\n       ", n), ",\n       ")
}

// KeyArgs returns keys as parameters.
func KeyArgs(keys []idempotency.Key) (args []any) {
	for _, key := range keys {
		args = append(args, []byte(key.Scope), []byte(key.ID))
	}
	return args
}

// An array is a parameter of PostgreSQL's: the elements of an array, as text, which every
// driver can send.
type array struct{ text []byte }

func (a *array) next() {
	if a.text == nil {
		a.text = append(a.text, '{')
	} else {
		a.text = append(a.text, ',')
	}
}

func (a *array) addBytes(b []byte) {
	a.next()
	a.text = append(a.text, `"\\x`...)
	a.text = hex.AppendEncode(a.text, b)
	a.text = append(a.text, '"')
}

func (a *array) addNull() {
	a.next()
	a.text = append(a.text, "NULL"...)
}

func (a *array) addText(s string) {
	a.next()
	a.text = append(a.text, '"')
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' {
			a.text = append(a.text, '\\')
		}
		a.text = append(a.text, c)
	}
	a.text = append(a.text, '"')
}

func (a *array) String() string { return string(append(a.text, '}')) }
