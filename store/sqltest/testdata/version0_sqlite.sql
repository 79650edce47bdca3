-- The tables before they had a version.

CREATE TABLE IF NOT EXISTS idempotency_records (
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
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope        BLOB    NOT NULL,
    id           BLOB    NOT NULL,
    source       BLOB    NOT NULL,
    content_type BLOB    NOT NULL,
    body         BLOB    NOT NULL,
    changed_at   INTEGER NOT NULL, -- microseconds since 1970
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;
