-- The tables before they had a version.

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

CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope        bytea  NOT NULL,
    id           bytea  NOT NULL,
    source       bytea  NOT NULL,
    content_type bytea  NOT NULL,
    body         bytea  NOT NULL,
    changed_at   bigint NOT NULL, -- microseconds since 1970
    PRIMARY KEY (scope, id)
);
