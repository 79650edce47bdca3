package records

import (
	"context"
	"fmt"
	"slices"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// queueTx calls f in a transaction of the queue's, which it commits if f returns nil, and
// starts again after a conflict. Its isolation level is READ COMMITTED: above that, InnoDB
// locks the gaps between entries, and new ones wait.
func (e *Engine[T]) queueTx(ctx context.Context, f func(ctx context.Context, c Conn) error) error {
	return e.queueTxFor(ctx, 1, f)
}

// atOnce is how many entries a statement takes at most that is bounded as one that waits
// for a lock is. More take their time; what bounds it is the context.
const atOnce = 250

// queueTxFor is queueTx for that many entries.
func (e *Engine[T]) queueTxFor(ctx context.Context, entries int, f func(ctx context.Context, c Conn) error) error {
	e.Table.Locate(ctx, e.Database.Pool())
	err := e.Table.RetryConflicts(ctx, func() error {
		t, err := e.Database.Begin(ctx, func() {}, ForQueue)
		if err != nil {
			return err
		}
		defer func() { t.End(err) }()
		err = e.bounded(ctx, entries, func(ctx context.Context) error {
			if e.Table.Dialect == PostgreSQL { // its plans may be older than what is in the table
				if _, err := t.Exec(ctx, queuePlanner); err != nil {
					return err
				}
			}
			return f(ctx, t)
		})
		if err == nil {
			err = t.Commit(ctx)
		}
		return err
	})
	e.Database.Shed(ctx, err)
	return err
}

func (e *Engine[T]) bounded(ctx context.Context, entries int, f func(ctx context.Context) error) error {
	if entries > atOnce {
		return f(ctx)
	}
	return e.Table.WithWait(ctx, f)
}

// A known entry, or record, stands in the way of a new one.
type known struct {
	state       inbox.State // 0: a record that is Done
	fingerprint idempotency.Fingerprint
	early       bool
}

// Enqueue implements [inbox.Queue].
func (e *Engine[T]) Enqueue(ctx context.Context, entries []inbox.Entry) (results []inbox.Enqueued, err error) {
	for _, entry := range entries {
		if err := entry.Key.Validate(); err != nil {
			return nil, err
		}
	}
	if e.Table.Dialect == PostgreSQL && !slices.ContainsFunc(entries, func(e inbox.Entry) bool { return e.Group != "" }) {
		results, err = e.enqueueAtOnce(ctx, entries)
	} else {
		results, err = e.enqueueInTx(ctx, entries)
	}
	if err != nil {
		return nil, fmt.Errorf("enqueue: %w", err)
	}
	return results, nil
}

func (e *Engine[T]) enqueueInTx(ctx context.Context, entries []inbox.Entry) (results []inbox.Enqueued, err error) {
	err = e.queueTxFor(ctx, len(entries), func(ctx context.Context, c Conn) (err error) {
		results, err = e.enqueue(ctx, c, entries)
		return err
	})
	return results, err
}

// enqueueAtOnce adds entries without groups in one statement. What that does not add is
// known, and looked at in a transaction.
func (e *Engine[T]) enqueueAtOnce(ctx context.Context, entries []inbox.Entry) ([]inbox.Enqueued, error) {
	e.Table.Locate(ctx, e.Database.Pool())
	var scopes, ids, endpoints, fingerprints, deliveries, bodies array
	for _, entry := range entries {
		delivery, body, err := e.Table.encode(entry.Key, entry.Delivery)
		if err != nil {
			return nil, err
		}
		scopes.addBytes([]byte(entry.Key.Scope))
		ids.addBytes([]byte(entry.Key.ID))
		endpoints.addBytes([]byte(entry.Key.Endpoint()))
		if entry.Fingerprint == (idempotency.Fingerprint{}) {
			fingerprints.addNull()
		} else {
			fingerprints.addBytes(entry.Fingerprint[:])
		}
		deliveries.addText(delivery)
		bodies.addBytes(body)
	}
	query := e.Table.Text(queueAddAll)
	args := []any{scopes.String(), ids.String(), endpoints.String(), fingerprints.String(), deliveries.String(), bodies.String()}
	var added map[idempotency.Key]bool
	err := e.Table.RetryConflicts(ctx, func() error {
		return e.bounded(ctx, len(entries), func(ctx context.Context) (err error) {
			added, err = keySet(e.Database.Pool().QueryKeys(ctx, query, args...))
			return err
		})
	})
	if err != nil {
		e.Database.Shed(ctx, err)
		return nil, err
	}
	results := make([]inbox.Enqueued, len(entries))
	var left []inbox.Entry
	var places []int
	for i, entry := range entries {
		if !added[entry.Key] {
			left, places = append(left, entry), append(places, i)
		}
	}
	if len(left) == 0 {
		return results, nil
	}
	looked, err := e.enqueueInTx(ctx, left)
	for i, r := range looked {
		results[places[i]] = r
	}
	return results, err
}

func (e *Engine[T]) enqueue(ctx context.Context, c Conn, entries []inbox.Entry) ([]inbox.Enqueued, error) {
	groups, err := e.lockGroups(ctx, c, entries)
	if err != nil {
		return nil, err
	}
	found, err := e.known(ctx, c, entries)
	if err != nil {
		return nil, err
	}
	results := make([]inbox.Enqueued, len(entries))
	var fresh []inbox.Entry
	for i, entry := range entries {
		k, ok := found[entry.Key]
		if !ok {
			fresh = append(fresh, entry)
			continue
		}
		results[i] = inbox.Enqueued{
			Duplicate: true,
			Done:      k.state == 0,
			Dead:      k.state == inbox.Dead,
			Mismatch:  !k.fingerprint.Matches(entry.Fingerprint),
		}
	}
	if len(fresh) == 0 {
		return results, e.confirmKnown(ctx, c, found)
	}
	return results, e.add(ctx, c, fresh, groups)
}

// known returns what stands in the way of entries.
func (e *Engine[T]) known(ctx context.Context, c Conn, entries []inbox.Entry) (map[idempotency.Key]known, error) {
	keys := make([]idempotency.Key, len(entries))
	for i, entry := range entries {
		keys[i] = entry.Key
	}
	args := KeyArgs(keys)
	found := make(map[idempotency.Key]known)
	query := e.Table.Text(queueKnown, "{keys}", e.Table.keysOf(len(keys)))
	err := c.QueryRows(ctx, query, append(args, args...), func(row Row) error {
		var scope, id, fingerprint []byte
		var k known
		if err := row.Scan(&scope, &id, &k.state, &fingerprint, &k.early); err != nil {
			return err
		}
		copy(k.fingerprint[:], fingerprint)
		key := idempotency.Key{Scope: string(scope), ID: string(id)}
		if other, ok := found[key]; !ok || other.state != 0 { // a record decides
			found[key] = k
		}
		return nil
	})
	return found, err
}

// confirmKnown makes what was found durable, if the server may have shown it before it is:
// it adds a write to the transaction, whose commit then does. One write is enough, because
// logs are sequential.
func (e *Engine[T]) confirmKnown(ctx context.Context, c Conn, found map[idempotency.Key]known) error {
	for key, k := range found {
		if !k.early {
			return nil
		}
		if k.state == 0 {
			rec := Stored{Record: lease.Record{State: lease.Done}}
			return e.Table.Flush(ctx, c, key, rec)
		}
		touched, err := Changed(ctx, c, e.Table.Text(queueTouch), []byte(key.Scope), []byte(key.ID))
		if err == nil && !touched {
			err = fmt.Errorf("%w: the entry was settled meanwhile", ErrChanging)
		}
		return err
	}
	return nil
}

// add adds entries that are not known. If another transaction has added one of them since,
// that is a conflict, and then it is known.
func (e *Engine[T]) add(ctx context.Context, c Conn, fresh []inbox.Entry, groups map[group]*groupState) error {
	var args []any
	for _, entry := range fresh {
		state := inbox.Waiting
		if g := groups[group{entry.Key.Scope, entry.Group}]; g != nil {
			if g.busy {
				state = inbox.Blocked
			}
			g.busy = true
		}
		args = append(args, []byte(entry.Key.Scope), []byte(entry.Key.ID), []byte(entry.Key.Endpoint()), int64(state), []byte(entry.Group), fingerprintArg(entry.Fingerprint))
	}
	query := e.Table.Text(queueAdd, "{rows}", rowsOf(queueAddRow, len(fresh)))
	if _, err := c.Exec(ctx, query, args...); err != nil {
		return e.Table.Dialect.rivalEntry(err)
	}
	for _, entry := range fresh {
		g := groups[group{entry.Key.Scope, entry.Group}]
		if g == nil {
			continue
		}
		query := e.Table.Text(queueJoin)
		if _, err := c.Exec(ctx, query, []byte(entry.Key.Scope), []byte(entry.Group), g.next, []byte(entry.Key.ID)); err != nil {
			return err
		}
		g.next++
	}
	return e.keepBodies(ctx, c, fresh)
}

func fingerprintArg(fp idempotency.Fingerprint) any {
	if fp == (idempotency.Fingerprint{}) {
		return []byte(nil)
	}
	return fp[:]
}

// rivalEntry makes a conflict of an error by which the primary key refused an entry.
func (d Dialect) rivalEntry(err error) error {
	duplicate := HasState(err, "23505") ||
		d == MySQL && d.hasNumber(err, func(n int) bool { return n == mysqlDuplicate }) ||
		d == SQLite && d.hasNumber(err, func(n int) bool { return n&0xff == 19 }) // SQLITE_CONSTRAINT
	if duplicate {
		return fmt.Errorf("%w: %w", ErrChanging, err)
	}
	return err
}

// maxStatement is how many bytes of payloads go into one statement, if they are more than
// one: less than any server's limit.
const maxStatement = 1 << 20

// keepBodies adds the payloads of entries.
func (e *Engine[T]) keepBodies(ctx context.Context, c Conn, entries []inbox.Entry) error {
	var args []any
	rows, size := 0, 0
	flush := func() error {
		if rows == 0 {
			return nil
		}
		query := e.Table.Text(queueKeep, "{rows}", rowsOf(queueKeepRow, rows))
		_, err := c.Exec(ctx, query, args...)
		args, rows, size = nil, 0, 0
		return err
	}
	for _, entry := range entries {
		delivery, body, err := e.Table.encode(entry.Key, entry.Delivery)
		if err != nil {
			return err
		}
		n := len(delivery) + len(body)
		if !e.Table.fits(n) {
			return errPacket
		}
		if size+n > maxStatement {
			if err := flush(); err != nil {
				return err
			}
		}
		args = append(args, []byte(entry.Key.Scope), []byte(entry.Key.ID), delivery, body)
		rows, size = rows+1, size+n
	}
	return flush()
}
