package inbox

import (
	"context"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// finish gives back h, whose work has ended, unless that was done already.
func (c *crew) finish(h *held, s Settlement, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.typical = (7*c.typical + took) / 8
	c.note(h, s)
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
