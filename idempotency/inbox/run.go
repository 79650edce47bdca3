package inbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

const (
	firstPoll = 100 * time.Millisecond

	// soon is the pause after an attempt that says nothing of the event: the store was
	// away, or another process has the event in flight.
	soon = 5 * time.Second

	// grace is how long work may take to notice that its time is up.
	grace = 2 * time.Second

	// maxAhead is how many entries a process holds at most besides those that its workers
	// are at, so that one transaction dequeues many; aheadFor is how long they may take to
	// get their turn. While the work is slow there are none: another process may be free.
	maxAhead = 16
	aheadFor = 50 * time.Millisecond

	// settleDelay is how long what has become of an entry waits for others to be written
	// in one transaction.
	settleDelay = 20 * time.Millisecond

	// settleTimeout bounds one call of Queue.Settle or Queue.Extend.
	settleTimeout = 10 * time.Second
)

// Run processes events with as many goroutines as workers says, until ctx ends. Any
// number of processes may do so on one queue, each for the endpoints that it has: events
// of others stay where they are.
//
// When ctx ends, no event is begun any more. Those that are being processed may finish
// within Options.Stop; then their contexts end, and they are processed again, by another
// process or at the next start. Run returns nil then, and an error at once if it cannot
// begin. While the database is away it waits for it.
//
// Run wants some connections of the pool besides one for each worker: two are enough.
func (b *Inbox) Run(ctx context.Context, workers int) error {
	var names []string
	for _, e := range b.all() {
		names = append(names, e.name)
	}
	switch {
	case workers < 1:
		return fmt.Errorf("inbox: Run with %d workers", workers)
	case len(names) == 0:
		return errors.New("inbox: no endpoints: call Handle before Run")
	}
	work, cancelWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelWork(nil)
	c := &crew{
		inbox:    b,
		turn:     names,
		workers:  workers,
		work:     work,
		held:     make(map[Ticket]*held),
		circuits: make(map[string]*circuit),
		begun:    make(chan *held, workers+maxAhead),
		settled:  make(chan struct{}, 1),
		urgent:   make(chan struct{}, 1),
	}
	c.freed = sync.NewCond(&c.mu)
	for _, name := range names {
		c.circuits[name] = new(circuit)
	}
	upkeep, endUpkeep := context.WithCancel(context.WithoutCancel(ctx))
	var keepers, hands sync.WaitGroup
	keepers.Go(func() { c.renew(upkeep) })
	keepers.Go(func() { c.settle(upkeep) })
	for range workers {
		hands.Go(c.labor)
	}
	c.fetch(ctx)
	close(c.begun)
	c.stop(&hands, cancelWork)
	endUpkeep()
	keepers.Wait()
	return nil
}

// A crew is the goroutines of one call of Run.
type crew struct {
	inbox   *Inbox
	turn    []string // the endpoints' names, in the order of the next fetch
	workers int
	work    context.Context // of all work
	begun   chan *held      // dequeued, for the workers

	mu       sync.Mutex // guards what follows
	freed    *sync.Cond // signaled when held gets smaller
	held     map[Ticket]*held
	suspect  bool // one is held
	stopping bool
	pending  []Settlement
	settled  chan struct{}       // pending is not empty
	urgent   chan struct{}       // pending should not wait for more
	typical  time.Duration       // of the work of late
	circuits map[string]*circuit // by endpoint
}

// A held is an entry that this process has dequeued.
type held struct {
	Job
	endpoint *endpoint
	suspect  bool
	cancel   context.CancelCauseFunc // nil until the work has begun
	ends     time.Time               // when the work should have ended; zero until it has begun
}

var (
	errStopped = errors.New("inbox: the process stops")
	errHangs   = errors.New("inbox: the work did not end in time")
)

// fetch dequeues entries until ctx ends.
func (c *crew) fetch(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.freed.Broadcast()
	})
	defer stop()
	pause := firstPoll
	for ctx.Err() == nil {
		room := c.room(ctx)
		if room == 0 {
			return
		}
		found, err := c.fill(ctx, room)
		if found {
			pause = firstPoll
			continue
		}
		if err != nil && ctx.Err() == nil {
			c.observe(idempotency.Event{Kind: idempotency.KindStoreError, Err: err})
		}
		timer := time.NewTimer(jitter(pause))
		select {
		case <-timer.C:
			pause = min(2*pause, c.inbox.o.Poll)
		case <-c.inbox.wake:
			pause = firstPoll
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// room waits until there is room for more entries, and returns for how many; 0 if ctx has
// ended.
func (c *crew) room(ctx context.Context) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ctx.Err() == nil {
		ahead := maxAhead
		if c.typical > 0 {
			ahead = min(ahead, int(aheadFor/c.typical)*c.workers)
		}
		if len(c.held) < c.workers+(ahead+1)/2 {
			return c.workers + ahead - len(c.held)
		}
		c.freed.Wait()
	}
	return 0
}

// fill dequeues up to room entries, of all endpoints that have some, in turn.
func (c *crew) fill(ctx context.Context, room int) (found bool, err error) {
	due, err := c.inbox.queue.Due(ctx, c.turn)
	if err != nil || len(due) == 0 {
		return false, err
	}
	c.turn = append(c.turn[1:], c.turn[0])
	share := max(1, room/len(due))
	for _, d := range due {
		if d.Waiting && room > 0 {
			n, err := c.take(ctx, d.Endpoint, c.limit(d.Endpoint, min(share, room)), false)
			if err != nil {
				return found, err
			}
			room -= n
			found = found || n > 0
		}
		if d.Suspects && !c.hasSuspect() {
			n, err := c.take(ctx, d.Endpoint, 1, true)
			if err != nil {
				return found, err
			}
			found = found || n > 0
		}
	}
	return found, nil
}

func (c *crew) hasSuspect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.suspect
}

// take dequeues entries of an endpoint and gives them to the workers.
func (c *crew) take(ctx context.Context, endpoint string, limit int, suspects bool) (int, error) {
	if limit == 0 {
		return 0, nil
	}
	jobs, err := c.inbox.queue.Dequeue(ctx, endpoint, limit, c.inbox.o.Lease, suspects)
	if err != nil {
		return 0, err
	}
	all := make([]*held, len(jobs))
	c.mu.Lock()
	for i, j := range jobs {
		all[i] = &held{Job: j, endpoint: c.inbox.endpoint(endpoint), suspect: suspects}
		c.held[j.Ticket] = all[i]
		c.suspect = c.suspect || suspects
	}
	c.mu.Unlock()
	for _, h := range all {
		c.begun <- h // it has room for all that may be held
	}
	return len(jobs), nil
}
