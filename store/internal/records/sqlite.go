package records

// The clock is read by julianday, whose 'now' has milliseconds in every version that
// we support.
//
// The INSERT is the transaction's first statement, so that even a deferred BEGIN
// takes the write lock before it has read anything: an upgrade of a read
// transaction fails at once if another connection has written, and no busy timeout
// helps.
var sqlite = Statements{
	Insert: `
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
VALUES (?1, ?2, ?3, ?4, 1, 1, {now} + ?5, {now}, ?6)
ON CONFLICT (scope, id) DO NOTHING
RETURNING 1`,

	Find: `
SELECT state, owner, token, attempts, lease_until - {now}, {now} - changed_at,
       fingerprint, result_status, result_type, result_body, last_error, {early}
FROM {table}
WHERE scope = ?1 AND id = ?2`,

	FindDone: `
SELECT fingerprint, result_status, result_type, result_body, {early}
FROM {table}
WHERE scope = ?1 AND id = ?2 AND state = 2
  AND NOT (SELECT read_uncommitted FROM pragma_read_uncommitted)`,

	TakeOver: `
UPDATE {table}
SET state       = ?1,
    owner       = ?2,
    token       = token + 1,
    attempts    = attempts + ?3,
    lease_until = {now} + ?4,
    changed_at  = {now},
    fingerprint = coalesce(fingerprint, ?5)
WHERE scope = ?6 AND id = ?7 AND token = ?8
  AND (state = 3 OR state = 1 AND lease_until <= {now})`,

	Bury: `
UPDATE {table}
SET state = 4, changed_at = {now}
WHERE scope = ?1 AND id = ?2 AND token = ?3
  AND (state = 3 OR state = 1 AND lease_until <= {now})`,

	Renew: `
UPDATE {table}
SET lease_until = {now} + ?1, changed_at = {now}
WHERE scope = ?2 AND id = ?3 AND owner = ?4 AND token = ?5 AND state = 1`,

	Complete: `
UPDATE {table}
SET state = 2, changed_at = {now}, result_status = ?1, result_type = ?2, result_body = ?3
WHERE scope = ?4 AND id = ?5 AND owner = ?6 AND token = ?7 AND state = 1`,

	Release: `
UPDATE {table}
SET state = ?1, changed_at = {now}, last_error = ?2, attempts = attempts - ?3
WHERE scope = ?4 AND id = ?5 AND owner = ?6 AND token = ?7 AND state = 1`,

	AddResult: `
UPDATE {table}
SET result_status = ?1, result_type = ?2, result_body = ?3
WHERE scope = ?4 AND id = ?5 AND owner = ?6 AND token = ?7 AND state = 2 AND result_status IS NULL`,

	Fail: `
INSERT INTO {table} AS r (scope, id, state, owner, token, attempts, lease_until, changed_at, last_error, fingerprint)
VALUES (?1, ?2, ?3, x'', 1, ?5, 0, {now}, ?4, ?6)
ON CONFLICT (scope, id) DO UPDATE
SET state      = CASE WHEN r.attempts + CASE WHEN r.state = 3 AND r.attempts > 0 AND r.changed_at > excluded.changed_at - ?7 THEN 0 ELSE excluded.attempts END >= ?8 THEN 4 ELSE 3 END,
    token      = r.token + 1,
    attempts   = r.attempts + CASE WHEN r.state = 3 AND r.attempts > 0 AND r.changed_at > excluded.changed_at - ?7 THEN 0 ELSE excluded.attempts END,
    changed_at = excluded.changed_at,
    last_error = excluded.last_error,
    fingerprint = coalesce(r.fingerprint, excluded.fingerprint)
WHERE r.state = 3 OR r.state = 1 AND r.lease_until <= excluded.changed_at`,

	Retry: `
UPDATE {table}
SET state = 3, attempts = 0, changed_at = {now}
WHERE scope = ?1 AND id = ?2 AND state = 4`,

	Lookup: `
SELECT state, attempts, last_error, {now} - changed_at, lease_until - {now}
FROM {table}
WHERE scope = ?1 AND id = ?2`,

	Forget: `
DELETE FROM {table}
WHERE scope = ?1 AND id = ?2 AND NOT (state = 1 AND lease_until > {now})`,

	ForgetPayload: `
DELETE FROM {table}_payloads
WHERE scope = ?1 AND id = ?2`,

	InsertBatch: `
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES {rows}
ON CONFLICT (scope, id) DO NOTHING
RETURNING scope, id`,

	BatchRow: `(?#1, ?#2, 2, x'', 1, 1, {now}, {now})`,

	KeepPayload: `
INSERT INTO {table}_payloads (scope, id, delivery, body, changed_at)
VALUES (?1, ?2, ?3, ?4, {now})
ON CONFLICT (scope, id) DO NOTHING`,

	FindPayload: `
SELECT delivery, body
FROM {table}_payloads
WHERE scope = ?1 AND id = ?2`,

	Failures: `
SELECT scope, id, state, attempts, last_error, {now} - changed_at
FROM (SELECT *
      FROM {table}
      WHERE (scope, id) > (?1, ?2)
      ORDER BY scope, id
      LIMIT {listed}) AS batch
WHERE (scope, id) <= (?3, ?4) AND (state IN (3, 4) OR state = 1 AND lease_until <= {now})
ORDER BY scope, id
LIMIT ?5`,

	NextKey: `
SELECT scope, id
FROM {table}
WHERE (scope, id) > (?1, ?2)
ORDER BY scope, id
LIMIT 1 OFFSET ?3`,

	NextPayload: `
SELECT scope, id
FROM {table}_payloads
WHERE (scope, id) > (?1, ?2)
ORDER BY scope, id
LIMIT 1 OFFSET ?3`,

	Purge: `
DELETE FROM {table}
WHERE (scope, id) > (?1, ?2) AND (scope, id) <= (?3, ?4)
  AND max(changed_at, lease_until) < {now} - ?5
  AND NOT EXISTS (SELECT 1 FROM {table}_inbox AS i WHERE i.scope = {table}.scope AND i.id = {table}.id)`,

	PurgePayloads: `
DELETE FROM {table}_payloads
WHERE (scope, id) > (?1, ?2) AND (scope, id) <= (?3, ?4) AND changed_at < {now} - ?5
  AND NOT EXISTS (SELECT 1 FROM {table}_inbox AS i WHERE i.scope = {table}_payloads.scope AND i.id = {table}_payloads.id)`,

	InsertText: `
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES (CAST(?1 AS TEXT), CAST(?1 AS TEXT), 1, x'', 1, 1, 0, 0)`,

	Columns:       `SELECT * FROM {table} WHERE 1 = 0`,
	TablesVersion: `SELECT version FROM {table}_version`,
	Version:       `SELECT sqlite_version()`,
	Engine:        `SELECT sqlite_version()`,
}
