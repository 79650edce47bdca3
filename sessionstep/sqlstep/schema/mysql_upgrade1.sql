-- Brings the tables of sessionstep/sqlstep for MySQL and MariaDB from version 0,
-- which is from before they had one, to version 1. A migration for goose,
-- golang-migrate (with multiStatements=true in its URL) and atlas as it is.
-- sqlstep.Upgrade returns it for other names.
--
-- +goose Up

ALTER TABLE step_sessions RENAME COLUMN submissions TO changes;

ALTER TABLE step_steps
    ADD COLUMN stage INT NOT NULL DEFAULT 0 AFTER position,
    ADD COLUMN deadline DATETIME(6),
    ADD KEY (deadline);

ALTER TABLE step_steps ALTER COLUMN stage DROP DEFAULT;

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

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS step_version (
    id      TINYINT PRIMARY KEY CHECK (id = 1),
    version INT     NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO step_version (id, version)
VALUES (1, 1);
