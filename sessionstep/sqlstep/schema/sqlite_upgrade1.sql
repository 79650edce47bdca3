-- Brings the tables of sessionstep/sqlstep for SQLite from version 0,
-- which is from before they had one, to version 1. A migration for goose,
-- golang-migrate and atlas as it is.
-- sqlstep.Upgrade returns it for other names.
--
-- +goose Up

ALTER TABLE step_sessions RENAME COLUMN submissions TO changes;

-- SQLite cannot add a constraint to a table.
ALTER TABLE step_steps RENAME TO step_steps_old;

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

INSERT INTO step_steps (session_id, name, position, stage, required, state, needs_review)
SELECT session_id, name, position, 0, required, state, needs_review
FROM step_steps_old;

DROP TABLE step_steps_old;

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

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS step_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO step_version (id, version)
VALUES (1, 1)
ON CONFLICT (id) DO NOTHING;
