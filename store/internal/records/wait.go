package records

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// The pauses between attempts double from minPause to maxPause, less a random part of
// up to a half, so that transactions that met do not meet again.
const (
	minPause = 2 * time.Millisecond
	maxPause = 100 * time.Millisecond
	minTries = 3
)

// A backoff says how long to wait before the next attempt, and when to give up.
type backoff struct {
	until time.Time
	least int // attempts, even after until
	tries int
}

func (t *Table) backoff(start time.Time) backoff {
	b := backoff{until: start.Add(t.Wait), least: minTries}
	if t.Dialect == SQLite {
		b.least = 1 // each may take the driver's busy_timeout
	}
	return b
}

// wait pauses and reports whether to try again.
func (b *backoff) wait(ctx context.Context) bool {
	b.tries++
	pause := min(minPause<<min(b.tries-1, 10), maxPause)
	pause -= rand.N(pause / 2)
	if b.tries >= b.least && time.Now().Add(pause).After(b.until) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// RetryConflicts calls f until it meets no conflict, for at most t.Wait.
func (t *Table) RetryConflicts(ctx context.Context, f func() error) error {
	pauses := t.backoff(time.Now())
	for {
		err := f()
		if !t.Dialect.Conflict(err) || !pauses.wait(ctx) {
			return err
		}
	}
}

// ErrWaited means that a lock was not acquired in time.
var ErrWaited = errors.New("another transaction has the record")

// WithWait calls f, which may wait for another transaction. If that takes longer than
// it may, the driver closes the connection, and the error is ErrWaited.
func (t *Table) WithWait(ctx context.Context, f func(context.Context) error) error {
	// t.Wait and a second: a statement that does not wait takes time too, and
	// MariaDB, which counts whole seconds, gives up by itself.
	longest := time.Duration(wholeSeconds(t.Wait)+1) * time.Second
	bounded, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	err := f(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return ErrWaited
	}
	return err
}
