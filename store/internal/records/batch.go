package records

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// ClaimTx records key as processed in c, a transaction of the caller's. It is what the
// stores' ClaimTx says.
func (e *Engine[T]) ClaimTx(ctx context.Context, c Conn, key idempotency.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	e.Table.Locate(ctx, c)
	owner := lease.NewOwner()
	rec, won, err := e.Table.Claim(ctx, c, Request{
		Key:         key,
		State:       lease.Done,
		Owner:       owner[:],
		MaxAttempts: e.Settings.MaxAttempts,
		Interval:    e.Settings.AttemptInterval,
	})
	switch {
	case e.Table.Dialect.LockTimeout(err):
		return idempotency.ErrInFlight
	case err != nil:
		return Unavailable("claim", err).AsError()
	case won:
		return nil
	}
	if err := e.Table.confirmTx(ctx, c, key, rec); err != nil {
		return Unconfirmed(err).AsError()
	}
	return rec.Record.Refuse(idempotency.Fingerprint{}).AsError()
}

// maxBatch is how many keys one statement claims: two parameters each, and SQLite
// takes 32,766.
const maxBatch = 1000

// ClaimBatchTx is ClaimTx for many keys. It is what the stores' ClaimBatchTx says.
func (e *Engine[T]) ClaimBatchTx(ctx context.Context, c Conn, keys []idempotency.Key) (claimed []bool, err error) {
	order := make([]int, len(keys))
	for i, key := range keys {
		if err := key.Validate(); err != nil {
			return nil, err
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(keys[a].Scope, keys[b].Scope), cmp.Compare(keys[a].ID, keys[b].ID))
	})
	order = slices.CompactFunc(order, func(a, b int) bool { return keys[a] == keys[b] })
	e.Table.Locate(ctx, c)
	claimed = make([]bool, len(keys))
	for batch := range slices.Chunk(order, maxBatch) {
		if err := e.claimBatch(ctx, c, keys, batch, claimed); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

// claimBatch claims the keys at the given places. What the statement does not insert
// has a record, which ClaimTx looks at.
func (e *Engine[T]) claimBatch(ctx context.Context, c Conn, keys []idempotency.Key, batch []int, claimed []bool) error {
	var inserted map[idempotency.Key]bool
	err := e.Table.WithWait(ctx, func(ctx context.Context) (err error) {
		inserted, err = e.insertBatch(ctx, c, keys, batch)
		return err
	})
	switch {
	case e.Table.Dialect.LockTimeout(err):
		return idempotency.ErrInFlight
	case err != nil:
		return Unavailable("claim batch", err).AsError()
	}
	for _, i := range batch {
		if inserted[keys[i]] {
			claimed[i] = true
			continue
		}
		err := e.ClaimTx(ctx, c, keys[i])
		if err == idempotency.ErrDuplicate {
			continue
		}
		if err != nil {
			return err
		}
		claimed[i] = true
	}
	return nil
}

// insertBatch inserts the records that do not exist, and returns their keys.
func (e *Engine[T]) insertBatch(ctx context.Context, c Conn, keys []idempotency.Key, batch []int) (map[idempotency.Key]bool, error) {
	var args []any
	rows := make([]string, len(batch))
	owner := lease.NewOwner()
	for n, i := range batch {
		args = append(args, []byte(keys[i].Scope), []byte(keys[i].ID))
		rows[n] = strings.NewReplacer("#1", strconv.Itoa(2*n+1), "#2", strconv.Itoa(2*n+2)).Replace(e.Table.SQL().BatchRow)
		if e.Table.Dialect == MySQL {
			args = append(args, owner[:])
		}
	}
	query := strings.Replace(e.Table.SQL().InsertBatch, "{rows}", strings.Join(rows, ",\n       "), 1)
	if e.Table.Dialect != MySQL {
		return keySet(c.QueryKeys(ctx, query, args...))
	}
	if _, err := c.Exec(ctx, query, args...); err != nil {
		return nil, err
	}
	return e.ownedKeys(ctx, c, keys, batch, owner)
}

// ownedKeys returns the keys of a batch whose records have that owner. MySQL's INSERT
// does not return what it has inserted.
func (e *Engine[T]) ownedKeys(ctx context.Context, c Conn, keys []idempotency.Key, batch []int, owner lease.Owner) (map[idempotency.Key]bool, error) {
	var args []any
	for _, i := range batch {
		args = append(args, []byte(keys[i].Scope), []byte(keys[i].ID))
	}
	places := strings.TrimSuffix(strings.Repeat("(?, ?), ", len(batch)), ", ")
	query := strings.Replace(e.Table.SQL().FindBatch, "{rows}", places, 1)
	return keySet(c.QueryKeys(ctx, query, append(args, owner[:])...))
}

func keySet(keys []idempotency.Key, err error) (map[idempotency.Key]bool, error) {
	set := make(map[idempotency.Key]bool, len(keys))
	for _, key := range keys {
		set[key] = true
	}
	return set, err
}
