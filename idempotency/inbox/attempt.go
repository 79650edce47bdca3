package inbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

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
	o := c.inbox.o.Around(ctx, h.Job, d, func(ctx context.Context) idempotency.Outcome {
		return h.endpoint.process(ctx, h.Job, d)
	})
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
	case idempotency.KindPostponed:
		if c.tooOld(h) {
			return c.dead(h, o.Err)
		}
		s.Verdict, s.Uncount, s.Delay, s.Reason = Retry, true, o.RetryAfter, reason(o.Err)
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
	if c.tooOld(h) || h.Attempts >= o.MaxAttempts {
		return c.dead(h, err)
	}
	return Settlement{Ticket: h.Ticket, Verdict: Retry, Delay: jitter(o.Backoff(h.Attempts)), Reason: reason(err)}
}

func (c *crew) tooOld(h *held) bool {
	return c.inbox.o.MaxAge > 0 && h.Age > c.inbox.o.MaxAge
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
