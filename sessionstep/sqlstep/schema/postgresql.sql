-- The tables of sessionstep/sqlstep for PostgreSQL 14 and later: step_sessions,
-- step_steps, step_submissions, step_changes and step_version. A migration for goose,
-- golang-migrate and atlas as it is. sqlstep.Schema returns it for other names.
--
-- +goose Up

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS step_version (
    id      smallint PRIMARY KEY CHECK (id = 1),
    version integer  NOT NULL
);

INSERT INTO step_version (id, version)
VALUES (1, 1)
ON CONFLICT (id) DO NOTHING;

-- COLLATE "C" compares bytes, and its indexes outlive upgrades of the system's
-- locale.
CREATE TABLE IF NOT EXISTS step_sessions (
    id         text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL, -- pending, approved, rejected, cancelled
    changes    bigint           NOT NULL, -- the seq of the last one
    created_at timestamptz      NOT NULL,
    updated_at timestamptz      NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS step_steps (
    session_id   text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    position     integer          NOT NULL, -- counts from 0 in the session
    stage        integer          NOT NULL, -- those above 0 begin by themselves
    required     boolean          NOT NULL,
    state        text COLLATE "C" NOT NULL, -- pending, in_progress, completed, failed, expired
    needs_review boolean          NOT NULL,
    deadline     timestamptz,               -- NULL if there is none, or the step has ended
    PRIMARY KEY (session_id, name),
    UNIQUE (deadline, session_id, name)
);

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

CREATE TABLE IF NOT EXISTS step_submissions (
    session_id     text COLLATE "C" NOT NULL,
    step           text COLLATE "C" NOT NULL,
    submission_key text COLLATE "C" NOT NULL,
    seq            bigint           NOT NULL, -- of the change of its step
    status         text COLLATE "C" NOT NULL, -- verified, rejected, needs_review
    details        text,                      -- JSON as it was sent
    submitted_at   timestamptz      NOT NULL,
    PRIMARY KEY (session_id, step, submission_key)
);
