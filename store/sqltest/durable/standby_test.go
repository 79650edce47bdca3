package durable_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
)

// A cluster is a primary of PostgreSQL whose commits wait for its one standby.
type cluster struct {
	primary *server
	standby *server
}

// newCluster starts a primary and a standby that is a copy of it.
func newCluster(t *testing.T, driver string) *cluster {
	t.Helper()
	e, waiting := postgreSQL(driver), postgreSQL(driver)
	// A process that is killed loses nothing that it has written, synced or not.
	waiting.serve = func(dir string, port int) []string {
		return append(e.serve(dir, port), "-c", "fsync=off", "-c", "synchronous_standby_names=standby",
			"-c", "wal_sender_timeout=0", "-c", "wal_keep_size=64MB")
	}
	primary := &server{engine: waiting, dir: testserver.Directory(t, e.account), port: testserver.FreePort(t, 1)}
	primary.run(t, primary.initialize(primary.dir)...)

	following := e
	following.serve = func(dir string, port int) []string {
		conninfo := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres application_name=standby", primary.port)
		return append(e.serve(dir, port), "-c", "fsync=off", "-c", "primary_conninfo="+conninfo,
			"-c", "wal_retrieve_retry_interval=100ms")
	}
	standby := &server{engine: following, dir: testserver.Directory(t, e.account), port: testserver.FreePort(t, 1)}
	// The primary has not run yet, so that a copy of its files is a backup.
	standby.run(t, "cp", "-a", filepath.Join(primary.dir, "data"), standby.dir)
	standby.run(t, "touch", filepath.Join(standby.dir, "data", "standby.signal"))
	primary.start(t)
	standby.start(t)
	return &cluster{primary, standby}
}

// restartPrimary kills the primary and starts it again.
func (c *cluster) restartPrimary(t *testing.T) {
	t.Helper()
	c.primary.kill(t)
	c.primary.start(t)
}

// failOver kills the primary, and promotes the standby, which takes its address. It
// kills the standby before, with what the primary has sent and it has not read.
func (c *cluster) failOver(t *testing.T) {
	t.Helper()
	c.primary.kill(t)
	c.standby.kill(t)
	c.standby.port = c.primary.port
	c.standby.start(t)
	mustExec(t, c.standby.open(t), "SELECT pg_promote(true, 60)")
}

// A delivery is a first delivery that runs, and whose context can be ended.
type delivery struct {
	pair
	end   context.CancelFunc
	ended chan error
}

// deliver starts the first deliveries, and waits until their commits do.
func (c *cluster) deliver(t *testing.T, all []pair) []delivery {
	t.Helper()
	var ds []delivery
	for _, p := range all {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		t.Cleanup(cancel)
		ds = append(ds, delivery{p, cancel, start(ctx, p.first)})
	}
	db := c.primary.open(t)
	waiting := 0
	for range 200 {
		query := "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
		if err := db.QueryRowContext(t.Context(), query).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if waiting == len(all) {
			return ds
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%d commits wait for the standby, want %d", waiting, len(all))
	return nil
}

// checkAway checks that no copy is acknowledged while the standby is away.
func checkAway(t *testing.T, when string, ds []delivery, acknowledged map[string]bool) {
	t.Helper()
	copies := make([]chan error, len(ds))
	for i, d := range ds {
		patience := 20 * time.Second
		if !d.bounded {
			patience = 3 * time.Second // longer than the bounded ones take
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		copies[i] = start(ctx, d.copy)
	}
	for i, d := range ds {
		err := <-copies[i]
		// On a busy machine the server may not say in time that the table can be read.
		for end := time.Now().Add(20 * time.Second); d.bounded && errors.Is(err, idempotency.ErrUnavailable) && time.Now().Before(end); {
			err = d.copy(t.Context())
		}
		acknowledged[d.name] = acknowledged[d.name] || acknowledges(err)
		if acknowledges(err) || d.bounded && !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("%s: copy %s: got %v, want ErrInFlight", d.name, when, err)
		}
	}
}

// The standby goes away, and is promoted: of what it does not have nothing was
// acknowledged, neither while commits waited for it, nor when their contexts had
// ended, nor when the primary had restarted and showed them.
func TestDurable_StandbyPromoted(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, c *cluster) {
		all, acknowledged := pairs(t, c.primary), make(map[string]bool)
		c.standby.kill(t)
		ds := c.deliver(t, all)
		checkAway(t, "while the commit waits", ds, acknowledged)
		for _, d := range ds {
			d.end()
		}
		for _, d := range ds {
			err := <-d.ended
			acknowledged[d.name] = acknowledged[d.name] || acknowledges(err)
			if acknowledges(err) {
				t.Errorf("%s: first delivery: got %v, and the standby does not have it", d.name, err)
			}
		}
		shown := visible(t, c.primary.open(t))
		for _, d := range ds {
			if shown[d.name] == d.run {
				t.Errorf("%s: visible after the context has ended: %v, want that of a COMMIT that was canceled", d.name, d.run)
			}
		}
		checkAway(t, "after the context has ended", ds, acknowledged)
		c.restartPrimary(t)
		shown = visible(t, c.primary.open(t))
		for _, d := range ds {
			if !shown[d.name] {
				t.Errorf("%s: not visible after the restart", d.name)
			}
		}
		checkAway(t, "after the restart", ds, acknowledged)
		c.failOver(t)
		balance(t, c.standby, all, acknowledged)
	})
}

// The standby comes back: every copy is acknowledged, and the standby has what was.
func TestDurable_StandbyComesBack(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, c *cluster) {
		all, acknowledged := pairs(t, c.primary), make(map[string]bool)
		c.standby.signal(t, syscall.SIGSTOP)
		ds := c.deliver(t, all)
		checkAway(t, "while the commit waits", ds, acknowledged)
		for _, d := range ds {
			d.end()
		}
		checkAway(t, "after the context has ended", ds, acknowledged)
		c.standby.signal(t, syscall.SIGCONT)
		for _, d := range ds {
			if err := <-d.ended; d.run && !acknowledges(err) && !errors.Is(err, idempotency.ErrUnavailable) && !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("%s: first delivery: got %v, want it acknowledged, or in flight after a long wait", d.name, err)
			}
		}
		for _, d := range ds {
			if err := d.copy(t.Context()); !acknowledges(err) {
				t.Errorf("%s: copy after the standby has come back: %v", d.name, err)
			}
			acknowledged[d.name] = true
		}
		c.failOver(t)
		balance(t, c.standby, all, acknowledged)
	})
}

func eachDriver(t *testing.T, f func(t *testing.T, c *cluster)) {
	t.Helper()
	for _, driver := range []string{"pgx", "postgres", "pgxpool"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, driver)
			createTables(t, c.primary)
			f(t, c)
		})
	}
}
