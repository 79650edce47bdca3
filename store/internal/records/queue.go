package records

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
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
		err = e.bounded(ctx, entries, func(ctx context.Context) error { return f(ctx, t) })
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
	args := keyArgs(keys)
	found := make(map[idempotency.Key]known)
	query := e.Table.Text(queueKnown, "{pairs}", e.Table.pairsOf(len(keys)))
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

// lowWater bounds what a look for entries that are due reads of the index: rows of entries
// that were dequeued since stay in it while an old transaction might see them.
type lowWater struct {
	mu    sync.Mutex
	marks map[mark]int64     // below which nothing is due, in the database's microseconds
	full  map[mark]time.Time // of the latest look without a mark
}

type mark struct {
	endpoint string
	state    inbox.State
}

const (
	// slack is longer than the transaction takes that makes an entry due.
	slack = 5 * time.Second

	// fullInterval is how often a look goes without a mark, for what was late all the same.
	fullInterval = 15 * time.Second
)

// of returns the mark for a look.
func (l *lowWater) of(m mark) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.full[m]) > fullInterval {
		return 0
	}
	return l.marks[m]
}

// set notes that nothing older than now is due, after a look with the mark used.
func (l *lowWater) set(m mark, used, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.marks == nil {
		l.marks, l.full = make(map[mark]int64), make(map[mark]time.Time)
	}
	if used == 0 {
		l.full[m] = time.Now()
	}
	l.marks[m] = now - slack.Microseconds()
}

// stateText is the state as a literal: PostgreSQL chooses the index for it.
func stateText(s inbox.State) []string { return []string{"{state}", fmt.Sprint(int(s))} }

// Due implements [inbox.Queue].
func (e *Engine[T]) Due(ctx context.Context, endpoints []string) (due []inbox.Due, err error) {
	if len(endpoints) == 0 {
		return nil, nil
	}
	e.Table.Locate(ctx, e.Database.Pool())
	var looks []mark
	var used []int64
	var args []any
	var parts strings.Builder
	for _, name := range endpoints {
		for _, state := range []inbox.State{inbox.Waiting, inbox.InFlight} {
			m := mark{name, state}
			low := e.low.of(m)
			looks, used = append(looks, m), append(used, low)
			args = append(args, []byte(name), low)
			parts.WriteString(strings.NewReplacer(stateText(state)...).Replace(queueDuePart))
		}
	}
	var now int64
	found := make([]bool, len(looks))
	dest := []any{&now}
	for i := range found {
		dest = append(dest, &found[i])
	}
	query := e.Table.Text(queueDue, "{due}", parts.String())
	if err := e.Database.Pool().QueryRow(ctx, query, args...).Scan(dest...); err != nil {
		e.Database.Shed(ctx, err)
		return nil, fmt.Errorf("due: %w", err)
	}
	for i, m := range looks {
		if !found[i] {
			e.low.set(m, used[i], now)
		}
	}
	for i := 0; i < len(looks); i += 2 {
		if found[i] || found[i+1] {
			due = append(due, inbox.Due{Endpoint: looks[i].endpoint, Waiting: found[i], Suspects: found[i+1]})
		}
	}
	return due, nil
}

// Dequeue implements [inbox.Queue].
func (e *Engine[T]) Dequeue(ctx context.Context, endpoint string, limit int, lease time.Duration, suspects bool) (jobs []inbox.Job, err error) {
	state := inbox.Waiting
	if suspects {
		state = inbox.InFlight
	}
	m := mark{endpoint, state}
	low, oldest := e.low.of(m), int64(0)
	err = e.queueTx(ctx, func(ctx context.Context, c Conn) (err error) {
		jobs, oldest, err = e.dequeue(ctx, c, m, low, limit, lease)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dequeue: %w", err)
	}
	if len(jobs) > 0 {
		e.low.set(m, low, oldest)
	}
	return jobs, nil
}

func (e *Engine[T]) dequeue(ctx context.Context, c Conn, m mark, low int64, limit int, lease time.Duration) (jobs []inbox.Job, oldest int64, err error) {
	if e.Table.Dialect == PostgreSQL {
		if _, err := c.Exec(ctx, queuePlanner); err != nil {
			return nil, 0, err
		}
	}
	var keys []idempotency.Key
	query := e.Table.Text(queuePick, stateText(m.state)...)
	err = c.QueryRows(ctx, query, []any{[]byte(m.endpoint), low, limit}, func(row Row) error {
		var scope, id, fingerprint []byte
		var age, due int64
		var j inbox.Job
		if err := row.Scan(&scope, &id, &j.Token, &j.Attempts, &fingerprint, &age, &due); err != nil {
			return err
		}
		j.Key = idempotency.Key{Scope: string(scope), ID: string(id)}
		j.Token++
		j.Attempts++
		copy(j.Fingerprint[:], fingerprint)
		j.Age = time.Duration(age) * time.Microsecond
		if len(jobs) == 0 {
			oldest = due
		}
		jobs, keys = append(jobs, j), append(keys, j.Key)
		return nil
	})
	if err != nil || len(jobs) == 0 {
		return nil, 0, err
	}
	query = e.Table.Text(queueClaim, "{pairs}", e.Table.pairsOf(len(keys)))
	_, err = c.Exec(ctx, query, append([]any{lease.Microseconds()}, keyArgs(keys)...)...)
	return jobs, oldest, err
}

// Extend implements [inbox.Queue].
func (e *Engine[T]) Extend(ctx context.Context, tickets []inbox.Ticket, lease time.Duration) (lost []inbox.Ticket, err error) {
	tickets = slices.Clone(tickets)
	slices.SortFunc(tickets, compareTickets)
	err = e.queueTx(ctx, func(ctx context.Context, c Conn) error {
		lost = nil
		for _, t := range tickets {
			ok, err := Changed(ctx, c, e.Table.Text(queueExtend), lease.Microseconds(), []byte(t.Key.Scope), []byte(t.Key.ID), t.Token)
			if err != nil {
				return err
			}
			if !ok {
				lost = append(lost, t)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("extend: %w", err)
	}
	return lost, nil
}

// compareTickets orders tickets by their keys, in which rows are locked.
func compareTickets(a, b inbox.Ticket) int {
	return cmp.Or(strings.Compare(a.Key.Scope, b.Key.Scope), strings.Compare(a.Key.ID, b.Key.ID))
}

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
	query := e.Table.Text(queueHeld, "{pairs}", e.Table.pairsOf(len(keys)))
	err := c.QueryRows(ctx, query, keyArgs(keys), func(row Row) error {
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
	pairs := e.Table.pairsOf(len(done))
	if _, err := c.Exec(ctx, e.Table.Text(queueRemove, "{pairs}", pairs), keyArgs(done)...); err != nil {
		return err
	}
	if e.Settings.KeepPayloads {
		return nil
	}
	_, err := c.Exec(ctx, e.Table.Text(queueRemoveBody, "{pairs}", pairs), keyArgs(done)...)
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
	query := e.Table.Text(queueEntries, stateText(state)...)
	args := []any{[]byte(endpoint), after.Place, after.Place, scope, scope, []byte(after.Key.ID), limit}
	err = e.Database.Pool().QueryRows(ctx, query, args, func(row Row) error {
		s, err := scanStatus(row)
		page = append(page, s)
		return err
	})
	return page, err
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
