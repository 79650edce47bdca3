package records

// A duplicate is known by error 1062: INSERT IGNORE would cut a key that is too
// long and take it for another, and the affected rows of ON DUPLICATE KEY UPDATE
// mean something else under the DSN's clientFoundRows.
//
// The wait for a key that is in flight is bounded for the one statement by SET
// STATEMENT, in a comment that only MariaDB executes. MySQL has nothing like it
// (its hint SET_VAR does not take innodb_lock_wait_timeout). Reads lock, so that
// they see what is committed and not the snapshot of a transaction of the caller's: in
// share mode, because the INSERTs of several duplicates share a lock on the record, and
// would be a deadlock if each then asked for its own.
var mySQL = Statements{
	Insert: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
VALUES (?, ?, ?, ?, 1, 1, {now} + ?, {now}, ?)`,

	Find: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
SELECT state, owner, token, attempts, lease_until - {now}, {now} - changed_at,
       fingerprint, result_status, result_type, result_body, last_error, {early}
FROM {table}
WHERE scope = ? AND id = ?
{share}`,

	FindDone: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
SELECT fingerprint, result_status, result_type, result_body, {early}
FROM {table}
WHERE scope = ? AND id = ? AND state = 2
{share}`,

	TakeOver: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
UPDATE {table}
SET state       = ?,
    owner       = ?,
    token       = token + 1,
    attempts    = attempts + ?,
    lease_until = {now} + ?,
    changed_at  = {now},
    fingerprint = coalesce(fingerprint, ?)
WHERE scope = ? AND id = ? AND token = ?
  AND (state = 3 OR state = 1 AND lease_until <= {now})`,

	Bury: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
UPDATE {table}
SET state = 4, changed_at = {now}
WHERE scope = ? AND id = ? AND token = ?
  AND (state = 3 OR state = 1 AND lease_until <= {now})`,

	Renew: `
UPDATE {table}
SET lease_until = {now} + ?, changed_at = {now}
WHERE scope = ? AND id = ? AND owner = ? AND token = ? AND state = 1`,

	Complete: `
UPDATE {table}
SET state = 2, changed_at = {now}, result_status = ?, result_type = ?, result_body = ?
WHERE scope = ? AND id = ? AND owner = ? AND token = ? AND state = 1`,

	Release: `
UPDATE {table}
SET state = ?, changed_at = {now}, last_error = ?, attempts = attempts - ?
WHERE scope = ? AND id = ? AND owner = ? AND token = ? AND state = 1`,

	AddResult: `
UPDATE {table}
SET result_status = ?, result_type = ?, result_body = ?
WHERE scope = ? AND id = ? AND owner = ? AND token = ? AND state = 2 AND result_status IS NULL`,

	// The assignments run from left to right, so the state, which all of them
	// ask for, comes last.
	Fail: `
INSERT INTO {table} (scope, id, state, last_error, attempts, fingerprint, owner, token, lease_until, changed_at)
VALUES (?, ?, ?, ?, ?, ?, '', 1, 0, {now})
ON DUPLICATE KEY UPDATE
    fingerprint = IF(state = 3 OR state = 1 AND lease_until <= VALUES(changed_at), coalesce(fingerprint, VALUES(fingerprint)), fingerprint),
    token      = IF(state = 3 OR state = 1 AND lease_until <= VALUES(changed_at), token + 1, token),
    attempts   = CASE WHEN state = 3 AND attempts > 0 AND changed_at > VALUES(changed_at) - ? THEN attempts
                      WHEN state = 3 OR state = 1 AND lease_until <= VALUES(changed_at) THEN attempts + VALUES(attempts)
                      ELSE attempts END,
    last_error = IF(state = 3 OR state = 1 AND lease_until <= VALUES(changed_at), VALUES(last_error), last_error),
    changed_at = IF(state = 3 OR state = 1 AND lease_until <= VALUES(changed_at), VALUES(changed_at), changed_at),
    state      = IF(state = 3 OR state = 1 AND lease_until <= VALUES(changed_at), IF(attempts >= ?, 4, 3), state)`,

	Retry: `
UPDATE {table}
SET state = 3, attempts = 0, changed_at = {now}
WHERE scope = ? AND id = ? AND state = 4`,

	Lookup: `
SELECT state, attempts, last_error, {now} - changed_at, lease_until - {now}
FROM {table}
WHERE scope = ? AND id = ?`,

	Forget: `
DELETE FROM {table}
WHERE scope = ? AND id = ? AND NOT (state = 1 AND lease_until > {now})`,

	ForgetPayload: `
DELETE FROM {table}_payloads
WHERE scope = ? AND id = ?`,

	// IGNORE would cut keys that are too long; their length has been checked.
	InsertBatch: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
INSERT IGNORE INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES {rows}`,

	BatchRow: `(?, ?, 2, ?, 1, 1, {now}, {now})`,

	FindBatch: `
SELECT scope, id
FROM {table}
WHERE (scope, id) IN ({rows}) AND owner = ?
{share}`,

	// An UPDATE that changes nothing would write no log. Leases are fenced by owner
	// and token, and a microsecond is nothing to a lease or to a purge.
	Flush: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
UPDATE {table}
SET lease_until = lease_until ^ 1
WHERE scope = ? AND id = ? AND state = ?`,

	// The INSERT that found the duplicate has left a shared lock on its record, and
	// so have others: changing that record would be a deadlock with them. No key has an
	// empty scope.
	Scratch: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES ('', ?, 3, '', 1, 1, 0, 0)`,

	Unscratch: `
/*M! SET STATEMENT innodb_lock_wait_timeout = {wait} FOR */
DELETE FROM {table}
WHERE scope = '' AND id = ?`,

	KeepPayload: `
INSERT INTO {table}_payloads (scope, id, delivery, body, changed_at)
VALUES (?, ?, ?, ?, {now})
ON DUPLICATE KEY UPDATE scope = VALUES(scope)`,

	FindPayload: `
SELECT delivery, body
FROM {table}_payloads
WHERE scope = ? AND id = ?`,

	// A comparison of (scope, id) as a row would not use the primary key.
	Failures: `
SELECT scope, id, state, attempts, last_error, {now} - changed_at
FROM {table}
WHERE (scope > ? OR scope = ? AND id > ?) AND (scope < ? OR scope = ? AND id <= ?)
  AND (state IN (3, 4) OR state = 1 AND lease_until <= {now})
ORDER BY scope, id
LIMIT ?`,

	NextKey: `
SELECT scope, id
FROM {table}
WHERE scope > ? OR scope = ? AND id > ?
ORDER BY scope, id
LIMIT 1 OFFSET ?`,

	NextPayload: `
SELECT scope, id
FROM {table}_payloads
WHERE scope > ? OR scope = ? AND id > ?
ORDER BY scope, id
LIMIT 1 OFFSET ?`,

	// DELETE has no SKIP LOCKED, and in a subquery of one it does nothing. So these
	// find keys, and Delete and DeletePayloads take them.
	Purge: `
SELECT scope, id
FROM {table}
WHERE (scope > ? OR scope = ? AND id > ?) AND (scope < ? OR scope = ? AND id <= ?)
  AND greatest(changed_at, lease_until) < {now} - ?
  AND NOT EXISTS (SELECT 1 FROM {table}_inbox AS i WHERE i.scope = {table}.scope AND i.id = {table}.id)
FOR UPDATE SKIP LOCKED`,

	PurgePayloads: `
SELECT scope, id
FROM {table}_payloads
WHERE (scope > ? OR scope = ? AND id > ?) AND (scope < ? OR scope = ? AND id <= ?)
  AND changed_at < {now} - ?
  AND NOT EXISTS (SELECT 1 FROM {table}_inbox AS i WHERE i.scope = {table}_payloads.scope AND i.id = {table}_payloads.id)
FOR UPDATE SKIP LOCKED`,

	// Left alone, the optimizer goes through a table of which most is to be deleted, and
	// waits for locked rows.
	Delete: `
/*M! SET STATEMENT sql_safe_updates = 0 FOR */
DELETE /*+ SET_VAR(sql_safe_updates = 0) */ r
FROM {table} AS r FORCE INDEX (PRIMARY)
WHERE {keys} AND greatest(changed_at, lease_until) < {now} - ?`,

	DeletePayloads: `
/*M! SET STATEMENT sql_safe_updates = 0 FOR */
DELETE /*+ SET_VAR(sql_safe_updates = 0) */ r
FROM {table}_payloads AS r FORCE INDEX (PRIMARY)
WHERE {keys} AND changed_at < {now} - ?`,

	Columns: `SELECT * FROM {table} WHERE 1 = 0`,
	Unsupported: `
SELECT CASE
    WHEN NOT @@autocommit THEN 'autocommit is off, so single statements would not be committed: set autocommit to 1'
    WHEN @@completion_type <> 'NO_CHAIN' THEN 'completion_type is not NO_CHAIN, so single statements would not be committed: set completion_type to NO_CHAIN'
    WHEN FIND_IN_SET('EMPTY_STRING_IS_NULL', @@sql_mode) THEN 'sql_mode has EMPTY_STRING_IS_NULL, with which failures could not be recorded: remove it'
    WHEN FIND_IN_SET('SIMULTANEOUS_ASSIGNMENT', @@sql_mode) THEN 'sql_mode has SIMULTANEOUS_ASSIGNMENT, which would record failures with a wrong state: remove it'
    ELSE ''
END`,
	Locate:        "SELECT concat('`', replace(database(), '`', '``'), '`'), @@max_allowed_packet, version() LIKE '%TiDB%'",
	TablesVersion: `SELECT version FROM {table}_version`,
	Version:       `SELECT version()`,
	Engine:        `SELECT version()`,
	Engines: `
SELECT table_name, engine
FROM information_schema.tables
WHERE table_schema = coalesce(nullif(?, ''), database()) AND table_name IN (?, ?, ?, ?) AND engine <> 'InnoDB'
ORDER BY table_name
LIMIT 1`,
}
