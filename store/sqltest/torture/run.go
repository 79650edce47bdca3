package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// errImbalance means that the books do not balance. The report has the details.
var errImbalance = errors.New("the books do not balance")

// A run is one database under torture.
type run struct {
	chaos
	name    string // of its engine
	seed    uint64
	broken  string
	locked  *sql.Conn // holds SQLite's file, see takeAwayDatabase
	out     io.Writer
	dir     string
	outside *outsideLedger
	sender  *sender
	start   time.Time

	maxAttempts int // of the servers; 0: any number
}

// grace is how long senders retry after the last event of a run.
const grace = 90 * time.Second

// torture runs the plan and prints the report.
func torture(ctx context.Context, name string, p plan, seed uint64, broken string, out io.Writer) error {
	r := &run{chaos: chaos{plan: p}, name: name, seed: seed, broken: broken, out: out, start: time.Now()}
	defer r.close()
	if err := r.setUp(ctx, serverConfig{Fail: true, Hang: p.hangs > 0, Broken: broken}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit+grace)
	defer cancel()
	r.traffic(ctx)
	if err := r.failure(); err != nil {
		return fmt.Errorf("%s: %w", r.database.name, err)
	}
	return r.settle(ctx)
}

// setUp starts everything, with servers configured like base. If r.dir is set, the
// database is created there.
func (r *run) setUp(ctx context.Context, base serverConfig) (err error) {
	if r.dir == "" {
		if r.dir, err = newDirectory(); err != nil {
			return err
		}
	}
	if r.database, err = newDatabase(ctx, engines()[r.name], r.dir); err != nil {
		return err
	}
	if r.outside, err = newOutsideLedger(); err != nil {
		return err
	}
	base.Engine, base.Outside = r.name, r.outside.url()
	program, attributes := "", r.attributes()
	if r.hasServer() {
		if r.proxy, err = newProxy(r.nodes, r.frames); err != nil {
			return err
		}
		program, err = os.Executable()
		attributes.Credential = nil
	} else {
		program = filepath.Join(r.dir, "torture")
		err = errors.Join(copyProgram(program), r.giveAway())
	}
	if err != nil {
		return err
	}
	var env []string
	if !r.hasServer() {
		env = r.env
	}
	configs := r.configs(base)
	for i := range configs {
		configs[i].DSN = r.userDSN(r.file)
		if r.hasServer() {
			configs[i].DSN = r.userDSN(r.proxy.address(i))
		}
	}
	if r.fleet, err = newFleet(program, attributes, env, configs); err != nil {
		return err
	}
	r.maxAttempts = base.MaxAttempts
	r.sender, err = newSender(r.fleet, r.patience, base.attemptsPause())
	return err
}

// newDirectory creates a directory that all accounts can enter.
func newDirectory() (string, error) {
	dir, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// giveAway makes the servers' account the owner of the database's files.
func (r *run) giveAway() error {
	if os.Getuid() != 0 {
		return nil
	}
	files, err := filepath.Glob(r.file + "*")
	if err != nil {
		return err
	}
	uid, gid := r.runAs()
	for _, file := range files {
		if err := os.Chown(file, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// traffic delivers amid chaos until the plan is fulfilled, and then in peace until
// every event is acknowledged.
func (r *run) traffic(ctx context.Context) {
	chaosCtx, calm := context.WithCancel(ctx)
	var chaos, senders sync.WaitGroup
	r.burst = func() { r.sender.burst(ctx, &senders) }
	r.acked = func() int { return r.sender.tally.count("200") }
	chaos.Go(func() { r.chaos.run(chaosCtx, r.seed) })
	for i := range r.atOnce {
		senders.Go(func() { r.sender.work(ctx, r.seed+uint64(i), r.enough) })
	}
	for !r.enough() && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	calm()
	chaos.Wait()
	senders.Wait()
}

// enough reports whether the plan is fulfilled, or cannot be.
func (r *run) enough() bool {
	return r.fulfilled() || r.failure() != nil || time.Since(r.start) > r.limit
}

func (r *run) fulfilled() bool {
	cuts := 0
	if r.proxy != nil {
		cuts, _, _ = r.proxy.counted()
	}
	return r.sender.tally.total.Load() >= int64(r.deliveries) &&
		r.serverKills.Load() >= int64(r.plan.serverKills) &&
		r.databaseKills.Load() >= int64(r.plan.databaseKills) && cuts >= r.cuts &&
		r.cutOffs.Load() >= int64(r.plan.cutOffs) &&
		r.heldKills.Load() >= int64(r.plan.heldKills) && r.outside.hung.count() >= r.hangs && r.outside.returned.count() >= r.returns
}

// settle waits for what may still be in flight, balances the books and prints them.
func (r *run) settle(ctx context.Context) error {
	time.Sleep(r.lease)
	if err := r.allReady(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%s: %w", r.database.name, err)
	}
	if err := r.emptied(ctx); err != nil {
		return fmt.Errorf("%s: waiting for the inbox: %w", r.database.name, err)
	}
	r.sender.client.CloseIdleConnections()
	b, err := r.draw(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("%s: balancing the books: %w", r.database.name, err)
	}
	lines := b.lines()
	r.report(b, lines)
	if ctx.Err() != nil { // a signal, or the time is up
		return fmt.Errorf("%s: ended early: %w", r.database.name, context.Cause(ctx))
	}
	if !balanced(lines) || !r.fulfilled() {
		return fmt.Errorf("%s: %w", r.database.name, errImbalance)
	}
	return nil
}

// emptied waits until what the inbox has accepted is done. What is not within a minute is
// left to the books.
func (r *run) emptied(ctx context.Context) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if n, err := r.database.waiting(ctx); err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// draw collects the books.
func (r *run) draw(ctx context.Context) (*books, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	events, err := sqlstore.New(r.books, r.dialect, nil)
	if err != nil {
		return nil, err
	}
	if _, err := events.Purge(ctx); err != nil {
		return nil, err
	}
	b := &books{
		events:      r.sender.events,
		answers:     maps.Clone(r.sender.tally.answers),
		failures:    r.outside.failed.counts(),
		maxAttempts: r.maxAttempts,
	}
	if b.left, err = r.fleet.leftovers(ctx); err != nil {
		return nil, err
	}
	b.effects, _ = r.outside.effects()
	r.fleet.stop()
	b.died, b.said = r.fleet.died, r.fleet.said
	time.Sleep(100 * time.Millisecond)
	return b, b.read(ctx, r.database)
}

// close stops and removes everything.
func (r *run) close() {
	if r.fleet != nil {
		r.fleet.stop()
	}
	if r.outside != nil {
		r.outside.close()
	}
	if r.proxy != nil {
		r.proxy.close()
	}
	if r.database != nil {
		r.database.stop()
	}
	os.RemoveAll(r.dir)
}

// newSeed returns a random seed.
func newSeed() uint64 { return rand.Uint64() }
