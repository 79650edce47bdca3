package records

import (
	"cmp"
	"context"
	"database/sql"
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
	marks map[mark]int64     // nothing is due at or below it, in the database's microseconds
	full  map[mark]time.Time // when a look without a mark is to follow
}

type mark struct {
	endpoint string
	state    inbox.State
}

const (
	// slack is longer than the transaction takes that makes an entry due, almost always.
	slack = time.Second

	// fullInterval is how often a look goes without a mark, for what was later than that;
	// less often if it takes more than a hundredth of the time.
	fullInterval = 15 * time.Second
)

// of returns the mark for a look, 0 for none.
func (l *lowWater) of(m mark) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[m]
}

// next returns the mark for the next look, 0 if it is to be a full one.
func (l *lowWater) next(m mark) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().After(l.full[m]) {
		return 0
	}
	return l.marks[m]
}

// set moves a mark after a look at the time now that found nothing due before oldest. used is
// the mark that the look began at, and took how long it lasted.
func (l *lowWater) set(m mark, used, oldest, now int64, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.marks == nil {
		l.marks, l.full = make(map[mark]int64), make(map[mark]time.Time)
	}
	if used == 0 {
		l.full[m] = time.Now().Add(max(fullInterval, 100*took))
	}
	l.marks[m] = min(oldest-1, now-slack.Microseconds())
}

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
			low := e.low.next(m)
			looks, used = append(looks, m), append(used, low)
			args = append(append(args, e.Table.endpointArgs(name)...), low)
			parts.WriteString(strings.NewReplacer(e.Table.entriesOf(state)...).Replace(queueDuePart))
		}
	}
	var now int64
	oldest := make([]sql.NullInt64, len(looks))
	dest := []any{&now}
	for i := range oldest {
		dest = append(dest, &oldest[i])
	}
	query := e.Table.Text(queueDue, "{due}", parts.String())
	start := time.Now()
	if err := e.Database.Pool().QueryRow(ctx, query, args...).Scan(dest...); err != nil {
		e.Database.Shed(ctx, err)
		return nil, fmt.Errorf("due: %w", err)
	}
	took := time.Since(start)
	for i, m := range looks {
		first := now
		if oldest[i].Valid {
			first = oldest[i].Int64
		}
		e.low.set(m, used[i], first, now, took)
	}
	for i := 0; i < len(looks); i += 2 {
		d := inbox.Due{Endpoint: looks[i].endpoint, Waiting: oldest[i].Valid, Suspects: oldest[i+1].Valid}
		if d.Waiting || d.Suspects {
			due = append(due, d)
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
	err = e.queueTx(ctx, func(ctx context.Context, c Conn) (err error) {
		jobs, err = e.dequeue(ctx, c, mark{endpoint, state}, limit, lease)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dequeue: %w", err)
	}
	return jobs, nil
}

func (e *Engine[T]) dequeue(ctx context.Context, c Conn, m mark, limit int, lease time.Duration) (jobs []inbox.Job, err error) {
	var keys []idempotency.Key
	query := e.Table.Text(queuePick, e.Table.entriesOf(m.state)...)
	err = c.QueryRows(ctx, query, append(e.Table.endpointArgs(m.endpoint), e.low.of(m), limit), func(row Row) error {
		var scope, id, fingerprint []byte
		var age int64
		var j inbox.Job
		if err := row.Scan(&scope, &id, &j.Token, &j.Attempts, &fingerprint, &age); err != nil {
			return err
		}
		j.Key = idempotency.Key{Scope: string(scope), ID: string(id)}
		j.Token++
		j.Attempts++
		copy(j.Fingerprint[:], fingerprint)
		j.Age = time.Duration(age) * time.Microsecond
		jobs, keys = append(jobs, j), append(keys, j.Key)
		return nil
	})
	if err != nil || len(jobs) == 0 {
		return nil, err
	}
	query = e.Table.Text(queueClaim, "{keys}", e.Table.keysOf(len(keys)))
	_, err = c.Exec(ctx, query, append([]any{lease.Microseconds()}, KeyArgs(keys)...)...)
	return jobs, err
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
