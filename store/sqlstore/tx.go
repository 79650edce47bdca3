package sqlstore

import (
	"context"
	"database/sql"
)

// Tx returns the transaction that ctx carries: inside the work of a
// transactional run, the one in which the event's record stands. What is written
// on it is committed together with that record, or not at all.
//
// ok is false outside of such work. The caller must neither commit nor roll back
// the transaction; whoever began it does.
func Tx(ctx context.Context) (tx *sql.Tx, ok bool) {
	tx, ok = ctx.Value(txKey{}).(*sql.Tx)
	return tx, ok
}

func withTx(ctx context.Context, tx *sql.Tx) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

type txKey struct{}
