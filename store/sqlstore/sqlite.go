package sqlstore

// STRICT refuses a key that is bound as text instead of as a blob, which SQLite
// would take for a different one. The clock is read by julianday, whose 'now' has
// milliseconds in every version that we support.
//
// The INSERT is the transaction's first statement, so that even a deferred BEGIN
// takes the write lock before it has read anything: an upgrade of a read
// transaction fails at once when somebody else has written, and no busy timeout
// helps.
var sqlite = statements{
	create: `
CREATE TABLE IF NOT EXISTS {table} (
    scope         BLOB    NOT NULL,
    id            BLOB    NOT NULL,
    state         INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4), -- claimed, done, released, dead
    owner         BLOB    NOT NULL,
    token         INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    lease_until   INTEGER NOT NULL,                               -- microseconds since 1970
    changed_at    INTEGER NOT NULL,                               -- microseconds since 1970
    fingerprint   BLOB,
    result_status INTEGER,
    result_type   TEXT,
    result_body   BLOB,
    last_error    TEXT,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID`,

	insertDone: `
INSERT INTO {table} (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
VALUES (?1, ?2, 2, x'', 1, 1, 0, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER), ?3)
ON CONFLICT (scope, id) DO NOTHING
RETURNING 1`,

	takeOver: `
UPDATE {table}
SET state       = 2,
    owner       = x'',
    token       = token + 1,
    attempts    = attempts + 1,
    lease_until = 0,
    changed_at  = CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER),
    fingerprint = coalesce(fingerprint, ?4)
WHERE scope = ?1 AND id = ?2 AND token = ?3
  AND (state = 3 OR state = 1 AND lease_until <= CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER))`,

	find: `
SELECT state, owner, token, attempts,
       lease_until - CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER),
       fingerprint, result_status, result_type, result_body, last_error
FROM {table}
WHERE scope = ?1 AND id = ?2`,

	fail: `
INSERT INTO {table} AS r (scope, id, state, owner, token, attempts, lease_until, changed_at, last_error)
VALUES (?1, ?2, CASE WHEN 1 >= ?4 THEN 4 ELSE 3 END, x'', 1, 1, 0, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER), ?3)
ON CONFLICT (scope, id) DO UPDATE
SET state      = CASE WHEN r.attempts + 1 >= ?4 THEN 4 ELSE 3 END,
    token      = r.token + 1,
    attempts   = r.attempts + 1,
    changed_at = excluded.changed_at,
    last_error = excluded.last_error
WHERE r.state = 3 OR r.state = 1 AND r.lease_until <= excluded.changed_at`,

	keepResult: `
UPDATE {table}
SET result_status = ?3, result_type = ?4, result_body = ?5
WHERE scope = ?1 AND id = ?2`,
}
