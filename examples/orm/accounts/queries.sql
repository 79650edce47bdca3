-- name: Credit :exec
INSERT INTO accounts (owner, cents) VALUES (?, ?)
ON CONFLICT (owner) DO UPDATE SET cents = accounts.cents + excluded.cents;

-- name: Balance :one
SELECT cents FROM accounts WHERE owner = ?;
