package records

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/hookonce/hookonce/idempotency/inbox"
)

// A group is the name of one, within a scope.
type group struct{ scope, name string }

// groupState is what is known of a group whose lock is held.
type groupState struct {
	next int64 // place
	busy bool  // it has an entry
}

// lockGroups locks the groups of entries, in their order, lest two deadlock.
func (e *Engine[T]) lockGroups(ctx context.Context, c Conn, entries []inbox.Entry) (map[group]*groupState, error) {
	count := make(map[group]int64)
	for _, entry := range entries {
		if entry.Group != "" {
			count[group{entry.Key.Scope, entry.Group}]++
		}
	}
	groups := make(map[group]*groupState)
	for _, g := range sortedGroups(count) {
		state, err := e.lockGroup(ctx, c, g, count[g])
		if err != nil {
			return nil, err
		}
		groups[g] = state
	}
	return groups, nil
}

func sortedGroups[V any](m map[group]V) []group {
	groups := make([]group, 0, len(m))
	for g := range m {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(strings.Compare(a.scope, b.scope), strings.Compare(a.name, b.name))
	})
	return groups
}

// lockGroup locks a group, and takes as many places in it.
func (e *Engine[T]) lockGroup(ctx context.Context, c Conn, g group, places int64) (*groupState, error) {
	scope, name := []byte(g.scope), []byte(g.name)
	if _, err := c.Exec(ctx, e.Table.Text(queueLockGroup), scope, name, places); err != nil {
		return nil, err
	}
	var last int64
	if err := c.QueryRow(ctx, e.Table.Text(queueLast), scope, name).Scan(&last); err != nil {
		return nil, err
	}
	first, err := e.firstOf(ctx, c, g)
	if err != nil {
		return nil, err
	}
	return &groupState{next: last - places + 1, busy: first != nil}, nil
}

// firstOf returns the ID of the first entry of a group, nil if it has none.
func (e *Engine[T]) firstOf(ctx context.Context, c Conn, g group) (id []byte, err error) {
	err = c.QueryRow(ctx, e.Table.Text(queueFirst), []byte(g.scope), []byte(g.name)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return id, err
}
