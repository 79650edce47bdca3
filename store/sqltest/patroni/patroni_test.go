//go:build linux

package patroni_test

import (
	"flag"
	"strings"
	"testing"
	"time"
)

var (
	faults = flag.Int("faults", 1, "how many faults befall the leader, one after the other, in turns, if -timeout leaves time for them")
	first  = flag.Int("first", 0, "which kind of fault is the first")
)

// TestPatroni starts one cluster for all tests, because that takes seconds.
func TestPatroni(t *testing.T) {
	c := newCluster(t)
	if !t.Run("synchronous replication loses nothing", func(t *testing.T) { testSynchronous(t, c) }) {
		return // the cluster may be broken
	}
	t.Run("asynchronous replication loses what it had not sent", func(t *testing.T) { testAsynchronous(t, c) })
}

func testSynchronous(t *testing.T, c *cluster) {
	l := startLoad(t, c, "synchronous")
	l.awaitProgress(t, c, l.snapshot())
	for i := 0; i < *faults && timeLeft(t); i++ {
		l.suffer(t, c, kinds[(*first+i)%len(kinds)], true)
	}
	l.stop(t, c)
	b := l.report(t, c)
	if b.lost != 0 || b.twice != 0 || b.effects != b.acknowledged || b.counted != b.acknowledged {
		t.Errorf("the books do not balance:\n%s\n%s", strings.Join(b.wrong, "\n"), c.logs())
	}
}

// timeLeft reports whether there is time for a fault, and for the books, before the test must
// end.
func timeLeft(t *testing.T) bool {
	end, limited := t.Deadline()
	return !limited || time.Until(end) > 100*time.Second
}

// testAsynchronous shows that the books see a loss.
func testAsynchronous(t *testing.T, c *cluster) {
	c.setSynchronous(t, false)
	l := startLoad(t, c, "asynchronous")
	l.awaitProgress(t, c, l.snapshot())
	l.suffer(t, c, fault{name: "killed with what it had not sent", f: func(t *testing.T, c *cluster, l *load, leader *node) func() {
		leader.peers.hold()
		time.Sleep(time.Second)
		return kill(t, c, l, leader)
	}}, false)
	l.stop(t, c)
	if b := l.report(t, c); b.lost == 0 {
		t.Error("nothing is lost: do the books see it?")
	}
}

// report balances the books.
func (l *load) report(t *testing.T, c *cluster) balance {
	t.Helper()
	b := l.books.balance(t, c.dsn(l.database, c.proxyPort))
	if n := c.pgbouncer.ended.Load(); n > 0 {
		t.Logf("PgBouncer ended %d times by itself", n)
	}
	t.Logf("%d deliveries, %d acknowledged events, %d deliveries retried, %d duplicates; %d lost, %d twice, %d effects, %d counted",
		l.deliveries.Load(), b.acknowledged, l.failures.Load(), l.duplicates.Load(), b.lost, b.twice, b.effects, b.counted)
	return b
}
