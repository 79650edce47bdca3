// Package pgxstore keeps the records of package idempotency in PostgreSQL by way of pgx.
package pgxstore
