-- The tables of sessionstep/sqlstep for SQLite 3.38 and later: step_sessions,
-- step_steps, step_submissions, step_changes and step_version. A migration for goose,
-- golang-migrate and atlas as it is. sqlstep.Schema returns it for other names.
--
-- +goose Up

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS step_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO step_version (id, version)
VALUES (1, 1)
ON CONFLICT (id) DO NOTHING;

-- STRICT refuses a key that is bound as a blob, which SQLite would store as a
-- different one. Times are milliseconds since 1970.
CREATE TABLE IF NOT EXISTS step_sessions (
    id         TEXT    NOT NULL,
    state      TEXT    NOT NULL, -- pending, approved, rejected, cancelled
    changes    INTEGER NOT NULL, -- the seq of the last one
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS step_steps (
    session_id   TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    position     INTEGER NOT NULL, -- counts from 0 in the session
    stage        INTEGER NOT NULL, -- those above 0 begin by themselves
    required     INTEGER NOT NULL,
    state        TEXT    NOT NULL, -- pending, in_progress, completed, failed, expired
    needs_review INTEGER NOT NULL,
    deadline     INTEGER,          -- NULL if there is none, or the step has ended
    PRIMARY KEY (session_id, name),
    UNIQUE (deadline, session_id, name)
) STRICT, WITHOUT ROWID;

-- The history of the sessions and their steps.
CREATE TABLE IF NOT EXISTS step_changes (
    session_id   TEXT    NOT NULL,
    seq          INTEGER NOT NULL, -- counts from 1 in the session
    step         TEXT    NOT NULL, -- '' for a change of the session itself
    from_state   TEXT    NOT NULL,
    to_state     TEXT    NOT NULL, -- the same, if nothing but the review or the deadline changes
    needs_review INTEGER NOT NULL, -- after the change
    cause        TEXT    NOT NULL, -- submission, late, turn, begin, reopen, deadline, expiry, reject, cancel
    changed_by   TEXT    NOT NULL, -- the key of the submission, or who called
    changed_at   INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq)
) STRICT, WITHOUT ROWID;

-- With a rowid, as details may be long: WITHOUT ROWID is slow for rows of more than
-- a twentieth of a page (https://www.sqlite.org/withoutrowid.html).
CREATE TABLE IF NOT EXISTS step_submissions (
    session_id     TEXT    NOT NULL,
    step           TEXT    NOT NULL,
    submission_key TEXT    NOT NULL,
    seq            INTEGER NOT NULL, -- of the change of its step
    status         TEXT    NOT NULL, -- verified, rejected, needs_review
    details        TEXT,             -- JSON as it was sent
    submitted_at   INTEGER NOT NULL,
    PRIMARY KEY (session_id, step, submission_key)
) STRICT;
