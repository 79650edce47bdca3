package inbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
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
		inbox:   b,
		turn:    names,
		workers: workers,
		work:    work,
		held:    make(map[Ticket]*held),
		begun:   make(chan *held, workers+maxAhead),
		settled: make(chan struct{}, 1),
		urgent:  make(chan struct{}, 1),
	}
	c.freed = sync.NewCond(&c.mu)
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
	settled  chan struct{} // pending is not empty
	urgent   chan struct{} // pending should not wait for more
	typical  time.Duration // of the work of late
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
			n, err := c.take(ctx, d.Endpoint, min(share, room), false)
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

// labor is a worker.
func (c *crew) labor() {
	for h := range c.begun {
		ctx, cancel := context.WithCancelCause(c.work)
		if start := time.Now(); c.begin(h, cancel) {
			c.finish(h, c.attempt(ctx, h), time.Since(start))
		}
		cancel(nil)
	}
}

// begin notes that the work of h begins. If the crew stops, or the lease was lost, it does
// not, and h goes back.
func (c *crew) begin(h *held, cancel context.CancelCauseFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[h.Ticket] != h {
		return false
	}
	if c.stopping {
		c.drop(h, Settlement{Ticket: h.Ticket, Verdict: Retry, Uncount: true})
		return false
	}
	h.cancel, h.ends = cancel, time.Now().Add(h.endpoint.timeout+grace)
	return true
}

// attempt does the work of h, and returns what is to become of the entry.
func (c *crew) attempt(ctx context.Context, h *held) (s Settlement) {
	defer func() {
		if value := recover(); value != nil {
			logPanic(h.endpoint.name, h.Key.ID, value, debug.Stack())
			s = c.failed(h, errors.New("the work panicked"))
		}
	}()
	if h.Attempts > c.inbox.o.MaxAttempts {
		return c.dead(h, errNoReport)
	}
	stored, err := c.inbox.queue.Payload(ctx, h.Key)
	if err != nil {
		return c.failed(h, fmt.Errorf("reading the payload: %w", err))
	}
	d, err := stored.RestoreUnverified()
	if err != nil {
		return c.failed(h, fmt.Errorf("restoring the delivery: %w", err))
	}
	o := h.endpoint.process(ctx, h.Job, d)
	if over := context.Cause(ctx); over != nil && !settles(o.Kind) {
		return Settlement{Ticket: h.Ticket, Verdict: Retry, Uncount: errors.Is(over, errStopped), Reason: reason(o.Err)}
	}
	return c.verdict(h, o)
}

var errNoReport = errors.New("inbox: the attempts are used up, and the last one has not reported: it may have killed its process")

// settles reports whether an outcome ends the work on the event.
func settles(k idempotency.Kind) bool {
	switch k {
	case idempotency.KindCompleted, idempotency.KindIgnored, idempotency.KindDuplicate, idempotency.KindDead:
		return true
	}
	return false
}

// verdict says what becomes of an entry by the outcome of its work.
func (c *crew) verdict(h *held, o idempotency.Outcome) Settlement {
	s := Settlement{Ticket: h.Ticket}
	switch o.Kind {
	case idempotency.KindCompleted, idempotency.KindIgnored, idempotency.KindDuplicate:
		s.Verdict = Done
	case idempotency.KindDead: // which the endpoint has observed
		s.Verdict, s.Reason = Die, reason(o.Err)
	case idempotency.KindMismatch, idempotency.KindInvalidKey:
		return c.dead(h, o.Err)
	case idempotency.KindInFlight, idempotency.KindUnavailable, idempotency.KindLeaseLost, idempotency.KindOverloaded:
		s.Verdict, s.Uncount, s.Delay = Retry, true, jitter(max(soon, o.RetryAfter))
	default:
		return c.failed(h, o.Err)
	}
	return s
}

// failed is the settlement of an attempt that failed.
func (c *crew) failed(h *held, err error) Settlement {
	o := &c.inbox.o
	again, early := errors.AsType[*retryError](err)
	switch {
	case o.MaxAge > 0 && h.Age > o.MaxAge, !early && h.Attempts >= o.MaxAttempts:
		return c.dead(h, err)
	case early:
		return Settlement{Ticket: h.Ticket, Verdict: Retry, Delay: again.after, Uncount: true, Reason: reason(err)}
	}
	return Settlement{Ticket: h.Ticket, Verdict: Retry, Delay: jitter(o.Backoff(h.Attempts)), Reason: reason(err)}
}

// dead is the settlement of an entry that the inbox gives up.
func (c *crew) dead(h *held, err error) Settlement {
	h.endpoint.observe(c.work, idempotency.Event{
		Kind:    idempotency.KindDead,
		Key:     h.Key,
		Attempt: h.Attempts,
		Err:     err,
	})
	return Settlement{Ticket: h.Ticket, Verdict: Die, Reason: reason(err)}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return lease.Reason(err)
}

// finish gives back h, whose work has ended, unless that was done already.
func (c *crew) finish(h *held, s Settlement, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.typical = (7*c.typical + took) / 8
	if c.held[h.Ticket] == h {
		c.drop(h, s)
	}
}

// drop has h settled. c.mu must be held.
func (c *crew) drop(h *held, s Settlement) {
	delete(c.held, h.Ticket)
	if h.suspect {
		c.suspect = false
	}
	c.freed.Broadcast()
	c.pending = append(c.pending, s)
	signal(c.settled)
	if h.endpoint.group != nil || len(c.pending) >= maxShare/2 || c.stopping {
		signal(c.urgent)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// settle writes what has become of entries, many in one go, until ctx ends.
func (c *crew) settle(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-c.settled:
			delay := time.NewTimer(settleDelay)
			select {
			case <-delay.C:
			case <-c.urgent:
			case <-ctx.Done():
			}
			delay.Stop()
		case <-ctx.Done():
		}
		c.settlePending(ctx)
	}
	c.settlePending(ctx) // what came after the last look
}

// settlePending settles what is pending. While the queue is away it tries again, until
// ctx ends. What is not settled then is done again when its lease has expired, and found
// to be done.
func (c *crew) settlePending(ctx context.Context) {
	for pause := firstPoll; ; pause = min(2*pause, soon) {
		c.mu.Lock()
		batch := c.pending[:min(len(c.pending), maxShare):min(len(c.pending), maxShare)]
		c.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		err := c.inbox.queue.Settle(bounded, batch)
		cancel()
		if err == nil {
			c.mu.Lock()
			c.pending = c.pending[len(batch):]
			c.mu.Unlock()
			pause = firstPoll
			continue
		}
		c.observe(idempotency.Event{Kind: idempotency.KindStoreError, Err: err})
		timer := time.NewTimer(jitter(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// renew extends the leases of what is held, every third of a lease, until ctx ends.
func (c *crew) renew(ctx context.Context) {
	tick := time.NewTicker(c.inbox.o.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		tickets := c.renewable()
		if len(tickets) == 0 {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, min(settleTimeout, c.inbox.o.Lease/3))
		lost, err := c.inbox.queue.Extend(bounded, tickets, c.inbox.o.Lease)
		cancel()
		if err != nil && ctx.Err() == nil {
			c.observe(idempotency.Event{Kind: idempotency.KindStoreError, Err: err})
		}
		c.release(lost, idempotency.ErrLeaseLost)
	}
}

// renewable returns the tickets whose leases are to be extended. Work that has not ended
// long after its time holds its goroutine, but the entry no longer: nothing that it does
// can be committed.
func (c *crew) renewable() (tickets []Ticket) {
	var hung []*held
	defer func() {
		for _, h := range hung {
			h.endpoint.observe(c.work, idempotency.Event{Kind: idempotency.KindTimeout, Key: h.Key, Attempt: h.Attempts, Err: errHangs})
		}
	}()
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, h := range c.held {
		if h.ends.IsZero() || now.Before(h.ends) {
			tickets = append(tickets, t)
			continue
		}
		h.cancel(errHangs)
		hung = append(hung, h)
		c.drop(h, Settlement{Ticket: t, Verdict: Retry, Delay: soon, Reason: errHangs.Error()})
	}
	for _, s := range c.pending {
		tickets = append(tickets, s.Ticket)
	}
	return tickets
}

// release forgets tickets that are no longer held, and ends their work.
func (c *crew) release(tickets []Ticket, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range tickets {
		h := c.held[t]
		if h == nil {
			continue
		}
		if h.cancel != nil {
			h.cancel(cause)
		}
		delete(c.held, t)
		if h.suspect {
			c.suspect = false
		}
		c.freed.Broadcast()
	}
}

// stop waits for the workers, at most Options.Stop; then it ends the work that still runs,
// and gives back what does not return.
func (c *crew) stop(hands *sync.WaitGroup, cancelWork context.CancelCauseFunc) {
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() { hands.Wait(); close(ended) }()
	if within(ended, c.inbox.o.Stop) {
		return
	}
	cancelWork(errStopped)
	within(ended, grace)
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, h := range c.held {
		c.drop(h, Settlement{Ticket: t, Verdict: Retry, Uncount: true})
	}
}

func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// observe reports what concerns no single event.
func (c *crew) observe(e idempotency.Event) {
	for _, endpoint := range c.inbox.all() {
		endpoint.observe(c.work, e)
		return
	}
}
