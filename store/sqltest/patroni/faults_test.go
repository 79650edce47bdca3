//go:build linux

package patroni_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A fault befalls the leader, and returns what ends it.
type fault struct {
	name string
	f    func(t *testing.T, c *cluster, l *load, leader *node) (heal func())

	// Servers whose data source name has several hosts stay with the old leader, which
	// takes no commits but does not say so, until the fault ends.
	holdsClients bool
}

// kinds are the faults, in turns.
var kinds = []fault{
	{name: "killed while its standbys were away", f: killWithoutStandby},
	{name: "cut off, but for its clients", f: isolate},
	{name: "killed", f: kill},
	{name: "cut off", f: cutOff},
	{name: "its Patroni frozen, and reset by a watchdog", f: freeze, holdsClients: true},
}

// suffer has a fault befall the leader, and waits until the cluster is whole again.
func (l *load) suffer(t *testing.T, c *cluster, f fault, synchronous bool) {
	t.Helper()
	leader, last := c.awaitLeader(t, nil), l.books.last(again)
	began := time.Now()
	heal := sync.OnceFunc(f.f(t, c, l, leader))
	fell := since(began)
	next := c.leaderWithin(t, leader, 40*time.Second)
	if next == nil {
		t.Logf("%s %s: no standby was known to have everything, so it must come back", leader.name, f.name)
		heal()
		next = c.awaitLeader(t, nil)
	}
	promoted := since(began)
	if f.holdsClients {
		heal()
	}
	l.awaitProgress(t, c, l.snapshot())
	working := since(began)
	if err := l.repeat(context.WithoutCancel(t.Context()), last); err != nil {
		t.Error(err)
	}
	heal()
	c.awaitWhole(t, synchronous)
	t.Logf("%s: %s %s after %v; %s promoted after %v, every server works again after %v, the cluster is whole after %v",
		began.UTC().Format("15:04:05.000"), leader.name, f.name, fell, next.name, promoted, working, since(began))
}

func kill(t *testing.T, _ *cluster, _ *load, leader *node) func() {
	leader.kill()
	return func() {
		leader.peers.reset()
		leader.start(t)
	}
}

// cutOff has the leader live on where nothing reaches it.
func cutOff(t *testing.T, c *cluster, _ *load, leader *node) func() {
	leader.isolate()
	leader.cutClients()
	return leader.heal
}

// isolate has the leader live on where only its clients reach it. Nothing that these deliver
// may be acknowledged: not while the leader waits for its standby, nor by what it shows when
// it has demoted itself.
func isolate(t *testing.T, c *cluster, l *load, leader *node) func() {
	s := newStranded(t, c, l, leader)
	leader.isolate()
	s.deliver(t)
	return sync.OnceFunc(func() {
		c.await(t, "the old leader to demote itself", func(context.Context) bool {
			return c.query(leader, "SELECT pg_is_in_recovery()") == "true"
		})
		before := s.answers.Load()
		c.await(t, "copies at the demoted leader", func(context.Context) bool { return s.answers.Load() > before+20 })
		s.stop(t)
		leader.heal()
		s.settle(t)
	})
}

// freeze stops the leader's Patroni, so that nothing demotes it when another is promoted. The
// node is reset before Patroni goes on, as by a watchdog: Patroni 3.0.2 would write its name
// over the new leader's, be the leader again, and discard what was acknowledged meanwhile.
func freeze(t *testing.T, c *cluster, l *load, leader *node) func() {
	s := newStranded(t, c, l, leader)
	syscall.Kill(leader.patroni.pid, syscall.SIGSTOP)
	c.awaitLeader(t, leader)
	s.deliver(t)
	return sync.OnceFunc(func() {
		time.Sleep(timeout)
		s.stop(t)
		leader.kill()
		leader.start(t)
		s.settle(t)
	})
}

// killWithoutStandby holds back what the leader sends to its standbys, until the contexts of
// deliveries have ended in their COMMIT, and kills it. Copies of them must not be
// acknowledged by what it shows.
func killWithoutStandby(t *testing.T, c *cluster, l *load, leader *node) func() {
	s := newStranded(t, c, l, leader)
	leader.peers.hold()
	s.deliver(t)
	before := s.answers.Load()
	c.await(t, "copies while the standbys are away", func(context.Context) bool { return s.answers.Load() >= before+12 })
	s.stop(t)
	leader.kill()
	return sync.OnceFunc(func() {
		leader.peers.reset()
		leader.start(t)
		s.settle(t)
	})
}

// stranded are servers that stay with a leader that must not acknowledge anything, and
// events that only they deliver meanwhile.
type stranded struct {
	c       *cluster
	l       *load
	leader  *node
	servers []*server
	events  [modes][]int
	done    chan struct{}
	loops   sync.WaitGroup
	answers atomic.Int64
}

// newStranded returns servers that are connected.
func newStranded(t *testing.T, c *cluster, l *load, leader *node) *stranded {
	t.Helper()
	dsn := c.dsn(l.database, leader.clients.port())
	s := &stranded{c: c, l: l, leader: leader, done: make(chan struct{})}
	s.servers = []*server{newSQLServer(t, "stranded sqlstore", dsn), newPgxServer(t, "stranded pgxstore", dsn)}
	for _, v := range s.servers {
		for m := range modes {
			if err := l.deliver(t.Context(), v, m, l.books.next(m)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// deliver delivers an event of each mode to each server, and waits until the leader shows one
// that its standby does not have. Then it goes on with copies until stop.
func (s *stranded) deliver(t *testing.T) {
	t.Helper()
	for i, v := range s.servers {
		for m := range modes {
			event := s.l.books.nextApart(m)
			s.events[m] = append(s.events[m], event)
			s.loops.Go(func() { s.insist(t, v, s.servers[(i+1)%len(s.servers)], m, event) })
		}
	}
	s.c.await(t, "the leader to show what its standby does not have", func(context.Context) bool {
		return s.shows(runs) && s.shows(completed)
	})
}

// shows reports whether the leader shows all effects of a mode.
func (s *stranded) shows(m mode) bool {
	return query(s.c.dsn(s.l.database, s.leader.port), "SELECT count(*) = $1 FROM effects WHERE mode = $2 AND event = ANY ($3)",
		len(s.events[m]), int(m), s.events[m]) == "true"
}

// insist delivers an event to two servers in turn, now in transactions of their own, so that
// the leader shows it, and now as other servers do. It fails the test if one acknowledges it.
func (s *stranded) insist(t *testing.T, one, other *server, m mode, event int) {
	for i := 0; ; i++ {
		deliver, patience := one.deliver[m], 4*time.Second // in which a run says that the event is in flight
		if m != accepted && i%4 < 2 {
			// Its context must end before the leader is demoted.
			deliver, patience = func(ctx context.Context, event int) (bool, error) { return one.own(ctx, m, event) }, time.Second
		}
		err := s.l.try(context.WithoutCancel(t.Context()), one.name, deliver, m, event, patience)
		s.answers.Add(1)
		if err == nil {
			t.Errorf("%s acknowledges event %d of %v, which only %s has", one.name, event, m, s.leader.name)
			return
		}
		select {
		case <-s.done:
			return
		case <-time.After(retry / 5):
		}
		one, other = other, one
	}
}

func (s *stranded) stop(t *testing.T) {
	close(s.done)
	s.loops.Wait()
	t.Logf("%d deliveries to %s were not acknowledged", s.answers.Load(), s.leader.name)
}

// settle has the events delivered where the leader is now.
func (s *stranded) settle(t *testing.T) {
	for m := range modes {
		for _, event := range s.events[m] {
			if err := s.l.deliver(context.WithoutCancel(t.Context()), s.l.servers[0], m, event); err != nil {
				t.Error(err)
			}
		}
	}
}
