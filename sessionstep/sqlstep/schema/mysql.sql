-- The tables of sessionstep/sqlstep for MySQL 8.0, MariaDB 10.6 and later:
-- step_sessions, step_steps, step_submissions and step_version. A migration for
-- goose, golang-migrate (with multiStatements=true in its URL) and atlas as it is.
-- sqlstep.Schema returns it for other names.
--
-- +goose Up

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS step_version (
    id      TINYINT PRIMARY KEY CHECK (id = 1),
    version INT     NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO step_version (id, version)
VALUES (1, 1);

-- VARBINARY compares bytes. Every collation makes some keys equal, if only by
-- padding. Times are UTC.
CREATE TABLE IF NOT EXISTS step_sessions (
    id          VARBINARY(255) NOT NULL,
    state       VARBINARY(32)  NOT NULL, -- pending, approved, rejected, cancelled
    submissions BIGINT         NOT NULL, -- how many were accepted
    created_at  DATETIME(6)    NOT NULL,
    updated_at  DATETIME(6)    NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS step_steps (
    session_id   VARBINARY(255) NOT NULL,
    name         VARBINARY(255) NOT NULL,
    position     INT            NOT NULL, -- counts from 0 in the session
    state        VARBINARY(32)  NOT NULL, -- pending, in_progress, completed, failed
    required     BOOLEAN        NOT NULL,
    needs_review BOOLEAN        NOT NULL,
    PRIMARY KEY (session_id, name)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS step_submissions (
    session_id     VARBINARY(255) NOT NULL,
    step           VARBINARY(255) NOT NULL,
    submission_key VARBINARY(255) NOT NULL,
    seq            BIGINT         NOT NULL, -- counts from 1 in the session
    status         VARBINARY(32)  NOT NULL, -- verified, rejected, needs_review
    details        LONGBLOB,                -- JSON as it was sent
    submitted_at   DATETIME(6)    NOT NULL,
    PRIMARY KEY (session_id, step, submission_key)
) ENGINE = InnoDB;
