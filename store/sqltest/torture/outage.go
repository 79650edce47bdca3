package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// An outage is a time when the database is reachable and cannot write.
type outage struct {
	title   string
	prepare func(r *run) error // before the database is created
	begin   func(ctx context.Context, r *run) error
	end     func(ctx context.Context, r *run) error
}

var outages = []outage{
	{"disk full", mountSmallDisk, fillDisk, freeDisk},
	{"read-only", func(*run) error { return nil }, makeReadOnly, makeWritable},
}

// errCannot means that this account cannot cause the outage: the test is skipped for
// users who are not root, and never for root.
var errCannot = errors.New("cannot be done here")

// run causes the outage while a single server process handles deliveries. The same
// process must recover.
func (o outage) run(ctx context.Context, name string, seed uint64, out io.Writer) (err error) {
	r := &run{name: name, seed: seed, out: out, start: time.Now()}
	r.servers, r.lease = 1, time.Second
	defer func() { err = errors.Join(err, unmountSmallDisk(r)) }()
	defer r.close()
	if r.dir, err = newDirectory(); err != nil {
		return err
	}
	if err := o.prepare(r); err != nil {
		return err
	}
	// Long rows fill a disk sooner. Short-lived connections matter for read-only
	// files: one that was opened before goes on writing.
	if err := r.setUp(ctx, serverConfig{Pad: 3000, MaxLife: 200 * time.Millisecond}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	recovered, err := o.deliver(ctx, r)
	if err != nil {
		return err
	}
	return r.settleOutage(ctx, engines()[name].name+", "+o.title, recovered)
}

// enoughUnavailable is the number of 503 answers after which an outage ends.
const enoughUnavailable = 40

// deliver delivers before, during and after the outage, and returns the time from
// its end until every event was acknowledged.
func (o outage) deliver(ctx context.Context, r *run) (recovered time.Duration, err error) {
	var (
		over    atomic.Bool
		senders sync.WaitGroup
	)
	for i := range 10 {
		senders.Go(func() { r.sender.work(ctx, r.seed+uint64(i), over.Load) })
	}
	defer senders.Wait()
	defer over.Store(true)
	if err := waitFor(ctx, func() bool { return r.sender.tally.count("200") >= 30 }); err != nil {
		return 0, fmt.Errorf("before the outage: %w", err)
	}
	if err := o.begin(ctx, r); err != nil {
		return 0, err
	}
	// The runner's statement failed, or the work's own.
	unavailable := func() int { return r.sender.tally.count("503 unavailable") + r.sender.tally.count("503 failed") }
	before := unavailable()
	if err := waitFor(ctx, func() bool { return unavailable() >= before+enoughUnavailable }); err != nil {
		return 0, fmt.Errorf("not answered 503, but %s: %w\n%s", counts(r.sender.tally.answers, ""), err, r.lastWords())
	}
	if err := o.end(ctx, r); err != nil {
		return 0, err
	}
	ended := time.Now()
	over.Store(true)
	senders.Wait()
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

// settleOutage balances the books, and prints them in full only on an imbalance.
func (r *run) settleOutage(ctx context.Context, title string, recovered time.Duration) error {
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
	fmt.Fprintf(r.out, "%s, %v\n  did: %d events in %d deliveries; all acknowledged %v after it ended, by the same process\n  answers: %s\n  the books balance\n\n",
		title, time.Since(r.start).Round(100*time.Millisecond), len(b.events), r.sender.tally.total.Load(),
		recovered.Round(10*time.Millisecond), counts(b.answers, ""))
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
