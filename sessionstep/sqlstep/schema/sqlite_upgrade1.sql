-- Brings the tables of sessionstep/sqlstep for SQLite from version 0,
-- which is from before they had one, to version 1. A migration for goose,
-- golang-migrate and atlas as it is.
-- sqlstep.Upgrade returns it for other names.
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
