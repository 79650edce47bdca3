package idempotency

import (
	"context"
	"sync"
	"time"
)

// A lazyContext is the child of a context, and is made when somebody first waits
// for its end. Most handlers never do, and the two contexts of a delivery would
// cost as much as all the rest of it.
//
// Whoever has one may not tell it from a child that was there all along: the
// context package finds the child through Done and Value as soon as there is one.
type lazyContext struct {
	parent   context.Context
	deadline time.Time // zero if it has only the parent's

	mu    sync.Mutex
	child context.Context // nil until it is made
	end   context.CancelCauseFunc
	over  bool // it ended before the child was made
}

// make returns the child. mu must be held.
func (c *lazyContext) make() context.Context {
	if c.child != nil {
		return c.child
	}
	c.child, c.end = context.WithCancelCause(c.parent)
	if !c.deadline.IsZero() {
		var stop context.CancelFunc
		c.child, stop = context.WithDeadline(c.child, c.deadline)
		cancel := c.end
		c.end = func(cause error) { cancel(cause); stop() }
	}
	if c.over {
		c.end(nil)
	}
	return c.child
}

// cancel ends the context with cause.
func (c *lazyContext) cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.make()
	c.end(cause)
}

// close ends the context when nobody should need it any more.
func (c *lazyContext) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.child != nil {
		c.end(nil)
	}
}

func (c *lazyContext) Deadline() (time.Time, bool) {
	d, ok := c.parent.Deadline()
	if !c.deadline.IsZero() && (!ok || c.deadline.Before(d)) {
		return c.deadline, true
	}
	return d, ok
}

func (c *lazyContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.make().Done()
}

func (c *lazyContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.child != nil:
		return c.child.Err()
	case c.over:
		return context.Canceled
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return c.parent.Err()
}

func (c *lazyContext) Value(key any) any {
	c.mu.Lock()
	ctx := c.child
	c.mu.Unlock()
	if ctx == nil {
		ctx = c.parent
	}
	return ctx.Value(key)
}
