-- The tables of sessionstep/sqlstep for MySQL 8.0, MariaDB 10.6 and later:
-- step_sessions, step_steps, step_submissions, step_changes and step_version. A migration
-- for goose, golang-migrate (with multiStatements=true in its URL) and atlas as it is.
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
    id         VARBINARY(255) NOT NULL,
    state      VARBINARY(32)  NOT NULL, -- pending, approved, rejected, cancelled
    changes    BIGINT         NOT NULL, -- the seq of the last one
    created_at DATETIME(6)    NOT NULL,
    updated_at DATETIME(6)    NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS step_steps (
    session_id   VARBINARY(255) NOT NULL,
    name         VARBINARY(255) NOT NULL,
    position     INT            NOT NULL, -- counts from 0 in the session
    stage        INT            NOT NULL, -- those above 0 begin by themselves
    required     BOOLEAN        NOT NULL,
    state        VARBINARY(32)  NOT NULL, -- pending, in_progress, completed, failed, expired
    needs_review BOOLEAN        NOT NULL,
    deadline     DATETIME(6),             -- NULL if there is none, or the step has ended
    PRIMARY KEY (session_id, name),
    KEY (deadline)
) ENGINE = InnoDB;

-- The history of the sessions and their steps.
CREATE TABLE IF NOT EXISTS step_changes (
    session_id   VARBINARY(255) NOT NULL,
    seq          BIGINT         NOT NULL, -- counts from 1 in the session
    step         VARBINARY(255) NOT NULL, -- '' for a change of the session itself
    from_state   VARBINARY(32)  NOT NULL,
    to_state     VARBINARY(32)  NOT NULL, -- the same, if nothing but the review or the deadline changes
    needs_review BOOLEAN        NOT NULL, -- after the change
    cause        VARBINARY(32)  NOT NULL, -- submission, late, turn, begin, reopen, deadline, expiry, reject, cancel
    changed_by   VARBINARY(255) NOT NULL, -- the key of the submission, or who called
    changed_at   DATETIME(6)    NOT NULL,
    PRIMARY KEY (session_id, seq)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS step_submissions (
    session_id     VARBINARY(255) NOT NULL,
    step           VARBINARY(255) NOT NULL,
    submission_key VARBINARY(255) NOT NULL,
    seq            BIGINT         NOT NULL, -- of the change of its step
    status         VARBINARY(32)  NOT NULL, -- verified, rejected, needs_review
    details        LONGBLOB,                -- JSON as it was sent
    submitted_at   DATETIME(6)    NOT NULL,
    PRIMARY KEY (session_id, step, submission_key)
) ENGINE = InnoDB;
