-- The tables of hookonce for SQLite 3.38 and later: idempotency_records, and the
-- tables and the view whose names begin with that. A migration for goose,
-- golang-migrate and atlas as it is; sqlstore.Schema returns it for other names.
--
-- +goose Up

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS idempotency_records_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO idempotency_records_version (id, version)
VALUES (1, 1)
ON CONFLICT (id) DO NOTHING;

-- The deliveries that an inbox has accepted; the first delivery of each event, if
-- Options.KeepPayloads is set.
CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope      BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    delivery   TEXT    NOT NULL, -- JSON: all of the delivery but its body
    body       BLOB    NOT NULL,
    changed_at INTEGER NOT NULL, -- microseconds since 1970
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

-- The deliveries that an inbox has accepted and that are not done. It stays small, so that
-- its rows are found, and cleaned up, whatever the size of the others.
CREATE TABLE IF NOT EXISTS idempotency_records_inbox (
    scope       BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    endpoint    BLOB    NOT NULL, -- the scope up to its first slash
    state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4), -- waiting, in flight, blocked, dead
    group_name  BLOB    NOT NULL, -- empty: none
    fingerprint BLOB,
    due_at      INTEGER NOT NULL, -- microseconds since 1970, for one in flight the end of its lease
    accepted_at INTEGER NOT NULL, -- microseconds since 1970
    token       INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    copies      INTEGER NOT NULL, -- duplicates that had to be made durable
    last_error  TEXT,
    PRIMARY KEY (scope, id),
    UNIQUE (endpoint, state, due_at, scope, id)
) STRICT, WITHOUT ROWID;

-- The order of the entries of each group, if an inbox has groups.
CREATE TABLE IF NOT EXISTS idempotency_records_groups (
    scope      BLOB    NOT NULL,
    group_name BLOB    NOT NULL,
    place      INTEGER NOT NULL, -- 0: the lock of the group
    id         BLOB    NOT NULL,
    last_place INTEGER NOT NULL, -- that was given away, of place 0
    PRIMARY KEY (scope, group_name, place)
) STRICT, WITHOUT ROWID;

-- STRICT refuses a key that is bound as text instead of as a blob, which SQLite
-- would take for a different one.
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

-- The records for people to read, with times in UTC. A key with a zero byte, at which
-- a text would end, is in hexadecimal.
CREATE VIEW IF NOT EXISTS idempotency_records_readable AS
SELECT iif(instr(scope, x'00') = 0, CAST(scope AS TEXT), '0x' || hex(scope)) AS endpoint,
       iif(instr(id, x'00') = 0, CAST(id AS TEXT), '0x' || hex(id)) AS id,
       CASE state WHEN 1 THEN 'claimed' WHEN 2 THEN 'done' WHEN 3 THEN 'released' WHEN 4 THEN 'dead' END AS state,
       attempts,
       strftime('%Y-%m-%d %H:%M:%f', changed_at / 1000000.0, 'unixepoch') AS changed_at,
       CASE WHEN state = 1 THEN strftime('%Y-%m-%d %H:%M:%f', lease_until / 1000000.0, 'unixepoch') END AS lease_until,
       last_error
FROM idempotency_records;
