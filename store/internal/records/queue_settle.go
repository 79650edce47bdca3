package records

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

// Settle implements [inbox.Queue].
func (e *Engine[T]) Settle(ctx context.Context, settlements []inbox.Settlement) error {
	settlements = slices.Clone(settlements)
	slices.SortFunc(settlements, func(a, b inbox.Settlement) int { return compareTickets(a.Ticket, b.Ticket) })
	err := e.queueTx(ctx, func(ctx context.Context, c Conn) error {
		groups, err := e.held(ctx, c, settlements)
		if err != nil {
			return err
		}
		return e.settle(ctx, c, settlements, groups)
	})
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// held locks the entries of settlements, and returns the groups of those that are held
// still, "" for none.
func (e *Engine[T]) held(ctx context.Context, c Conn, settlements []inbox.Settlement) (map[inbox.Ticket]string, error) {
	keys := make([]idempotency.Key, len(settlements))
	for i, s := range settlements {
		keys[i] = s.Key
	}
	groups := make(map[inbox.Ticket]string)
	query := e.Table.Text(queueHeld, "{keys}", e.Table.keysOf(len(keys)))
	err := c.QueryRows(ctx, query, KeyArgs(keys), func(row Row) error {
		var scope, id, group []byte
		var t inbox.Ticket
		if err := row.Scan(&scope, &id, &t.Token, &group); err != nil {
			return err
		}
		t.Key = idempotency.Key{Scope: string(scope), ID: string(id)}
		groups[t] = string(group)
		return nil
	})
	return groups, err
}

func (e *Engine[T]) settle(ctx context.Context, c Conn, settlements []inbox.Settlement, groups map[inbox.Ticket]string) error {
	var done []idempotency.Key
	left := make(map[group][]idempotency.Key) // those that leave their groups
	for _, s := range settlements {
		name, held := groups[s.Ticket]
		if !held {
			continue
		}
		if err := e.settleOne(ctx, c, s); err != nil {
			return err
		}
		if s.Verdict == inbox.Done {
			done = append(done, s.Key)
		}
		if name != "" && s.Verdict != inbox.Retry {
			g := group{s.Key.Scope, name}
			left[g] = append(left[g], s.Key)
		}
	}
	if err := e.remove(ctx, c, done); err != nil {
		return err
	}
	for _, g := range sortedGroups(left) {
		if err := e.advance(ctx, c, g, left[g]); err != nil {
			return err
		}
	}
	return nil
}

// settleOne settles what stays in the queue.
func (e *Engine[T]) settleOne(ctx context.Context, c Conn, s inbox.Settlement) (err error) {
	scope, id := []byte(s.Key.Scope), []byte(s.Key.ID)
	reason := sql.NullString{String: s.Reason, Valid: s.Reason != ""}
	switch s.Verdict {
	case inbox.Retry:
		uncounted := 0
		if s.Uncount {
			uncounted = 1
		}
		_, err = c.Exec(ctx, e.Table.Text(queuePostpone), s.Delay.Microseconds(), uncounted, reason, scope, id)
	case inbox.Die:
		_, err = c.Exec(ctx, e.Table.Text(queueBury), reason, scope, id)
	}
	return err
}

// remove deletes entries that are done.
func (e *Engine[T]) remove(ctx context.Context, c Conn, done []idempotency.Key) error {
	if len(done) == 0 {
		return nil
	}
	keys := e.Table.keysOf(len(done))
	if _, err := c.Exec(ctx, e.Table.Text(queueRemove, "{keys}", keys), KeyArgs(done)...); err != nil {
		return err
	}
	if e.Settings.KeepPayloads {
		return nil
	}
	_, err := c.Exec(ctx, e.Table.Text(queueRemoveBody, "{keys}", keys), KeyArgs(done)...)
	return err
}

// advance takes entries out of a group, and makes the next one due.
func (e *Engine[T]) advance(ctx context.Context, c Conn, g group, leave []idempotency.Key) error {
	if _, err := e.lockGroup(ctx, c, g, 0); err != nil {
		return err
	}
	scope, name := []byte(g.scope), []byte(g.name)
	for _, key := range leave {
		if _, err := c.Exec(ctx, e.Table.Text(queueLeave), scope, name, []byte(key.ID)); err != nil {
			return err
		}
	}
	next, err := e.firstOf(ctx, c, g)
	if err != nil {
		return err
	}
	query, args := queueUnblock, []any{scope, next}
	if next == nil {
		query, args = queueDrop, []any{scope, name}
	}
	_, err = c.Exec(ctx, e.Table.Text(query), args...)
	return err
}
