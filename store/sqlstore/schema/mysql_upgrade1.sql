-- Brings the tables of hookonce for MySQL and MariaDB from version 0, before they had a version,
-- to version 1. Stop the processes of the old version first. A migration for goose,
-- golang-migrate (with multiStatements=true in its URL) and atlas as it is; sqlstore.Upgrade returns it for other
-- names.
--
-- +goose Up

-- Version 0 had payloads only if Options.KeepPayloads was set.
CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope        VARBINARY(255) NOT NULL,
    id           VARBINARY(255) NOT NULL,
    source       VARBINARY(255) NOT NULL,
    content_type VARBINARY(255) NOT NULL,
    body         LONGBLOB       NOT NULL,
    changed_at   BIGINT         NOT NULL,
    PRIMARY KEY (scope, id)
) ENGINE = InnoDB;

ALTER TABLE idempotency_records_payloads ADD COLUMN delivery MEDIUMBLOB AFTER id;

-- The names were bytes, and those that are not ASCII are read as Latin-1.
UPDATE idempotency_records_payloads
SET delivery = CAST(JSON_OBJECT(
    'scheme', CONVERT(source USING latin1),
    'header', IF(content_type = '', JSON_OBJECT(),
        JSON_OBJECT('Content-Type', JSON_ARRAY(CONVERT(content_type USING latin1))))
) AS CHAR CHARACTER SET utf8mb4);

ALTER TABLE idempotency_records_payloads
    MODIFY COLUMN delivery MEDIUMBLOB NOT NULL,
    DROP COLUMN source,
    DROP COLUMN content_type;

-- The deliveries that an inbox has accepted and that are not done. It stays small, so that
-- its rows are found, and cleaned up, whatever the size of the others.
CREATE TABLE IF NOT EXISTS idempotency_records_inbox (
    scope       VARBINARY(255) NOT NULL,
    id          VARBINARY(255) NOT NULL,
    endpoint    VARBINARY(255) NOT NULL, -- the scope up to its first slash
    state       TINYINT        NOT NULL CHECK (state BETWEEN 1 AND 4), -- waiting, in flight, blocked, dead
    group_name  VARBINARY(255) NOT NULL, -- empty: none
    fingerprint VARBINARY(32),
    due_at      BIGINT         NOT NULL, -- microseconds since 1970, for one in flight the end of its lease
    accepted_at BIGINT         NOT NULL, -- microseconds since 1970
    token       BIGINT         NOT NULL,
    attempts    INT            NOT NULL,
    copies      INT            NOT NULL, -- duplicates that had to be made durable
    last_error  VARBINARY(512),
    PRIMARY KEY (scope, id),
    UNIQUE due (endpoint, state, due_at, scope, id)
) ENGINE = InnoDB;

-- The order of the entries of each group, if an inbox has groups.
CREATE TABLE IF NOT EXISTS idempotency_records_groups (
    scope      VARBINARY(255) NOT NULL,
    group_name VARBINARY(255) NOT NULL,
    place      BIGINT         NOT NULL, -- 0: the lock of the group
    id         VARBINARY(255) NOT NULL,
    last_place BIGINT         NOT NULL, -- that was given away, of place 0
    PRIMARY KEY (scope, group_name, place)
) ENGINE = InnoDB;

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS idempotency_records_version (
    id      TINYINT PRIMARY KEY CHECK (id = 1),
    version INT     NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO idempotency_records_version (id, version)
VALUES (1, 1);

-- The records for people to read, with times in UTC. A key that is not UTF-8 is in
-- hexadecimal. The rights are the reader's, so that the view outlives its definer.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW idempotency_records_readable AS
SELECT IF(CAST(CONVERT(scope USING utf8mb4) AS BINARY) <=> scope, CONVERT(scope USING utf8mb4), concat('0x', hex(scope))) AS endpoint,
       IF(CAST(CONVERT(id USING utf8mb4) AS BINARY) <=> id, CONVERT(id USING utf8mb4), concat('0x', hex(id))) AS id,
       CASE state WHEN 1 THEN 'claimed' WHEN 2 THEN 'done' WHEN 3 THEN 'released' WHEN 4 THEN 'dead' END AS state,
       attempts,
       CAST('1970-01-01' AS DATETIME(6)) + INTERVAL changed_at MICROSECOND AS changed_at,
       CASE WHEN state = 1 THEN CAST('1970-01-01' AS DATETIME(6)) + INTERVAL lease_until MICROSECOND END AS lease_until,
       CONVERT(last_error USING utf8mb4) AS last_error
FROM idempotency_records;
