CREATE TABLE IF NOT EXISTS accounts (
    customer TEXT PRIMARY KEY,
    cents BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS receipts (
    event TEXT NOT NULL,
    customer TEXT NOT NULL,
    cents BIGINT NOT NULL
);
