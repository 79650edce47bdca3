package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A queueCall is one call of a queue's method for one key, and a queueOutcome what it
// returned. A Dequeue that returned nothing says nothing: what was due may have been
// locked.
type (
	queueCall struct {
		method  string
		key     string
		token   int64 // for Settle
		verdict inbox.Verdict
		short   bool // the lease may end at once
		suspect bool // for Dequeue
	}
	queueOutcome struct {
		new   bool        // of Enqueue
		token int64       // of Dequeue
		state inbox.State // of Entry, 0 for none
	}
)

// A slot is what an entry is in a world where calls take no time.
type slot struct {
	state inbox.State // 0: there is none
	token int64
	short bool
}

// entries is the sequential specification of a queue, for each key.
var entries = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(queueCall).key
			byKey[key] = append(byKey[key], op)
		}
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return slot{} },
	Step: func(state, input, output any) (bool, any) {
		return state.(slot).step(input.(queueCall), output.(queueOutcome))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// step reports whether the call may have that outcome, and what it leaves.
func (s slot) step(c queueCall, o queueOutcome) (bool, slot) {
	switch c.method {
	case "Enqueue":
		if s.state != 0 {
			return !o.new, s
		}
		return o.new, slot{state: inbox.Waiting}
	case "Dequeue":
		free := s.state == inbox.Waiting
		if c.suspect {
			free = s.state == inbox.InFlight && s.short
		}
		return free && o.token == s.token+1, slot{inbox.InFlight, o.token, c.short}
	case "Entry":
		return o.state == s.state, s
	}
	if s.state != inbox.InFlight || s.token != c.token {
		return true, s
	}
	switch c.verdict {
	case inbox.Done:
		return true, slot{}
	case inbox.Retry:
		s.state = inbox.Waiting
	case inbox.Die:
		s.state = inbox.Dead
	}
	return true, s
}

// queueHistory records what 6 callers get from q.
func queueHistory(t *testing.T, q inbox.Queue) []porcupine.Operation {
	t.Helper()
	var (
		mu    sync.Mutex
		ops   []porcupine.Operation
		start = time.Now()
		wg    sync.WaitGroup
		scope = fmt.Sprint("q", rand.Uint64())
	)
	for client := range 6 {
		wg.Go(func() {
			var mine []inbox.Ticket
			for range 24 {
				c := nextQueueCall(mine)
				op := porcupine.Operation{ClientId: client, Call: time.Since(start).Nanoseconds()}
				out, ticket, err := c.on(t.Context(), q, scope)
				op.Return = time.Since(start).Nanoseconds()
				if err != nil {
					t.Errorf("%s: %v", c.method, err)
					return
				}
				if c.method == "Dequeue" {
					if ticket.Token == 0 {
						continue
					}
					c.key = ticket.Key.ID
					mine = append(mine, ticket)
				}
				op.Input, op.Output = c, out
				mu.Lock()
				ops = append(ops, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return ops
}

func nextQueueCall(mine []inbox.Ticket) queueCall {
	c := queueCall{
		method:  []string{"Enqueue", "Dequeue", "Dequeue", "Settle", "Settle", "Entry"}[rand.N(6)],
		key:     fmt.Sprint(rand.N(4)),
		short:   rand.N(3) > 0,
		suspect: rand.N(2) == 0,
		verdict: []inbox.Verdict{inbox.Done, inbox.Retry, inbox.Retry, inbox.Die}[rand.N(4)],
	}
	if c.method == "Settle" {
		if len(mine) == 0 {
			c.method = "Enqueue"
		} else {
			ticket := mine[rand.N(len(mine))] // a late one too
			c.key, c.token = ticket.Key.ID, ticket.Token
		}
	}
	return c
}

// on makes the call.
func (c queueCall) on(ctx context.Context, q inbox.Queue, scope string) (o queueOutcome, ticket inbox.Ticket, err error) {
	key := idempotency.Key{Scope: scope, ID: c.key}
	switch c.method {
	case "Enqueue":
		var results []inbox.Enqueued
		results, err = q.Enqueue(ctx, []inbox.Entry{{Key: key, Delivery: hmacverify.Stored{Scheme: "test"}}})
		if err == nil {
			o.new = !results[0].Duplicate
		}
	case "Dequeue":
		length := time.Hour
		if c.short {
			length = time.Microsecond
		}
		var jobs []inbox.Job
		jobs, err = q.Dequeue(ctx, scope, 1, length, c.suspect)
		if len(jobs) > 0 {
			ticket, o.token = jobs[0].Ticket, jobs[0].Token
		}
	case "Entry":
		var s inbox.Status
		s, err = q.Entry(ctx, key)
		if errors.Is(err, idempotency.ErrNotFound) {
			err = nil
		}
		o.state = s.State
	case "Settle":
		err = q.Settle(ctx, []inbox.Settlement{{Ticket: inbox.Ticket{Key: key, Token: c.token}, Verdict: c.verdict}})
	}
	return o, ticket, err
}

func queueLinearizable(t *testing.T, q inbox.Queue) bool {
	t.Helper()
	result := porcupine.CheckOperationsTimeout(entries, queueHistory(t, q), time.Minute)
	if result == porcupine.Unknown {
		t.Error("the checker came to no end")
	}
	return result != porcupine.Illegal
}

func TestQueue_Linearizable(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, q inbox.Queue) {
		for round := range 12 {
			if !queueLinearizable(t, q) {
				t.Errorf("round %d: no order of the calls explains what they returned", round)
			}
		}
	}
	t.Run("memory", func(t *testing.T) { check(t, new(memstore.Store)) })
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(8)
		check(t, newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second}))
	})
}

// forgetful is a queue that loses one of its rules now and then.
type forgetful struct {
	inbox.Queue
	method string
}

func (f forgetful) Enqueue(ctx context.Context, entries []inbox.Entry) ([]inbox.Enqueued, error) {
	results, err := f.Queue.Enqueue(ctx, entries)
	if f.method == "Enqueue" && err == nil {
		results[0].Duplicate = false
	}
	return results, err
}

func (f forgetful) Settle(ctx context.Context, settlements []inbox.Settlement) error {
	if f.method == "Settle" && rand.N(4) == 0 {
		return nil // written nowhere
	}
	return f.Queue.Settle(ctx, settlements)
}

func (f forgetful) Dequeue(ctx context.Context, endpoint string, limit int, lease time.Duration, suspects bool) ([]inbox.Job, error) {
	jobs, err := f.Queue.Dequeue(ctx, endpoint, limit, lease, suspects)
	if f.method == "Dequeue" && len(jobs) > 0 {
		f.Queue.Settle(ctx, []inbox.Settlement{{Ticket: jobs[0].Ticket, Verdict: inbox.Retry}}) // two may have it
	}
	return jobs, err
}

func TestQueue_LinearizableCatches(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Enqueue", "Settle", "Dequeue"} {
		caught := false
		for round := 0; round < 50 && !caught; round++ {
			caught = !queueLinearizable(t, forgetful{new(memstore.Store), method})
		}
		if !caught {
			t.Errorf("a queue whose %s is broken was taken for a good one", method)
		}
	}
}
