-- The tables of sessionstep/sqlstep for PostgreSQL 14 and later: step_sessions,
-- step_steps, step_submissions and step_version. A migration for goose,
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
    id          text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL, -- pending, approved, rejected, cancelled
    submissions bigint           NOT NULL, -- how many were accepted
    created_at  timestamptz      NOT NULL,
    updated_at  timestamptz      NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS step_steps (
    session_id   text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    position     integer          NOT NULL, -- counts from 0 in the session
    state        text COLLATE "C" NOT NULL, -- pending, in_progress, completed, failed
    required     boolean          NOT NULL,
    needs_review boolean          NOT NULL,
    PRIMARY KEY (session_id, name)
);

CREATE TABLE IF NOT EXISTS step_submissions (
    session_id     text COLLATE "C" NOT NULL,
    step           text COLLATE "C" NOT NULL,
    submission_key text COLLATE "C" NOT NULL,
    seq            bigint           NOT NULL, -- counts from 1 in the session
    status         text COLLATE "C" NOT NULL, -- verified, rejected, needs_review
    details        text,                      -- JSON as it was sent
    submitted_at   timestamptz      NOT NULL,
    PRIMARY KEY (session_id, step, submission_key)
);
