-- The tables of hookonce for MySQL 8.0, MariaDB 10.6 and later: idempotency_records,
-- and the tables and the view whose names begin with that. A migration for goose,
-- golang-migrate (with multiStatements=true in its URL) and atlas as it is;
-- sqlstore.Schema returns it for other names.
--
-- +goose Up

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS idempotency_records_version (
    id      TINYINT PRIMARY KEY CHECK (id = 1),
    version INT     NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO idempotency_records_version (id, version)
VALUES (1, 1);

-- The deliveries that an inbox has accepted; the first delivery of each event, if
-- Options.KeepPayloads is set.
CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope      VARBINARY(255) NOT NULL,
    id         VARBINARY(255) NOT NULL,
    delivery   MEDIUMBLOB     NOT NULL, -- JSON in UTF-8: all of the delivery but its body
    body       LONGBLOB       NOT NULL,
    changed_at BIGINT         NOT NULL, -- microseconds since 1970
    PRIMARY KEY (scope, id)
) ENGINE = InnoDB;

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

-- Keys are VARBINARY, which no collation can merge and which is not padded.
CREATE TABLE IF NOT EXISTS idempotency_records (
    scope         VARBINARY(255) NOT NULL,
    id            VARBINARY(255) NOT NULL,
    state         TINYINT        NOT NULL CHECK (state BETWEEN 1 AND 4), -- claimed, done, released, dead
    owner         VARBINARY(16)  NOT NULL,
    token         BIGINT         NOT NULL,
    attempts      INT            NOT NULL,
    lease_until   BIGINT         NOT NULL,                               -- microseconds since 1970
    changed_at    BIGINT         NOT NULL,                               -- microseconds since 1970
    fingerprint   VARBINARY(32),
    result_status INT,
    result_type   VARBINARY(255),
    result_body   MEDIUMBLOB,
    last_error    VARBINARY(512),
    PRIMARY KEY (scope, id)
) ENGINE = InnoDB;

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
