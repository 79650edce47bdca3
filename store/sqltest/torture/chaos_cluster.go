package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// strikeNode kills a node of the cluster, or once for two kills cuts one off, and returns
// when it is back: there is always a majority.
func (c *chaos) strikeNode(ctx context.Context, r *rand.Rand) error {
	if err := c.allReady(ctx); err != nil { // a busy machine can keep one from the others, too
		return err
	}
	node := c.nodes[r.IntN(len(c.nodes))]
	away := time.Duration(r.Int64N(int64(2 * time.Second)))
	begun := time.Now()
	defer func() { c.away.Add(int64(time.Since(begun))) }()
	if c.databaseKills.Load() > 2*c.cutOffs.Load() {
		c.cutOffs.Add(1)
		return node.loseOthers(ctx, away)
	}
	c.databaseKills.Add(1)
	return node.restart(ctx, noticed+away)
}

// noticed is how long it takes until the others exclude a node that is silent. One that
// comes back before that has them all wait three times as long.
const noticed = 6 * time.Second

// restart kills the server, which stays away for a while.
func (d *database) restart(ctx context.Context, away time.Duration) error {
	if err := d.takeAway(ctx, syscall.SIGKILL); err != nil {
		return err
	}
	time.Sleep(away)
	return d.bringBack(ctx)
}

// rejoinTimeout is how long a node may take to join the others again by itself.
const rejoinTimeout = 20 * time.Second

// loseOthers has the node lose the others, but not its clients, for a while after it has
// noticed. If it does not join them again, it is restarted.
func (d *database) loseOthers(ctx context.Context, away time.Duration) error {
	if err := d.exec(ctx, []string{d.cutOff}); err != nil {
		return err
	}
	err := waitFor(ctx, func() bool { return d.isUp(ctx) != nil })
	if err != nil {
		return fmt.Errorf("a node does not notice that it has lost the others: %w", err)
	}
	time.Sleep(away)
	soon, cancel := context.WithTimeout(ctx, rejoinTimeout)
	defer cancel()
	if d.exec(soon, []string{d.reconnect}) == nil && d.ready(soon) == nil {
		return nil
	}
	return d.restart(ctx, noticed)
}
