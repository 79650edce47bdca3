-- name: Credit :exec
INSERT INTO accounts (customer, cents) VALUES ($1, $2)
ON CONFLICT (customer) DO UPDATE SET cents = accounts.cents + excluded.cents;

-- name: Debit :execrows
UPDATE accounts SET cents = cents - @amount WHERE customer = $1 AND cents >= @amount;

-- name: Balance :one
SELECT cents FROM accounts WHERE customer = $1;

-- name: AddReceipt :exec
INSERT INTO receipts (event, customer, cents) VALUES ($1, $2, $3);

-- name: Receipts :many
SELECT event, customer, cents FROM receipts ORDER BY event;
