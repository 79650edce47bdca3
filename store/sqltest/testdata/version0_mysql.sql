-- The tables before they had a version.

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

CREATE TABLE IF NOT EXISTS idempotency_records_payloads (
    scope        VARBINARY(255) NOT NULL,
    id           VARBINARY(255) NOT NULL,
    source       VARBINARY(255) NOT NULL,
    content_type VARBINARY(255) NOT NULL,
    body         LONGBLOB       NOT NULL,
    changed_at   BIGINT         NOT NULL, -- microseconds since 1970
    PRIMARY KEY (scope, id)
) ENGINE = InnoDB;
