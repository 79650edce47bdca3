package galera_test

import (
	"context"
	"database/sql"
	"flag"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

var kills = flag.Int("kills", 1, "how many nodes are killed, one after the other")

// testKills kills nodes with SIGKILL while events arrive, each of which is delivered until
// it is acknowledged, and has them join the cluster again. What is acknowledged must be
// there, though a node alone would lose the last second.
func testKills(t *testing.T, c *cluster) {
	checkBooks(t, deliverAll(t, c, func(node int) handler {
		s := openStore(t, c.open(t, node))
		return func(ctx context.Context, key idempotency.Key, event int) error {
			return s.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error { return work(ctx, tx, event) })
		}
	}, func(ctx context.Context) {
		killed := 0
		for ; killed < *kills && sleep(ctx, time.Second); killed++ {
			node := 1 + killed%(size-1) // the books are read by the first
			c.nodes[node].kill()
			c.start(t, node)
			c.wait(t, node)
		}
		t.Logf("%d nodes were killed", killed)
	}))
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
