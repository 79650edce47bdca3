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

// An outage is a time in which the database can be reached and cannot write.
type outage struct {
	title   string
	prepare func(r *run) error // before there is a database
	begin   func(ctx context.Context, r *run) error
	end     func(ctx context.Context, r *run) error
}

var outages = []outage{
	{"disk full", mountSmallDisk, fillDisk, freeDisk},
	{"read-only", func(*run) error { return nil }, makeReadOnly, makeWritable},
}

// errCannot means that this user or machine cannot do it.
var errCannot = errors.New("cannot be done here")

// run has a database fail in this way, with servers that are not restarted.
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
	// Long rows fill a disk sooner, and a connection that opened a file while
	// it could be written goes on writing to it.
	if err := r.setUp(ctx, serverConfig{Pad: 3000, MaxLife: 200 * time.Millisecond}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	recovered, err := o.deliver(ctx, r)
	if err != nil {
		return err
	}
	return r.settleOutage(ctx, engines()[name].name+", "+o.title, recovered)
}

// enoughUnavailable is how many answers of 503 there must be before an outage
// ends.
const enoughUnavailable = 40

// deliver delivers before, during and after the outage, and returns how long it
// took after its end until all was acknowledged.
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
	// By the middleware, or by the handler whose own statement has failed.
	unavailable := func() int { return r.sender.tally.count("503 unavailable") + r.sender.tally.count("503") }
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

// waitFor waits until done, or until ctx ends or 30 seconds are over.
func waitFor(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
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

// settleOutage draws the balance, and prints all of it only if it is off.
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

// diskSizes are the sizes of small disks: not much more than an empty database.
var diskSizes = map[string]string{"sqlite": "4m", "postgres": "80m", "mariadb": "200m"}

func (r *run) disk() string { return filepath.Join(r.dir, "data") }

// mountSmallDisk puts the database on a disk of its own, for which one must be
// root.
func mountSmallDisk(r *run) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("%w: to mount a small disk one must be root", errCannot)
	}
	if err := os.Mkdir(r.disk(), 0o755); err != nil {
		return err
	}
	mount := exec.Command("mount", "-t", "tmpfs", "-o", "mode=755,size="+diskSizes[r.name], "tmpfs", r.disk())
	if out, err := mount.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: mount: %w: %s", errCannot, err, out)
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
