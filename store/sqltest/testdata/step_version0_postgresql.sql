-- The tables of sqlstep before they had a version.

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
