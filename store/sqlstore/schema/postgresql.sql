-- The tables of hookonce for PostgreSQL 14 and later: idempotency_records, and the
-- tables and the view whose names begin with that. A migration for goose,
-- golang-migrate and atlas as it is; sqlstore.Schema returns it for other names.
--
-- +goose Up

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS idempotency_records_version (
    id      smallint PRIMARY KEY CHECK (id = 1),
    version integer  NOT NULL
);

INSERT INTO idempotency_records_version (id, version)
VALUES (1, 1)
ON CONFLICT (id) DO NOTHING;

-- The deliveries that an inbox has accepted; the first delivery of each event, if
-- Options.KeepPayloads is set.
CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope      bytea  NOT NULL,
    id         bytea  NOT NULL,
    delivery   text   NOT NULL, -- JSON: all of the delivery but its body
    body       bytea  NOT NULL,
    changed_at bigint NOT NULL, -- microseconds since 1970
    PRIMARY KEY (scope, id)
);

-- The deliveries that an inbox has accepted and that are not done. It stays small, so that
-- its rows are found, and cleaned up, whatever the size of the others.
CREATE TABLE IF NOT EXISTS idempotency_records_inbox (
    scope       bytea    NOT NULL,
    id          bytea    NOT NULL,
    endpoint    bytea    NOT NULL, -- the scope up to its first slash
    state       smallint NOT NULL CHECK (state BETWEEN 1 AND 4), -- waiting, in flight, blocked, dead
    group_name  bytea    NOT NULL, -- empty: none
    fingerprint bytea,
    due_at      bigint   NOT NULL, -- microseconds since 1970, for one in flight the end of its lease
    accepted_at bigint   NOT NULL, -- microseconds since 1970
    token       bigint   NOT NULL,
    attempts    integer  NOT NULL,
    copies      integer  NOT NULL, -- duplicates that had to be made durable
    last_error  text,
    PRIMARY KEY (scope, id),
    UNIQUE (endpoint, state, due_at, scope, id)
) WITH (
    autovacuum_vacuum_scale_factor  = 0, autovacuum_vacuum_threshold  = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000
);

-- The order of the entries of each group, if an inbox has groups.
CREATE TABLE IF NOT EXISTS idempotency_records_groups (
    scope      bytea  NOT NULL,
    group_name bytea  NOT NULL,
    place      bigint NOT NULL, -- 0: the lock of the group
    id         bytea  NOT NULL,
    last_place bigint NOT NULL, -- that was given away, of place 0
    PRIMARY KEY (scope, group_name, place)
);

-- Keys are bytea, which no collation can merge and which holds every byte.
CREATE TABLE IF NOT EXISTS idempotency_records (
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
);

-- The records for people to read, with times in UTC. Bytes that are not ASCII are
-- octal, like \303, because text could not hold every key.
CREATE OR REPLACE VIEW idempotency_records_readable AS
SELECT encode(scope, 'escape') AS endpoint,
       encode(id, 'escape')    AS id,
       CASE state WHEN 1 THEN 'claimed' WHEN 2 THEN 'done' WHEN 3 THEN 'released' WHEN 4 THEN 'dead' END AS state,
       attempts,
       to_timestamp(changed_at / 1e6) AT TIME ZONE 'UTC' AS changed_at,
       CASE WHEN state = 1 THEN to_timestamp(lease_until / 1e6) AT TIME ZONE 'UTC' END AS lease_until,
       last_error
FROM idempotency_records;
