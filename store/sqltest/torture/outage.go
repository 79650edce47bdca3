package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An outage is a time when something that all events need cannot be used. It lasts for
// several redeliveries of each event, and attempts are bounded, but no event may die
// of it.
type outage struct {
	title   string
	prepare func(r *run) error // before the database is created; may be nil
	begin   func(ctx context.Context, r *run) error
	end     func(ctx context.Context, r *run) error
	slow    bool // deliveries are answered when they time out
	server  bool // only a database with a server can have it
	moves   bool // it is over at once for new connections: each server must find that out
}

// The outages of one run, in a row. After each of them all events are done before the
// next one begins.
var (
	diskFull = []outage{{title: "disk full", prepare: mountSmallDisk, begin: fillDisk, end: freeDisk}}
	others   = []outage{
		{title: "read-only", begin: makeReadOnly, end: makeWritable},
		{title: "database away", begin: takeDatabaseAway, end: bringDatabaseBack},
		{title: "network silent", begin: silenceNetwork, end: restoreNetwork, slow: true, server: true},
		{title: "dependency away", begin: takeDependencyAway, end: bringDependencyBack},
		{title: "failover", begin: failOver, end: useEachServer, server: true, moves: true}, // for good
	}
)

// The servers' bound on attempts. Failures within the interval count once, so that an
// event that is fine cannot die before longestOutage, however often it is redelivered.
const (
	outageAttempts = 3
	outageInterval = 5 * time.Second
	longestOutage  = 8 * time.Second // is less than two intervals
)

// errCannot means that this account cannot cause the outage: the test is skipped for
// users who are not root, and never for root.
var errCannot = errors.New("cannot be done here")

// bear causes the outages while servers handle deliveries. The same processes must
// recover within the limit.
func bear(ctx context.Context, outages []outage, name string, seed uint64, broken string, limit time.Duration, out io.Writer) (err error) {
	r := &run{name: name, seed: seed, broken: broken, out: out, start: time.Now()}
	r.servers, r.lease, r.timeout, r.patience = 1, time.Second, 3*time.Second, 12*time.Second
	if engines()[name].hasServer() {
		r.servers = 3
	}
	defer func() { err = errors.Join(err, unmountSmallDisk(r)) }()
	defer r.close()
	if r.dir, err = newDirectory(); err != nil {
		return err
	}
	for _, o := range outages {
		if o.prepare == nil {
			continue
		}
		if err := o.prepare(r); err != nil {
			return err
		}
	}
	if err := r.setUp(ctx, outageConfig(engines()[name], broken)); err != nil {
		return err
	}
	if broken == countsOutages || broken == keeping {
		r.sender.only = transactional // or no event may meet the mistake
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	recovered, err := r.deliverDuring(ctx, outages)
	if err != nil {
		return err
	}
	return r.settleOutages(ctx, recovered)
}

func outageConfig(e *engine, broken string) serverConfig {
	c := serverConfig{
		Pad:    3000, // long rows fill a disk sooner
		Depend: true, MaxAttempts: outageAttempts, AttemptInterval: outageInterval, Broken: broken,
	}
	if !e.hasServer() {
		// A connection that was opened before its file became read-only goes on
		// writing.
		c.MaxLife = 200 * time.Millisecond
	}
	return c
}

// outageCopies is how many deliveries are retried at the same time.
const (
	outageSenders = 5
	outageCopies  = 3 * outageSenders
)

// lasting returns a function that reports whether the outage has lasted for several
// redeliveries of each copy, or for two if each takes seconds. A busy machine may get
// to fewer of them.
func (o outage) lasting(r *run) func() bool {
	enough := 6 * outageCopies
	if o.slow || !r.hasServer() {
		enough = 2 * outageCopies
	}
	if o.moves {
		enough = 1 // there are no more of them than connections
	}
	begun, before := time.Now(), r.sender.tally.unavailable()
	return func() bool {
		n := r.sender.tally.unavailable() - before
		return n >= enough || n > 0 && time.Since(begun) > longestOutage
	}
}

// deliverDuring delivers before, during and after each of the outages, and returns how
// long it took from its end until the events were done that had met it.
func (r *run) deliverDuring(ctx context.Context, outages []outage) (recovered []string, err error) {
	var (
		over    atomic.Bool
		senders sync.WaitGroup
	)
	for i := range outageSenders {
		senders.Go(func() { r.sender.work(ctx, r.seed+uint64(i), over.Load) })
	}
	defer senders.Wait()
	defer over.Store(true)
	for _, o := range outages {
		if o.server && !r.hasServer() {
			continue
		}
		took, err := o.happen(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.title, err)
		}
		recovered = append(recovered, fmt.Sprintf("%s (%v)", o.title, took.Round(10*time.Millisecond)))
	}
	return recovered, nil
}

func (o outage) happen(ctx context.Context, r *run) (recovered time.Duration, err error) {
	before := r.sender.tally.count("200")
	if err := waitFor(ctx, func() bool { return r.sender.tally.count("200") >= before+outageCopies }); err != nil {
		return 0, fmt.Errorf("before it: %w", err)
	}
	if err := o.begin(ctx, r); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := waitFor(ctx, o.lasting(r)); err != nil {
		return 0, fmt.Errorf("not answered 503, but %s: %w\n%s", counts(r.sender.tally.answers, ""), err, r.lastWords())
	}
	ended := time.Now()
	if err := o.end(ctx, r); err != nil {
		return 0, err
	}
	if o.moves {
		ended = begun
	}
	// Events that are not done in time are missing in the books.
	waitFor(ctx, r.sender.allDone())
	return time.Since(ended), nil
}

// waitFor waits until done returns true, for at most a minute.
func waitFor(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// settleOutages balances the books, and prints them in full only on an imbalance.
func (r *run) settleOutages(ctx context.Context, recovered []string) error {
	time.Sleep(r.lease)
	r.sender.client.CloseIdleConnections()
	b, err := r.draw(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("drawing the balance: %w", err)
	}
	lines := b.lines()
	if !balanced(lines) {
		r.report(b, lines)
		return errImbalance
	}
	fmt.Fprintf(r.out, "%s, %v, seed %d\n  did: %d events in %d deliveries to %s\n", r.database.name,
		time.Since(r.start).Round(100*time.Millisecond), r.seed, len(b.events), r.sender.tally.total.Load(), r.fleet)
	fmt.Fprintf(r.out, "       outages, and when the events were done that had met it: %s\n", strings.Join(recovered, ", "))
	fmt.Fprintf(r.out, "       %d events failed %d times for good, and are dead\n  answers: %s\n  the books balance\n\n",
		b.buried(), r.maxAttempts, counts(b.answers, ""))
	return nil
}

// diskSizes are a little more than an empty database needs.
var diskSizes = map[string]string{"sqlite": "4m", "postgres": "80m", "mariadb": "200m"}

func (r *run) disk() string { return filepath.Join(r.dir, "data") }

// mountSmallDisk mounts a small disk for the database, which only root may do.
func mountSmallDisk(r *run) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("%w: only root can mount a small disk", errCannot)
	}
	if err := os.Mkdir(r.disk(), 0o755); err != nil {
		return err
	}
	mount := exec.Command("mount", "-t", "tmpfs", "-o", "mode=755,size="+diskSizes[r.name], "tmpfs", r.disk())
	if out, err := mount.CombinedOutput(); err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	return nil
}

func unmountSmallDisk(r *run) error {
	mounted, err := os.ReadFile("/proc/self/mounts")
	if err != nil || !containsField(string(mounted), r.disk()) {
		return nil
	}
	out, err := exec.Command("umount", r.disk()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("umount: %w: %s", err, out)
	}
	return os.RemoveAll(r.dir)
}
