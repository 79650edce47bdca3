package hmacverify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of a KeyCache.
const (
	cachedKeys     = 64
	cachedKeyID    = 128 // bytes
	missesInMinute = 60
	fetchTimeout   = 10 * time.Second
	defaultFresh   = time.Hour
	refetchAfter   = time.Minute // a failure, if there are older keys
)

// KeyCache keeps keys that a sender publishes under an ID and names in each delivery,
// as in a JWKS. Use it in Options.Keys:
//
//	cache := &hmacverify.KeyCache{Fetch: fetch}
//	options.Keys = func(r *http.Request) (hmacverify.Tenant, error) {
//		keys, err := cache.Keys(r.Context(), r.Header.Get("Acme-Key-Id"))
//		return hmacverify.Tenant{Name: "acme", Keys: keys}, err
//	}
//
// Any client can name any ID. So Fetch is called at most 60 times a minute for IDs that
// are not in the cache, and never twice at once for the same ID. The cache holds at most
// 64 IDs. A KeyCache is safe for concurrent use.
type KeyCache struct {
	// Fetch returns the keys of an ID, newest first, in the form that the scheme
	// takes. If there is no such ID its error must wrap [ErrNoKey]. Ask an address
	// that you know: never one from the request. ctx ends after 10 seconds, and not
	// with the request. Required.
	Fetch func(ctx context.Context, id string) ([]string, error)

	// Fresh is how long keys are used before they are fetched again. If that fails,
	// they stay in use, and Fetch is called again a minute later. Default one hour.
	Fresh time.Duration

	mu      sync.Mutex
	flights map[string]*keyFlight // the calls of Fetch
	entries map[string]cachedKey
	minute  time.Time // the start of the minute in which misses are counted
	misses  int
}

type cachedKey struct {
	keys    []string
	fetched time.Time
}

// keyFlight is one call of Fetch, for which all wait who want that ID.
type keyFlight struct {
	done chan struct{}
	keys []string
	err  error
}

// Keys returns the keys of an ID. The error wraps [ErrNoKey] if there is none,
// [ErrOverloaded] if too many unknown IDs were asked for, and otherwise Fetch's, so
// that the sender gets a 503 and retries.
func (c *KeyCache) Keys(ctx context.Context, id string) ([]string, error) {
	if id == "" || len(id) > cachedKeyID || !printable(id) {
		return nil, fmt.Errorf("%w: the request names no ID of a key", ErrNoKey)
	}
	cached, found := c.look(id)
	if found && time.Since(cached.fetched) < c.fresh() {
		return cached.keys, nil
	}
	flight := c.join(ctx, id, found)
	if flight == nil {
		return nil, fmt.Errorf("%w: more than %d unknown IDs of keys in a minute", ErrOverloaded, missesInMinute)
	}
	select {
	case <-flight.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if found && flight.err != nil && !errors.Is(flight.err, ErrNoKey) {
		return cached.keys, nil
	}
	return flight.keys, flight.err
}

// join returns the flight of an ID, which may have begun before, or nil if there were
// too many of IDs that were not found.
func (c *KeyCache) join(ctx context.Context, id string, found bool) *keyFlight {
	c.mu.Lock()
	defer c.mu.Unlock()
	flight := c.flights[id]
	if flight == nil {
		if !found && !c.mayMiss() {
			return nil
		}
		if c.flights == nil {
			c.flights = make(map[string]*keyFlight)
		}
		flight = &keyFlight{done: make(chan struct{})}
		c.flights[id] = flight
		go c.fetch(context.WithoutCancel(ctx), id, flight)
	}
	return flight
}

func (c *KeyCache) fresh() time.Duration {
	if c.Fresh > 0 {
		return c.Fresh
	}
	return defaultFresh
}

func (c *KeyCache) look(id string) (cachedKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, found := c.entries[id]
	return cached, found
}

// mayMiss counts a miss. c.mu is held.
func (c *KeyCache) mayMiss() bool {
	if now := time.Now(); now.Sub(c.minute) >= time.Minute {
		c.minute, c.misses = now, 0
	}
	c.misses++
	return c.misses <= missesInMinute
}

func (c *KeyCache) fetch(ctx context.Context, id string, f *keyFlight) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	defer c.land(id, f)
	// A panic here would end the process, and not the request alone.
	defer func() {
		if recover() != nil {
			f.keys, f.err = nil, errors.New("hmacverify: KeyCache.Fetch panicked")
		}
	}()
	f.keys, f.err = c.Fetch(ctx, id)
	if f.err == nil && len(f.keys) == 0 {
		f.err = fmt.Errorf("%w: there are none under that ID", ErrNoKey)
	}
}

// land keeps what a flight has brought, and lets those go on that wait for it.
func (c *KeyCache) land(id string, f *keyFlight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(f.err, ErrNoKey):
		delete(c.entries, id) // it was withdrawn
	case f.err == nil:
		c.keep(id, f.keys)
	default: // a server that is away, or hangs, must not hold up each delivery
		if old, found := c.entries[id]; found {
			old.fetched = time.Now().Add(min(refetchAfter, c.fresh()) - c.fresh())
			c.entries[id] = old
		}
	}
	delete(c.flights, id)
	close(f.done)
}

// keep stores keys, instead of the oldest if there are too many.
func (c *KeyCache) keep(id string, keys []string) {
	if c.entries == nil {
		c.entries = make(map[string]cachedKey)
	}
	c.entries[id] = cachedKey{keys, time.Now()}
	if len(c.entries) <= cachedKeys {
		return
	}
	oldest := id
	for other, e := range c.entries {
		if e.fetched.Before(c.entries[oldest].fetched) {
			oldest = other
		}
	}
	delete(c.entries, oldest)
}
