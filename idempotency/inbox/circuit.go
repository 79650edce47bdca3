package inbox

import (
	"log/slog"
	"time"
)

const (
	// tripAfter is how many attempts of an endpoint must fail in a row for its circuit to
	// open: the fault is then not with the events, but with what their work needs.
	tripAfter = 20

	// probeEvery is how often an endpoint whose circuit is open tries an event.
	probeEvery = time.Second
)

// A circuit keeps an outage from using up the attempts of all events that wait. While it
// is open, one event is tried now and then; the first that succeeds closes it.
type circuit struct {
	failures int       // in a row
	probe    time.Time // when the next event may be tried
}

// note counts what became of an attempt, and reports whether the circuit has opened by it.
func (c *circuit) note(failed bool) (opened bool) {
	if !failed {
		*c = circuit{}
		return false
	}
	c.failures++
	return c.failures == tripAfter
}

// limit returns how many of n entries may be dequeued now.
func (c *circuit) limit(n int, now time.Time) int {
	switch {
	case c.failures < tripAfter:
		return n
	case now.Before(c.probe):
		return 0
	}
	c.probe = now.Add(probeEvery)
	return min(n, 1)
}

// note tells the circuit of h's endpoint how its work has ended. c.mu must be held.
func (c *crew) note(h *held, s Settlement) {
	switch {
	case s.Verdict == Done:
		c.circuits[h.endpoint.name].note(false)
	case s.Verdict == Retry && !s.Uncount: // neither the store's fault nor asked for
		if c.circuits[h.endpoint.name].note(true) {
			slog.Warn("webhook's work fails whatever the event; one is tried each second", "endpoint", h.endpoint.name)
		}
	}
}

// limit returns how many of n entries of an endpoint may be dequeued now.
func (c *crew) limit(endpoint string, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.circuits[endpoint].limit(n, time.Now())
}
