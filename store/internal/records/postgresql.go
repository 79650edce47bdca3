package records

var postgreSQL = Statements{
	// A claim waits while another transaction has the same key in flight. In a
	// transaction the context bounds that: to set lock_timeout and to put it back
	// would cost a tenth of the whole transaction. ON CONFLICT names its columns so
	// that no other constraint is mistaken for a duplicate.
	Insert: `
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
VALUES ($1::bytea, $2::bytea, $3::smallint, $4::bytea, 1, 1, {now} + $5::bigint, {now}, $6::bytea)
ON CONFLICT (scope, id) DO NOTHING`,

	// By itself it sets lock_timeout, which is as before when the statement ends.
	InsertAlone: `
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
SELECT $1::bytea, $2::bytea, $3::smallint, $4::bytea, 1, 1, {now} + $5::bigint, {now}, $6::bytea
WHERE set_config('lock_timeout', {timeout}, true) IS NOT NULL
ON CONFLICT (scope, id) DO NOTHING`,

	// Until Unbound runs, no lock is waited for longer than the claim may. It is a
	// statement of its own, as the claim waits for a table that is locked before it
	// begins.
	Bound: `
SELECT set_config('lock_timeout',
    CASE WHEN set_config('hookonce.lock_timeout', current_setting('lock_timeout'), true) IS NOT NULL THEN {timeout} END,
    true)`,

	// It raises division_by_zero if the key has a record, so that nothing that was sent
	// after it runs.
	InsertOrFail: `
WITH claimed AS (
    INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
    VALUES ($1::bytea, $2::bytea, $3::smallint, $4::bytea, 1, 1, {now} + $5::bigint, {now}, $6::bytea)
    ON CONFLICT (scope, id) DO NOTHING
    RETURNING 1
)
SELECT 1 / count(*) FROM claimed`,

	Unbound: `SELECT set_config('lock_timeout', current_setting('hookonce.lock_timeout'), true)`,

	Find: `
SELECT state, owner, token, attempts, lease_until - {now}, {now} - changed_at,
       fingerprint, result_status, result_type, result_body, last_error, {early}
FROM {table}
WHERE scope = $1 AND id = $2`,

	FindDone: `
SELECT fingerprint, result_status, result_type, result_body, {early}
FROM {table}
WHERE scope = $1 AND id = $2 AND state = 2`,

	TakeOver: `
UPDATE {table}
SET state       = $1,
    owner       = $2,
    token       = token + 1,
    attempts    = attempts + $3::integer,
    lease_until = {now} + $4::bigint,
    changed_at  = {now},
    fingerprint = coalesce(fingerprint, $5::bytea)
WHERE scope = $6 AND id = $7 AND token = $8
  AND (state = 3 OR state = 1 AND lease_until <= {now}){bound}`,

	Bury: `
UPDATE {table}
SET state = 4, changed_at = {now}
WHERE scope = $1 AND id = $2 AND token = $3
  AND (state = 3 OR state = 1 AND lease_until <= {now}){bound}`,

	Renew: `
UPDATE {table}
SET lease_until = {now} + $1::bigint, changed_at = {now}
WHERE scope = $2 AND id = $3 AND owner = $4 AND token = $5 AND state = 1`,

	Complete: `
UPDATE {table}
SET state = 2, changed_at = {now}, result_status = $1, result_type = $2, result_body = $3
WHERE scope = $4 AND id = $5 AND owner = $6 AND token = $7 AND state = 1`,

	Release: `
UPDATE {table}
SET state = $1, changed_at = {now}, last_error = $2, attempts = attempts - $3
WHERE scope = $4 AND id = $5 AND owner = $6 AND token = $7 AND state = 1`,

	AddResult: `
UPDATE {table}
SET result_status = $1, result_type = $2, result_body = $3
WHERE scope = $4 AND id = $5 AND owner = $6 AND token = $7 AND state = 2 AND result_status IS NULL`,

	// It runs after the work's transaction was rolled back. A record that
	// another delivery has completed, or is processing, stays as it is.
	Fail: `
INSERT INTO {table} AS r (scope, id, state, owner, token, attempts, lease_until, changed_at, last_error, fingerprint)
VALUES ($1, $2, $3, '', 1, $5::integer, 0, {now}, $4, $6::bytea)
ON CONFLICT (scope, id) DO UPDATE
SET state      = CASE WHEN r.attempts + CASE WHEN r.state = 3 AND r.attempts > 0 AND r.changed_at > excluded.changed_at - $7::bigint THEN 0 ELSE excluded.attempts END >= $8 THEN 4 ELSE 3 END,
    token      = r.token + 1,
    attempts   = r.attempts + CASE WHEN r.state = 3 AND r.attempts > 0 AND r.changed_at > excluded.changed_at - $7::bigint THEN 0 ELSE excluded.attempts END,
    changed_at = excluded.changed_at,
    last_error = excluded.last_error,
    fingerprint = coalesce(r.fingerprint, excluded.fingerprint)
WHERE r.state = 3 OR r.state = 1 AND r.lease_until <= excluded.changed_at`,

	Retry: `
UPDATE {table}
SET state = 3, attempts = 0, changed_at = {now}
WHERE scope = $1 AND id = $2 AND state = 4`,

	Lookup: `
SELECT state, attempts, last_error, {now} - changed_at, lease_until - {now}
FROM {table}
WHERE scope = $1 AND id = $2`,

	Forget: `
DELETE FROM {table}
WHERE scope = $1 AND id = $2 AND NOT (state = 1 AND lease_until > {now})`,

	ForgetPayload: `
DELETE FROM {table}_payloads
WHERE scope = $1 AND id = $2`,

	InsertBatch: `
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES {rows}
ON CONFLICT (scope, id) DO NOTHING
RETURNING scope, id`,

	BatchRow: `($#1::bytea, $#2::bytea, 2, ''::bytea, 1, 1, {now}, {now})`,

	Flush: `
SELECT 1
FROM {table}
WHERE scope = $1 AND id = $2 AND state = $3
FOR KEY SHARE`,

	KeepPayload: `
INSERT INTO {table}_payloads (scope, id, delivery, body, changed_at)
VALUES ($1, $2, $3, $4, {now})
ON CONFLICT (scope, id) DO NOTHING`,

	FindPayload: `
SELECT delivery, body
FROM {table}_payloads
WHERE scope = $1 AND id = $2`,

	Failures: `
SELECT scope, id, state, attempts, last_error, {now} - changed_at
FROM {table}
WHERE (scope, id) > ($1, $2) AND (state IN (3, 4) OR state = 1 AND lease_until <= {now})
ORDER BY scope, id
LIMIT $3`,

	NextKey: `
SELECT scope, id
FROM {table}
WHERE (scope, id) > ($1, $2)
ORDER BY scope, id
LIMIT 1 OFFSET $3`,

	NextPayload: `
SELECT scope, id
FROM {table}_payloads
WHERE (scope, id) > ($1, $2)
ORDER BY scope, id
LIMIT 1 OFFSET $3`,

	// The upper bound of a comparison of rows does not end the scan of an index, so
	// the innermost SELECT has a LIMIT instead: a batch, and as many again that may
	// have come in between. In a partitioned table a ctid is of one row in each
	// partition, so the age is asked for again.
	Purge: `
DELETE FROM {table}
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM {table}
    WHERE ctid = ANY (ARRAY(
        SELECT ctid
        FROM {table}
        WHERE (scope, id) > ($1, $2)
        ORDER BY scope, id
        LIMIT {reach}
    ))
      AND (scope, id) <= ($3, $4)
      AND greatest(changed_at, lease_until) < {now} - $5::bigint
    FOR UPDATE SKIP LOCKED
))
  AND greatest(changed_at, lease_until) < {now} - $5::bigint`,

	PurgePayloads: `
DELETE FROM {table}_payloads
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM {table}_payloads
    WHERE ctid = ANY (ARRAY(
        SELECT ctid
        FROM {table}_payloads
        WHERE (scope, id) > ($1, $2)
        ORDER BY scope, id
        LIMIT {reach}
    ))
      AND (scope, id) <= ($3, $4)
      AND changed_at < {now} - $5::bigint
    FOR UPDATE SKIP LOCKED
))
  AND changed_at < {now} - $5::bigint`,

	Columns: `SELECT * FROM {table} WHERE 1 = 0`,
	Unsupported: `
SELECT CASE WHEN EXISTS (SELECT FROM pg_class WHERE oid = to_regclass({name}) AND relpersistence = 'u')
    THEN format('table %1$s is UNLOGGED, so a crash would empty it: run ALTER TABLE %1$s SET LOGGED', {name})
    ELSE ''
END`,
	Locate: `
SELECT quote_ident(nspname), 0
FROM pg_namespace
WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass({name}) AND relpersistence <> 't')`,
	TablesVersion: `SELECT version FROM {table}_version`,
	Version:       `SHOW server_version_num`,
}
