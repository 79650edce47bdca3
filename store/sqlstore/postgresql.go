package sqlstore

// The times are microseconds since 1970 by clock_timestamp(): now() stands still
// at the beginning of the transaction, and a lease would be shorter by all that
// the transaction has waited. Keys are bytea, which no collation can merge and
// which holds every byte.
var postgreSQL = statements{
	create: `
CREATE TABLE IF NOT EXISTS {table} (
    scope         bytea    NOT NULL,
    id            bytea    NOT NULL,
    state         smallint NOT NULL CHECK (state BETWEEN 1 AND 4), -- claimed, done, released, dead
    owner         bytea    NOT NULL,
    token         bigint   NOT NULL,
    attempts      integer  NOT NULL,
    lease_until   bigint   NOT NULL,                               -- microseconds since 1970
    changed_at    bigint   NOT NULL,                               -- microseconds since 1970
    fingerprint   bytea,
    result_status integer,
    result_type   text,
    result_body   bytea,
    last_error    text,
    PRIMARY KEY (scope, id)
)`,

	// A claim waits while another transaction has the same key in flight. The
	// wait is bounded by lock_timeout, which is set before the INSERT, and put
	// back for the work when the INSERT has won, all in this one statement: two
	// more would cost two round trips for each event. ON CONFLICT names its
	// columns so that no other constraint is mistaken for a duplicate.
	insertDone: `
WITH waiting AS MATERIALIZED (
    SELECT current_setting('lock_timeout') AS was, set_config('lock_timeout', $4, true)
)
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
SELECT $1::bytea, $2::bytea, 2, '', 1, 1, 0, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $3::bytea
FROM waiting
ON CONFLICT (scope, id) DO NOTHING
RETURNING (SELECT set_config('lock_timeout', was, true) FROM waiting)`,

	takeOver: `
UPDATE {table}
SET state       = 2,
    owner       = '',
    token       = token + 1,
    attempts    = attempts + 1,
    lease_until = 0,
    changed_at  = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    fingerprint = coalesce(fingerprint, $4::bytea)
WHERE scope = $1 AND id = $2 AND token = $3
  AND (state = 3 OR state = 1 AND lease_until <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)`,

	find: `
SELECT state, owner, token, attempts,
       lease_until - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       fingerprint, result_status, result_type, result_body, last_error
FROM {table}
WHERE scope = $1 AND id = $2`,

	// It runs after the work's transaction was rolled back. A record that
	// somebody else has finished, or is working on, stays as it is.
	fail: `
INSERT INTO {table} AS r (scope, id, state, owner, token, attempts, lease_until, changed_at, last_error)
VALUES ($1, $2, CASE WHEN 1 >= $4 THEN 4 ELSE 3 END, '', 1, 1, 0, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $3)
ON CONFLICT (scope, id) DO UPDATE
SET state      = CASE WHEN r.attempts + 1 >= $4 THEN 4 ELSE 3 END,
    token      = r.token + 1,
    attempts   = r.attempts + 1,
    changed_at = excluded.changed_at,
    last_error = excluded.last_error
WHERE r.state = 3 OR r.state = 1 AND r.lease_until <= excluded.changed_at`,

	keepResult: `
UPDATE {table}
SET result_status = $3, result_type = $4, result_body = $5
WHERE scope = $1 AND id = $2`,
}
