package records

// Each statement begins with a name, as those that sqlc generates: tracers of pgx can show
// that, and so does pg_stat_activity. It is no more than 45 bytes on the wire.
var postgreSQL = Statements{
	// A claim waits while another transaction has the same key in flight. In a
	// transaction the context bounds that: to set lock_timeout and to put it back
	// would cost a tenth of the whole transaction. ON CONFLICT names its columns so
	// that no other constraint is mistaken for a duplicate.
	Insert: `-- name: HookonceClaim :execrows
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
VALUES ($1::bytea, $2::bytea, $3::smallint, $4::bytea, 1, 1, {now} + $5::bigint, {now}, $6::bytea)
ON CONFLICT (scope, id) DO NOTHING`,

	// By itself it sets lock_timeout, which is as before when the statement ends.
	InsertAlone: `-- name: HookonceClaim :execrows
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
SELECT $1::bytea, $2::bytea, $3::smallint, $4::bytea, 1, 1, {now} + $5::bigint, {now}, $6::bytea
WHERE set_config('lock_timeout', {timeout}, true) IS NOT NULL
ON CONFLICT (scope, id) DO NOTHING`,

	// Until Unbound runs, no lock is waited for longer than the claim may. It is a
	// statement of its own, as the claim waits for a table that is locked before it
	// begins.
	Bound: `-- name: HookonceBound :exec
SELECT set_config('lock_timeout',
    CASE WHEN set_config('hookonce.lock_timeout', current_setting('lock_timeout'), true) IS NOT NULL THEN {timeout} END,
    true)`,

	// It raises division_by_zero if the key has a record, so that nothing that was sent
	// after it runs.
	InsertOrFail: `-- name: HookonceClaim :one
WITH claimed AS (
    INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
    VALUES ($1::bytea, $2::bytea, $3::smallint, $4::bytea, 1, 1, {now} + $5::bigint, {now}, $6::bytea)
    ON CONFLICT (scope, id) DO NOTHING
    RETURNING 1
)
SELECT 1 / count(*) FROM claimed`,

	Unbound: `-- name: HookonceUnbound :exec
SELECT set_config('lock_timeout', current_setting('hookonce.lock_timeout'), true)`,

	Find: `-- name: HookonceFind :one
SELECT state, owner, token, attempts, lease_until - {now}, {now} - changed_at,
       fingerprint, result_status, result_type, result_body, last_error, {early}
FROM {table}
WHERE scope = $1 AND id = $2`,

	FindDone: `-- name: HookonceFindDone :one
SELECT fingerprint, result_status, result_type, result_body, {early}
FROM {table}
WHERE scope = $1 AND id = $2 AND state = 2`,

	TakeOver: `-- name: HookonceTakeOver :execrows
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

	Bury: `-- name: HookonceBury :execrows
UPDATE {table}
SET state = 4, changed_at = {now}
WHERE scope = $1 AND id = $2 AND token = $3
  AND (state = 3 OR state = 1 AND lease_until <= {now}){bound}`,

	Renew: `-- name: HookonceRenew :execrows
UPDATE {table}
SET lease_until = {now} + $1::bigint, changed_at = {now}
WHERE scope = $2 AND id = $3 AND owner = $4 AND token = $5 AND state = 1`,

	Complete: `-- name: HookonceComplete :execrows
UPDATE {table}
SET state = 2, changed_at = {now}, result_status = $1, result_type = $2, result_body = $3
WHERE scope = $4 AND id = $5 AND owner = $6 AND token = $7 AND state = 1`,

	Release: `-- name: HookonceRelease :execrows
UPDATE {table}
SET state = $1, changed_at = {now}, last_error = $2, attempts = attempts - $3
WHERE scope = $4 AND id = $5 AND owner = $6 AND token = $7 AND state = 1`,

	AddResult: `-- name: HookonceAddResult :execrows
UPDATE {table}
SET result_status = $1, result_type = $2, result_body = $3
WHERE scope = $4 AND id = $5 AND owner = $6 AND token = $7 AND state = 2 AND result_status IS NULL`,

	// It runs after the work's transaction was rolled back. A record that
	// another delivery has completed, or is processing, stays as it is.
	Fail: `-- name: HookonceFail :execrows
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

	Retry: `-- name: HookonceRetry :execrows
UPDATE {table}
SET state = 3, attempts = 0, changed_at = {now}
WHERE scope = $1 AND id = $2 AND state = 4`,

	Lookup: `-- name: HookonceLookup :one
SELECT state, attempts, last_error, {now} - changed_at, lease_until - {now}
FROM {table}
WHERE scope = $1 AND id = $2`,

	Forget: `-- name: HookonceForget :execrows
DELETE FROM {table}
WHERE scope = $1 AND id = $2 AND NOT (state = 1 AND lease_until > {now})`,

	ForgetPayload: `-- name: HookonceForgetPayload :execrows
DELETE FROM {table}_payloads
WHERE scope = $1 AND id = $2`,

	InsertBatch: `-- name: HookonceClaimBatch :many
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES {rows}
ON CONFLICT (scope, id) DO NOTHING
RETURNING scope, id`,

	BatchRow: `($#1::bytea, $#2::bytea, 2, ''::bytea, 1, 1, {now}, {now})`,

	Flush: `-- name: HookonceFlush :execrows
SELECT 1
FROM {table}
WHERE scope = $1 AND id = $2 AND state = $3
FOR KEY SHARE`,

	KeepPayload: `-- name: HookonceKeepPayload :execrows
INSERT INTO {table}_payloads (scope, id, delivery, body, changed_at)
VALUES ($1, $2, $3, $4, {now})
ON CONFLICT (scope, id) DO NOTHING`,

	FindPayload: `-- name: HookonceFindPayload :one
SELECT delivery, body
FROM {table}_payloads
WHERE scope = $1 AND id = $2`,

	Failures: `-- name: HookonceFailures :many
SELECT scope, id, state, attempts, last_error, {now} - changed_at
FROM (SELECT *
      FROM {table}
      WHERE (scope, id) > ($1, $2)
      ORDER BY scope, id
      LIMIT {listed}) AS batch
WHERE (scope, id) <= ($3, $4) AND (state IN (3, 4) OR state = 1 AND lease_until <= {now})
ORDER BY scope, id
LIMIT $5`,

	NextKey: `-- name: HookonceNextKey :one
SELECT scope, id
FROM {table}
WHERE (scope, id) > ($1, $2)
ORDER BY scope, id
LIMIT 1 OFFSET $3`,

	NextPayload: `-- name: HookonceNextPayload :one
SELECT scope, id
FROM {table}_payloads
WHERE (scope, id) > ($1, $2)
ORDER BY scope, id
LIMIT 1 OFFSET $3`,

	// The rows are locked first, once, since DELETE has no SKIP LOCKED.
	Purge: `-- name: HookoncePurge :execrows
WITH free AS MATERIALIZED (
    SELECT scope, id
    FROM {table}
    WHERE {range}
      AND greatest(changed_at, lease_until) < {now} - $4::bigint
      AND NOT EXISTS (SELECT FROM {table}_inbox AS i WHERE i.scope = {table}.scope AND i.id = {table}.id)
    FOR UPDATE SKIP LOCKED
)
DELETE FROM {table}
WHERE {found}
  AND greatest(changed_at, lease_until) < {now} - $4::bigint`,

	PurgePayloads: `-- name: HookoncePurgePayloads :execrows
WITH free AS MATERIALIZED (
    SELECT scope, id
    FROM {table}_payloads
    WHERE {range}
      AND changed_at < {now} - $4::bigint
      AND NOT EXISTS (SELECT FROM {table}_inbox AS i WHERE i.scope = {table}_payloads.scope AND i.id = {table}_payloads.id)
    FOR UPDATE SKIP LOCKED
)
DELETE FROM {table}_payloads
WHERE {found}
  AND changed_at < {now} - $4::bigint`,

	Columns: `-- name: HookonceColumns :many
SELECT * FROM {table} WHERE 1 = 0`,
	Unsupported: `-- name: HookonceUnsupported :one
SELECT coalesce((
    SELECT format('table %1$s is UNLOGGED, so a crash would empty it: run ALTER TABLE %1$s SET LOGGED', relname)
    FROM pg_class
    WHERE oid IN (to_regclass({name}), to_regclass({name} || '_inbox'), to_regclass({name} || '_payloads'), to_regclass({name} || '_groups'))
      AND relpersistence = 'u'
    ORDER BY relname
    LIMIT 1
), '')`,
	Locate: `-- name: HookonceLocate :one
SELECT quote_ident(nspname), 0, false
FROM pg_namespace
WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass({name}) AND relpersistence <> 't')`,
	TablesVersion: `-- name: HookonceTablesVersion :one
SELECT version FROM {table}_version`,
	Version: `-- name: HookonceVersion :one
SHOW server_version_num`,
	Engine: `-- name: HookonceEngine :one
SELECT version()`,
}
