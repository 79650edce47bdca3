-- Brings the tables of sessionstep/sqlstep for MySQL and MariaDB from version 0,
-- which is from before they had one, to version 1. A migration for goose,
-- golang-migrate (with multiStatements=true in its URL) and atlas as it is.
-- sqlstep.Upgrade returns it for other names.
--
-- +goose Up

-- The version of these tables, in one row.
CREATE TABLE IF NOT EXISTS step_version (
    id      TINYINT PRIMARY KEY CHECK (id = 1),
    version INT     NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO step_version (id, version)
VALUES (1, 1);
