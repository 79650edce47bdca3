package galera_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

var faults = flag.Int("faults", len(faultsOfNodes), "how many faults the nodes have, one after the other")

// faultsOfNodes is what befalls a node, and how it ends.
var faultsOfNodes = []struct {
	name       string
	begin, end func(*testing.T, *cluster, int)
}{
	{"killed", func(_ *testing.T, c *cluster, i int) { c.nodes[i].kill() }, func(t *testing.T, c *cluster, i int) { c.start(t, i) }},
	{"cut off, but for its clients", cutOff, reconnect},
	{
		"stopped", func(t *testing.T, c *cluster, i int) {
			signal(t, c, i, syscall.SIGSTOP)
			c.await(t, 0, "wsrep_cluster_size", fmt.Sprint(size-1))
		},
		func(t *testing.T, c *cluster, i int) { signal(t, c, i, syscall.SIGCONT) },
	},
}

// isolate has a node drop its connections to the others (1), or take them up again (0).
func isolate(t *testing.T, c *cluster, i, on int) {
	t.Helper()
	db := (&cluster{nodes: c.nodes}).open(t, i)
	defer db.Close()
	mustExec(t, db, fmt.Sprintf("SET GLOBAL wsrep_provider_options = 'gmcast.isolate = %d'", on))
}

// cutOff returns when the node has seen that it is alone.
func cutOff(t *testing.T, c *cluster, i int) {
	t.Helper()
	isolate(t, c, i, 1)
	c.await(t, i, "wsrep_cluster_status", "non-Primary")
}

func reconnect(t *testing.T, c *cluster, i int) {
	t.Helper()
	isolate(t, c, i, 0)
}

func signal(t *testing.T, c *cluster, i int, s syscall.Signal) {
	t.Helper()
	if err := c.nodes[i].process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// testFaults has nodes fail while events arrive, each of which is delivered until it is
// acknowledged, and has them join the cluster again. What is acknowledged must be there,
// though a node alone would lose the last second.
func testFaults(t *testing.T, c *cluster) {
	db, n := deliverAll(t, c, func(node int) handler {
		s := openStore(t, c.open(t, node))
		return func(ctx context.Context, key idempotency.Key, event int) error {
			return s.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error { return work(ctx, tx, event) })
		}
	}, func(ctx context.Context) {
		for n := range *faults {
			fault := faultsOfNodes[n%len(faultsOfNodes)]
			node := 1 + n%(size-1) // the books are read by the first
			if !sleep(ctx, time.Second) {
				return // a delivery has failed
			}
			fault.begin(t, c, node)
			fault.end(t, c, node)
			c.wait(t, node)
			t.Logf("%s: node %d", fault.name, node)
		}
	})
	checkBooks(t, db, n)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// testErrors has the last node answer with its errors, one by one. The delivery that meets
// one is refused and has no effect, and the next one is done.
func testErrors(t *testing.T, c *cluster) {
	last := size - 1
	for _, test := range []struct {
		name, number string
		f            func(t *testing.T, db *sql.DB, deliver func(beforeCommit func()) error) error
	}{
		{"the node has left the cluster", "1047", func(t *testing.T, _ *sql.DB, deliver func(func()) error) error {
			cutOff(t, c, last)
			return deliver(nil)
		}},
		{"the node leaves the cluster during COMMIT", "1180", func(t *testing.T, _ *sql.DB, deliver func(func()) error) error {
			return deliver(func() { isolate(t, c, last, 1) })
		}},
		{"what is committed is too large", "1105", func(t *testing.T, db *sql.DB, deliver func(func()) error) error {
			mustExec(t, db, "SET GLOBAL wsrep_max_ws_size = 1024")
			defer mustExec(t, db, "SET GLOBAL wsrep_max_ws_size = DEFAULT")
			return deliver(nil)
		}},
		{"another transaction has a row of the work", "1205", func(t *testing.T, db *sql.DB, deliver func(func()) error) error {
			return inTx(t.Context(), db, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(t.Context(), "UPDATE hot SET n = n + 1 WHERE id = 1"); err != nil {
					return err
				}
				return deliver(nil)
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			own := c.in(t)
			hotRow(t, own)
			newStore(t, own.open(t, 0))
			synced := own.open(t, last, "wsrep_sync_wait=15")
			if got := effects(t, synced, ""); got != 0 { // waits for the tables
				t.Fatal(got)
			}
			db := own.open(t, last, "innodb_lock_wait_timeout=1")
			s := openStore(t, db)
			key := idempotency.Key{Scope: "test", ID: test.name}
			deliver := func(beforeCommit func()) error {
				return s.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
					if _, err := tx.ExecContext(ctx, "INSERT INTO effects (name) VALUES (?)", key.ID); err != nil {
						return err
					}
					if _, err := tx.ExecContext(ctx, "UPDATE hot SET n = n + 100 WHERE id = 1"); err != nil {
						return err
					}
					if beforeCommit != nil {
						beforeCommit()
					}
					return nil
				})
			}
			err := test.f(t, db, deliver)
			reconnect(t, c, last)
			c.wait(t, last)
			if err == nil || errors.Is(err, idempotency.ErrDuplicate) || !strings.Contains(err.Error(), test.number) {
				t.Errorf("got %v, want error %s of the server", err, test.number)
			}
			if got := effects(t, synced, key.ID); got != 0 {
				t.Errorf("%d effects after it, want none", got)
			}
			if err := deliver(nil); err != nil {
				t.Errorf("the next delivery: %v", err)
			}
			if got := effects(t, synced, key.ID); got != 1 {
				t.Errorf("%d effects, want 1", got)
			}
		})
	}
}
