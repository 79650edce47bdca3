-- Brings the tables of hookonce for SQLite from version 0, before they had a version,
-- to version 1. Stop the processes of the old version first. A migration for goose,
-- golang-migrate and atlas as it is; sqlstore.Upgrade returns it for other
-- names.
--
-- +goose Up

-- Version 0 had payloads only if Options.KeepPayloads was set.
CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope        BLOB    NOT NULL,
    id           BLOB    NOT NULL,
    source       BLOB    NOT NULL,
    content_type BLOB    NOT NULL,
    body         BLOB    NOT NULL,
    changed_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_records_payloads0 AS
SELECT * FROM idempotency_records_payloads;

DROP TABLE idempotency_records_payloads;

CREATE TABLE idempotency_records_payloads (
    scope      BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    delivery   TEXT    NOT NULL, -- JSON: all of the delivery but its body
    body       BLOB    NOT NULL,
    changed_at INTEGER NOT NULL, -- microseconds since 1970
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

INSERT INTO idempotency_records_payloads (scope, id, delivery, body, changed_at)
SELECT scope, id,
       json_object(
           'scheme', CAST(source AS TEXT),
           'header', iif(content_type = x'', json_object(), json_object('Content-Type', json_array(CAST(content_type AS TEXT))))
       ),
       body, changed_at
FROM idempotency_records_payloads0;

DROP TABLE idempotency_records_payloads0;

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS idempotency_records_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO idempotency_records_version (id, version)
VALUES (1, 1)
ON CONFLICT (id) DO NOTHING;

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
