package inspect

import (
	"slices"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

const (
	slotLength = 5 * time.Minute
	slots      = 48 // four hours
	recent     = 500

	// maxNames bounds the endpoints that are counted: names are the caller's, but an
	// observer sees whatever a store reports.
	maxNames = 200
)

// An outcome is what the chart tells apart.
type outcome int

const (
	done outcome = iota
	failed
	dead
	refused
	outcomes
)

// outcomeOf returns what a kind counts as, and whether it counts at all.
func outcomeOf(k idempotency.Kind) (outcome, bool) {
	switch k {
	case idempotency.KindCompleted, idempotency.KindIgnored:
		return done, true
	case idempotency.KindFailed, idempotency.KindTimeout, idempotency.KindResponseTooLarge,
		idempotency.KindUnavailable, idempotency.KindLeaseLost, idempotency.KindOverloaded:
		return failed, true
	case idempotency.KindDead:
		return dead, true
	case idempotency.KindRefused, idempotency.KindInvalidKey, idempotency.KindMismatch:
		return refused, true
	}
	return 0, false
}

// An activity is what this process has seen. The zero activity is ready.
type activity struct {
	mu      sync.Mutex
	counts  map[string]*[slots]slot // by endpoint, a ring
	latest  map[string]*times
	seen    ring // of all
	trouble ring // of what was not done, which at a high rate would be pushed out of seen
}

// A ring has the latest sights.
type ring struct {
	all  []sight
	next int // the oldest, once it is full
}

func (r *ring) add(s sight) {
	if len(r.all) < recent {
		r.all = append(r.all, s)
		return
	}
	r.all[r.next] = s
	r.next = (r.next + 1) % recent
}

// list returns up to limit sights that match, the latest first.
func (r *ring) list(limit int, match func(sight) bool) (found []sight) {
	for _, part := range [][]sight{r.all[:r.next], r.all[r.next:]} {
		for _, s := range slices.Backward(part) {
			if match(s) {
				if found = append(found, s); len(found) == limit {
					return found
				}
			}
		}
	}
	return found
}

type slot struct {
	number int64 // of the slot since the epoch
	counts [outcomes]int
}

// A sight is one event that was observed.
type sight struct {
	At       time.Time
	Kind     idempotency.Kind
	Endpoint string
	Key      idempotency.Key
	Attempt  int
	Duration time.Duration
	Error    string
}

type times struct{ done, failed time.Time }

func (a *activity) add(e idempotency.Event, now time.Time) {
	endpoint := e.Endpoint
	if endpoint == "" {
		endpoint = e.Key.Endpoint()
	}
	o, counts := outcomeOf(e.Kind)
	if !counts && (e.Key.ID == "" || e.Kind == idempotency.KindClaimed) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if counts {
		a.count(endpoint, o, now)
	}
	s := sight{At: now, Kind: e.Kind, Endpoint: endpoint, Key: e.Key, Attempt: e.Attempt, Duration: e.Duration}
	if e.Err != nil {
		s.Error = lease.Reason(e.Err)
	}
	a.seen.add(s)
	if counts && o != done {
		a.trouble.add(s)
	}
}

func (a *activity) count(endpoint string, o outcome, now time.Time) {
	if a.counts == nil {
		a.counts, a.latest = make(map[string]*[slots]slot), make(map[string]*times)
	}
	ring := a.counts[endpoint]
	if ring == nil {
		if len(a.counts) == maxNames {
			return
		}
		ring = new([slots]slot)
		a.counts[endpoint], a.latest[endpoint] = ring, new(times)
	}
	number := now.UnixNano() / int64(slotLength)
	s := &ring[number%slots]
	if s.number != number {
		*s = slot{number: number}
	}
	s.counts[o]++
	switch o {
	case done:
		a.latest[endpoint].done = now
	case failed, dead:
		a.latest[endpoint].failed = now
	}
}

// chart returns the counts of an endpoint, oldest slot first.
func (a *activity) chart(endpoint string, now time.Time) (counts [slots][outcomes]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ring := a.counts[endpoint]
	if ring == nil {
		return counts
	}
	last := now.UnixNano() / int64(slotLength)
	for i := range counts {
		number := last - slots + 1 + int64(i)
		if s := ring[number%slots]; s.number == number {
			counts[i] = s.counts
		}
	}
	return counts
}

// last returns when an event of the endpoint was done and when one has failed.
func (a *activity) last(endpoint string) (done, failed time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.latest[endpoint]; t != nil {
		return t.done, t.failed
	}
	return done, failed
}

// troubles returns what was not done lately at the endpoints, the latest first.
func (a *activity) troubles(limit int, sees func(endpoint string) bool) []sight {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trouble.list(limit, func(s sight) bool { return sees(s.Endpoint) })
}

// of returns what was seen of an event lately, the latest first.
func (a *activity) of(key idempotency.Key) []sight {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen.list(recent, func(s sight) bool { return s.Key == key })
}
