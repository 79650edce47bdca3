// Package join lets the methods of a sqlstep.Store run on a transaction that is not of
// database/sql: pgxstep passes it to them in their context.
package join

import "context"

// A Conn is what statements run on.
type Conn interface {
	Exec(ctx context.Context, query string, args ...any) error

	// Query calls each with every row, until that returns an error.
	Query(ctx context.Context, query string, args []any, each func(Row) error) error
}

// A Row is one row of an answer.
type Row interface{ Scan(dest ...any) error }

// With returns a context with which a sqlstep.Store runs its statements on c.
func With(ctx context.Context, c Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// From returns what With was given.
func From(ctx context.Context) (c Conn, ok bool) {
	c, ok = ctx.Value(connKey{}).(Conn)
	return c, ok
}

type connKey struct{}
