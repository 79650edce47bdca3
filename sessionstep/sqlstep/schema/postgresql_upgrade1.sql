-- Brings the tables of sessionstep/sqlstep for PostgreSQL from version 0,
-- which is from before they had one, to version 1. A migration for goose,
-- golang-migrate and atlas as it is.
-- sqlstep.Upgrade returns it for other names.
--
-- +goose Up

ALTER TABLE step_sessions RENAME COLUMN submissions TO changes;

ALTER TABLE step_steps ADD COLUMN stage integer NOT NULL DEFAULT 0;

ALTER TABLE step_steps ALTER COLUMN stage DROP DEFAULT;

ALTER TABLE step_steps ADD COLUMN deadline timestamptz;

ALTER TABLE step_steps ADD UNIQUE (deadline, session_id, name);

-- The history of the sessions and their steps.
CREATE TABLE IF NOT EXISTS step_changes (
    session_id   text COLLATE "C" NOT NULL,
    seq          bigint           NOT NULL, -- counts from 1 in the session
    step         text COLLATE "C" NOT NULL, -- '' for a change of the session itself
    from_state   text COLLATE "C" NOT NULL,
    to_state     text COLLATE "C" NOT NULL, -- the same, if nothing but the review or the deadline changes
    needs_review boolean          NOT NULL, -- after the change
    cause        text COLLATE "C" NOT NULL, -- submission, late, turn, begin, reopen, deadline, expiry, reject, cancel
    changed_by   text COLLATE "C" NOT NULL, -- the key of the submission, or who called
    changed_at   timestamptz      NOT NULL,
    PRIMARY KEY (session_id, seq)
);

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS step_version (
    id      smallint PRIMARY KEY CHECK (id = 1),
    version integer  NOT NULL
);

INSERT INTO step_version (id, version)
VALUES (1, 1)
ON CONFLICT (id) DO NOTHING;
