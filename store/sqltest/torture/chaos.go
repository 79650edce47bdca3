package torture

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Chaos is what happens to a run while the senders deliver.
type chaos struct {
	plan
	*database
	proxy *proxy // nil without a server
	fleet *fleet
	burst func()     // delivers new events, and soon their duplicates
	acked func() int // counts the answers that acknowledge an event

	serverKills   atomic.Int64
	serverPauses  atomic.Int64
	databaseKills atomic.Int64
	cutOffs       atomic.Int64
	heldKills     atomic.Int64 // of what writes the log, while that was held back
	logHolds      atomic.Int64
	holdUps       atomic.Int64
	oldRecords    atomic.Int64
	away          atomic.Int64 // total time without the database, in nanoseconds

	logMu sync.Mutex // held while the log is held back

	mu  sync.Mutex // guards err
	err error      // of the first disturbance that failed
}

// run disturbs the run until ctx ends, and leaves everything up and calm.
func (c *chaos) run(ctx context.Context, seed uint64) {
	var wg sync.WaitGroup
	stream := uint64(0)
	every := func(pause time.Duration, f func(context.Context, *rand.Rand) error) {
		stream++
		r := rand.New(rand.NewPCG(seed, stream))
		wg.Go(func() { c.repeat(ctx, pause, r, f) })
	}
	every(c.serverKillEvery, c.killServer)
	every(300*time.Millisecond, c.addOld)
	if c.logPath != "" {
		every(c.holdLogEvery, c.slowLog)
	}
	if c.proxy != nil {
		strike := c.killDatabase
		if c.size > 1 {
			strike = c.strikeNode
		}
		every(c.databaseKillEvery, strike)
		every(c.cutEvery, c.cutCommit)
		every(4*c.cutEvery, c.cutStatement)
		every(c.holdUpEvery, c.holdUp)
		every(c.pauseEvery, c.pauseServer)
	}
	wg.Wait()
	if c.proxy != nil {
		c.proxy.calm()
	}
}

// repeat calls f at random times, with the given pause on average.
func (c *chaos) repeat(ctx context.Context, pause time.Duration, r *rand.Rand, f func(context.Context, *rand.Rand) error) {
	var took time.Duration
	for {
		// On a busy machine a disturbance takes long, and must leave time for work.
		acked := c.acked()
		select {
		case <-ctx.Done():
			return
		case <-time.After(took + time.Duration(r.Int64N(int64(2*pause)))):
		}
		// And what is disturbed must get something done before the next one.
		for wait := 20 * time.Second; c.acked() < acked+3 && wait > 0 && ctx.Err() == nil; wait -= 50 * time.Millisecond {
			time.Sleep(50 * time.Millisecond)
		}
		begun := time.Now()
		// A disturbance that has begun finishes, so that nothing stays down.
		if err := f(context.WithoutCancel(ctx), r); err != nil {
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			return
		}
		took = time.Since(begun)
	}
}

func (c *chaos) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// killServer kills a server process, which is down for a moment.
func (c *chaos) killServer(_ context.Context, r *rand.Rand) error {
	s := c.fleet.pick(r)
	defer s.mu.Unlock()
	if n := c.serverKills.Add(1); n%4 == 0 && c.logPath != "" && !c.hasServer() {
		if err := c.held(r, func() error { c.fleet.kill(s); return nil }); err != nil {
			return err
		}
	} else {
		c.fleet.kill(s)
	}
	time.Sleep(time.Duration(r.Int64N(int64(c.serverKillEvery / 5))))
	return c.fleet.start(s)
}

// pauseServer stops a server process until its leases have expired.
func (c *chaos) pauseServer(_ context.Context, r *rand.Rand) error {
	s := c.fleet.pick(r)
	defer s.mu.Unlock()
	c.serverPauses.Add(1)
	return s.pause(c.lease + time.Duration(r.Int64N(int64(c.lease/2))))
}

// killDatabase kills the database server: every other time while its log is held back,
// and otherwise PostgreSQL in turn in the way of "pg_ctl -m immediate".
func (c *chaos) killDatabase(ctx context.Context, r *rand.Rand) error {
	n := c.databaseKills.Add(1)
	signal := syscall.SIGKILL
	if c.immediate && n%4 == 2 {
		signal = syscall.SIGQUIT
	}
	var killed time.Time
	kill := func() error {
		killed = time.Now()
		return c.takeAway(ctx, signal)
	}
	var err error
	if n%2 == 1 {
		err = c.held(r, kill)
	} else {
		err = kill()
	}
	err = errors.Join(err, c.bringBack(ctx))
	c.away.Add(int64(time.Since(killed)))
	return err
}

// held holds the log back, kills what writes it when commits and their duplicates
// have met that, and lets go: what was not written is lost.
func (c *chaos) held(r *rand.Rand, kill func() error) error {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	if err := c.holdLog(); err != nil {
		return err
	}
	c.burst()
	time.Sleep(2*duplicatesAfter + time.Duration(r.Int64N(int64(500*time.Millisecond))))
	c.heldKills.Add(1)
	return errors.Join(kill(), c.releaseLog())
}

// slowLog holds the log back for a while.
func (c *chaos) slowLog(_ context.Context, r *rand.Rand) error {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	c.logHolds.Add(1)
	if err := c.holdLog(); err != nil {
		return err
	}
	time.Sleep(time.Duration(r.Int64N(int64(700 * time.Millisecond))))
	return c.releaseLog()
}

func (c *chaos) cutCommit(_ context.Context, r *rand.Rand) error {
	c.proxy.armed.Store(int32(cutBefore) + r.Int32N(3))
	return nil
}

func (c *chaos) cutStatement(context.Context, *rand.Rand) error {
	c.proxy.armedAny.Store(true)
	return nil
}

// holdUp slows the network down for a while, or stalls it.
func (c *chaos) holdUp(_ context.Context, r *rand.Rand) error {
	c.holdUps.Add(1)
	if r.IntN(2) == 0 {
		c.proxy.freeze(time.Duration(r.Int64N(int64(1500 * time.Millisecond))))
		return nil
	}
	c.proxy.latency.Store(r.Int64N(int64(10 * time.Millisecond)))
	time.Sleep(c.holdUpEvery / 2)
	c.proxy.latency.Store(0)
	return nil
}

// addOld adds records for the purge to remove. The database may be away.
func (c *chaos) addOld(ctx context.Context, _ *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	const n = 20
	c.addOldRecords(ctx, int(c.oldRecords.Add(n)), n)
	return nil
}
