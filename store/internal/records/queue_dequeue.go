package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

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
