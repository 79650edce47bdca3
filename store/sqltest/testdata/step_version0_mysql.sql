-- The tables of sqlstep before they had a version.

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
