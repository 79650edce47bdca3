package records

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

// Entry implements [inbox.Queue].
func (e *Engine[T]) Entry(ctx context.Context, key idempotency.Key) (inbox.Status, error) {
	e.Table.Locate(ctx, e.Database.Pool())
	return e.entry(ctx, e.Database.Pool(), key)
}

func (e *Engine[T]) entry(ctx context.Context, c Conn, key idempotency.Key) (inbox.Status, error) {
	status, err := scanStatus(c.QueryRow(ctx, e.Table.Text(queueEntry), []byte(key.Scope), []byte(key.ID)))
	if errors.Is(err, sql.ErrNoRows) {
		return inbox.Status{}, idempotency.ErrNotFound
	}
	return status, err
}

func scanStatus(row Row) (s inbox.Status, err error) {
	var scope, id, group []byte
	var reason sql.NullString
	var age, due int64
	err = row.Scan(&scope, &id, &s.State, &group, &s.Attempts, &reason, &age, &due, &s.Place)
	s.Key = idempotency.Key{Scope: string(scope), ID: string(id)}
	s.Group, s.LastError = string(group), reason.String
	s.Age, s.Due = time.Duration(age)*time.Microsecond, time.Duration(due)*time.Microsecond
	return s, err
}

// Entries implements [inbox.Queue].
func (e *Engine[T]) Entries(ctx context.Context, endpoint string, state inbox.State, after *inbox.Status, limit int) (page []inbox.Status, err error) {
	e.Table.Locate(ctx, e.Database.Pool())
	if after == nil {
		after = &inbox.Status{Place: -1}
	}
	scope := []byte(after.Key.Scope)
	query := e.Table.Text(queueEntries, e.Table.entriesOf(state)...)
	args := append(e.Table.endpointArgs(endpoint), after.Place, after.Place, scope, scope, []byte(after.Key.ID), limit)
	err = e.Database.Pool().QueryRows(ctx, query, args, func(row Row) error {
		s, err := scanStatus(row)
		page = append(page, s)
		return err
	})
	return page, err
}

// Count implements [inbox.Queue].
func (e *Engine[T]) Count(ctx context.Context, endpoint string, state inbox.State, limit int) (n int, err error) {
	e.Table.Locate(ctx, e.Database.Pool())
	query := e.Table.Text(queueCount, e.Table.entriesOf(state)...)
	err = e.Database.Pool().QueryRow(ctx, query, append(e.Table.endpointArgs(endpoint), limit)...).Scan(&n)
	return n, err
}

// Redeliver implements [inbox.Queue].
func (e *Engine[T]) Redeliver(ctx context.Context, key idempotency.Key) error {
	return e.queueTx(ctx, func(ctx context.Context, c Conn) error {
		entry, err := e.entry(ctx, c, key)
		if errors.Is(err, idempotency.ErrNotFound) {
			return e.redeliverRecord(ctx, c, key)
		}
		if err != nil {
			return err
		}
		state := inbox.Waiting
		if entry.Group != "" {
			if state, err = e.rejoin(ctx, c, entry); err != nil {
				return err
			}
		}
		scope, id := []byte(key.Scope), []byte(key.ID)
		ok, err := Changed(ctx, c, e.Table.Text(queueRevive), int(state), scope, id)
		if err == nil && !ok {
			err = idempotency.ErrNotDead
		}
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, e.Table.SQL().Retry, scope, id) // its record may be Dead too
		return err
	})
}

// rejoin makes a dead entry the last of its group.
func (e *Engine[T]) rejoin(ctx context.Context, c Conn, entry inbox.Status) (inbox.State, error) {
	if entry.State != inbox.Dead {
		return 0, idempotency.ErrNotDead
	}
	g := group{entry.Key.Scope, entry.Group}
	state, err := e.lockGroup(ctx, c, g, 1)
	if err != nil {
		return 0, err
	}
	_, err = c.Exec(ctx, e.Table.Text(queueJoin), []byte(g.scope), []byte(g.name), state.next, []byte(entry.Key.ID))
	if state.busy {
		return inbox.Blocked, err
	}
	return inbox.Waiting, err
}

// redeliverRecord adds an entry for an event whose record is Dead.
func (e *Engine[T]) redeliverRecord(ctx context.Context, c Conn, key idempotency.Key) error {
	scope, id := []byte(key.Scope), []byte(key.ID)
	freed, err := Changed(ctx, c, e.Table.SQL().Retry, scope, id)
	if err != nil {
		return err
	}
	var one int
	if !freed {
		err := c.QueryRow(ctx, e.Table.Text(queueRevivable), scope, id).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return idempotency.ErrNotFound
		}
		return cmp.Or(err, idempotency.ErrNotDead)
	}
	err = c.QueryRow(ctx, e.Table.Text(queueHasBody), scope, id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return idempotency.ErrNoPayload // which rolls back
	}
	if err != nil {
		return err
	}
	query := e.Table.Text(queueAdd, "{rows}", queueAddRow)
	_, err = c.Exec(ctx, query, scope, id, []byte(key.Endpoint()), int64(inbox.Waiting), []byte{}, []byte(nil))
	return e.Table.Dialect.rivalEntry(err)
}

// Payload implements [inbox.Queue].
func (e *Engine[T]) Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error) {
	e.Table.Locate(ctx, e.Database.Pool())
	p, err := e.Table.FindPayload(ctx, e.Database.Pool(), key)
	if errors.Is(err, sql.ErrNoRows) {
		return p, idempotency.ErrNoPayload
	}
	if err != nil {
		return p, fmt.Errorf("payload: %w", err)
	}
	return p, nil
}
