package durable_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// A primary that was cut off from its standby is demoted, as Patroni does it: it is started
// as a standby, without synchronous_standby_names, and shows commits that the new primary
// does not have. Connections that lead there acknowledge nothing on the strength of them,
// even if they look for a duplicate before they write.
func TestDurable_PrimaryDemoted(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, c *cluster) {
		const name = "demoted"
		first, _ := newStore(t, c.primary, false, 0)
		runner, _ := newStore(t, c.primary, true, time.Second)
		claimer, _ := newStore(t, c.primary, true, time.Second)
		copies := map[string]func(context.Context) error{
			"run":   func(ctx context.Context) error { return runner.run(ctx, keyOf(name), effect(name)) },
			"claim": claimLease(claimer, name),
		}
		c.standby.kill(t)
		c.deliver(t, []pair{{name: name, first: func(ctx context.Context) error { return first.run(ctx, keyOf(name), effect(name)) }}})
		c.primary.kill(t)
		c.primary.serve = postgreSQL("pgx").serve
		c.primary.run(t, "touch", filepath.Join(c.primary.dir, "data", "standby.signal"))
		c.primary.start(t)

		if !visible(t, c.primary.open(t))[name] {
			t.Fatal("the demoted primary does not show the commit")
		}
		for way, copy := range copies {
			for range 3 { // the first may find its connection dead
				if err := copy(t.Context()); acknowledges(err) {
					t.Errorf("copy by %s at the demoted primary: got %v, want it not acknowledged", way, err)
				}
			}
		}
	})
}
