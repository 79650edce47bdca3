-- The tables of sqlstep before they had a version.

CREATE TABLE IF NOT EXISTS step_sessions (
    id          TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- pending, approved, rejected, cancelled
    submissions INTEGER NOT NULL, -- how many were accepted
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS step_steps (
    session_id   TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    position     INTEGER NOT NULL, -- counts from 0 in the session
    state        TEXT    NOT NULL, -- pending, in_progress, completed, failed
    required     INTEGER NOT NULL,
    needs_review INTEGER NOT NULL,
    PRIMARY KEY (session_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS step_submissions (
    session_id     TEXT    NOT NULL,
    step           TEXT    NOT NULL,
    submission_key TEXT    NOT NULL,
    seq            INTEGER NOT NULL, -- counts from 1 in the session
    status         TEXT    NOT NULL, -- verified, rejected, needs_review
    details        TEXT,             -- JSON as it was sent
    submitted_at   INTEGER NOT NULL,
    PRIMARY KEY (session_id, step, submission_key)
) STRICT;
