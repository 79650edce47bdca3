//go:build linux

package patroni_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	hotRows  = 4                      // that events of a mode are counted in
	pause    = 100 * time.Millisecond // of a writer, between events
	timeout  = 3 * time.Second        // of a delivery; longer than a node that is away takes to connect to
	patience = 2 * time.Minute        // of a sender; longer than a failover
	again    = 100                    // acknowledged events of a mode that are delivered again after a fault
	retry    = 500 * time.Millisecond // between deliveries, at most
)

// A load has events of all modes delivered to servers, by a writer for each server and mode.
type load struct {
	database string
	servers  []*server
	books    books

	deliveries, failures, duplicates atomic.Int64
	progress                         []atomic.Int64 // acknowledged, of each writer
	refusals                         sync.Map       // the last, by server and mode
	writers                          errgroup.Group
	stopWriters                      context.CancelFunc
	ended                            chan struct{} // the test has, so that nothing is delivered again
	boxes                            errgroup.Group
	stopBoxes                        context.CancelFunc
}

// startLoad creates a database with tables, and starts writers and workers of inboxes.
func startLoad(t *testing.T, c *cluster, database string) *load {
	t.Helper()
	createTables(t, c, database)
	l := &load{database: database, servers: newServers(t, c, database), ended: make(chan struct{})}
	l.progress = make([]atomic.Int64, len(l.servers)*int(modes))
	writing, stopWriters := context.WithCancel(context.WithoutCancel(t.Context()))
	working, stopBoxes := context.WithCancel(context.WithoutCancel(t.Context()))
	l.stopWriters, l.stopBoxes = stopWriters, stopBoxes
	t.Cleanup(func() { // also after a failure, before the pools are closed
		close(l.ended)
		stopWriters()
		stopBoxes()
		l.writers.Wait()
		l.boxes.Wait()
	})
	for i, s := range l.servers {
		l.boxes.Go(func() error { return s.box.Run(working, 2) })
		for m := range modes {
			l.writers.Go(func() error { return l.write(writing, i, m) })
		}
	}
	return l
}

// write delivers events of a mode to a server until ctx ends, and every fourth to another
// one at the same time.
func (l *load) write(ctx context.Context, server int, m mode) error {
	for ctx.Err() == nil {
		event := l.books.next(m)
		to := []int{server}
		if event%4 == 0 {
			to = append(to, (server+1+rand.N(len(l.servers)-1))%len(l.servers))
		}
		if err := l.deliverTo(ctx, m, event, to...); err != nil {
			return err
		}
		l.progress[server*int(modes)+int(m)].Add(1)
		time.Sleep(pause)
	}
	return nil
}

// deliverTo delivers an event to servers at once, until each has acknowledged it. That the
// writers stop does not keep it from that.
func (l *load) deliverTo(ctx context.Context, m mode, event int, servers ...int) error {
	ctx = context.WithoutCancel(ctx)
	var all errgroup.Group
	for _, i := range servers {
		all.Go(func() error { return l.deliver(ctx, l.servers[i], m, event) })
	}
	return all.Wait()
}

// deliver delivers an event until it is acknowledged.
func (l *load) deliver(ctx context.Context, s *server, m mode, event int) (err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(retry/2 + rand.N(retry/2)) {
		if err = l.try(ctx, s.name, s.deliver[m], m, event, timeout); err == nil {
			return nil
		}
		l.refusals.Store(fmt.Sprint(s.name, ", ", m), err)
		select {
		case <-l.ended:
			return err
		default:
		}
	}
	return fmt.Errorf("event %d of %v is not acknowledged by %s after %v: %w", event, m, s.name, patience, err)
}

// try delivers an event once, and enters it in the books if it is acknowledged.
func (l *load) try(ctx context.Context, by string, deliver delivery, m mode, event int, timeout time.Duration) error {
	l.deliveries.Add(1)
	before := l.books.has(m, event)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fresh, err := deliver(ctx, event)
	switch {
	case err != nil:
		l.failures.Add(1)
		return err
	case !fresh:
		l.duplicates.Add(1)
	}
	l.books.acknowledge(m, event, by)
	if before && fresh {
		l.books.lose(m, event)
	}
	return nil
}

// repeat delivers the events again that were acknowledged last. All are duplicates; the
// books count those that were processed again.
func (l *load) repeat(ctx context.Context, last [modes][]int) error {
	var all errgroup.Group
	all.SetLimit(6)
	for m := range modes {
		for _, event := range last[m] {
			all.Go(func() error {
				return l.deliver(ctx, l.servers[rand.N(len(l.servers))], m, event)
			})
		}
	}
	return all.Wait()
}

// awaitProgress waits until every writer has had an event acknowledged since.
func (l *load) awaitProgress(t *testing.T, c *cluster, since []int64) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		now := l.snapshot()
		var stuck []string
		for i := range now {
			if now[i] == since[i] {
				who := fmt.Sprint(l.servers[i/int(modes)].name, ", ", mode(i%int(modes)))
				err, _ := l.refusals.Load(who)
				stuck = append(stuck, fmt.Sprintf("%s: at last: %v", who, err))
			}
		}
		if stuck == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nothing was acknowledged for %v by\n%s\nPgBouncer ended %d times; its pools:\n%s\nits servers:\n%s\nits clients:\n%s", patience, strings.Join(stuck, "\n"),
				c.pgbouncer.ended.Load(), c.show("POOLS"), c.show("SERVERS"), c.show("CLIENTS"))
		}
	}
}

func (l *load) snapshot() (all []int64) {
	for i := range l.progress {
		all = append(all, l.progress[i].Load())
	}
	return all
}

// stop ends the load when its last events are acknowledged, and those of the inboxes are
// processed.
func (l *load) stop(t *testing.T, c *cluster) {
	t.Helper()
	l.stopWriters()
	if err := l.writers.Wait(); err != nil {
		t.Error(err)
	}
	left := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if left = query(c.dsn(l.database, c.proxyPort), "SELECT count(*) FROM idempotency_records_inbox"); left == "0" {
			break
		}
	}
	if left != "0" {
		t.Errorf("the inbox is not empty: %s", left)
	}
	l.stopBoxes()
	if err := l.boxes.Wait(); err != nil {
		t.Error(err)
	}
}
