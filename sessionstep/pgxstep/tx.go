package pgxstep

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/sessionstep/internal/join"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// joined returns ctx so that sqlstep joins the transaction of pgxstore that it carries.
func joined(ctx context.Context) context.Context {
	if tx, ok := pgxstore.Tx(ctx); ok {
		return with(ctx, tx)
	}
	return ctx
}

// with returns ctx so that sqlstep joins tx.
func with(ctx context.Context, tx pgx.Tx) context.Context { return join.With(ctx, conn{tx}) }

// A conn is a transaction as a [join.Conn].
type conn struct{ tx pgx.Tx }

func (c conn) Exec(ctx context.Context, query string, args ...any) error {
	_, err := c.tx.Exec(ctx, query, args...)
	return err
}

func (c conn) Query(ctx context.Context, query string, args []any, each func(join.Row) error) error {
	rows, err := c.tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
