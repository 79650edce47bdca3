// Command torture kills everything and cuts everything, and then balances the
// books:
//
//	go -C examples run ./torture          # all databases, less than a minute
//	go -C examples run ./torture -long    # until there is little left to doubt
//
// For each database it starts a throwaway server, a proxy before it that knows a
// COMMIT when it passes, and several copies of itself as webhook servers, which
// run hmacverify and idempotency's middleware over sqlstore. It delivers every
// event at least three times at once, and again after all but 2xx and 409. While
// it does:
//
//   - servers are killed with SIGKILL, and so is the database;
//   - servers are stopped until their leases have ended, and go on;
//   - connections are cut before, in the midst of, and after a COMMIT, so that
//     nobody knows its outcome;
//   - the network is slow, or stands still;
//   - the servers' clocks are up to two hours apart, and their pools too small;
//   - handlers fail and panic after they have done their work, and outlive their
//     lease;
//   - a purge runs without end.
//
// In transactional mode a handler writes into a ledger in the event's transaction;
// under a lease it asks another system for an effect, or writes into the ledger in
// a transaction that completes the lease. At the end there must be one effect for
// each event, one record that is done, and nothing left over. Then the disk is
// filled, and the database made read-only: nothing is acknowledged that is not
// there, and all goes on by itself when that ends.
//
// It prints what it did and what it counted, and exits with 1 if anything is off.
// That it can fail, -broken shows: the claim stands in a transaction of its own,
// before the work's (mark-before) or after it (mark-after).
//
// The seed decides what is done to whom, but not how it meets with the deliveries.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	if is, err := serveProcess(os.Args[1:]); is {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	db := flags.String("db", "all", "torture `which`: sqlite, postgres, mariadb or all")
	long := flags.Bool("long", false, "until there is little left to doubt, instead of for seconds")
	seed := flags.Uint64("seed", newSeed(), "decides what is done to whom")
	broken := flags.String("broken", "", "break it, and see the books not balance: "+markBefore+" or "+markAfter)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	o := options{long: *long, seed: *seed, broken: *broken, out: stdout}
	if err := o.choose(*db); err != nil {
		return err
	}
	start := time.Now()
	err := o.run(ctx)
	fmt.Fprintf(stdout, "all of it took %v\n", time.Since(start).Round(100*time.Millisecond))
	return err
}

// options are what the flags say.
type options struct {
	names  []string // of the engines
	long   bool
	seed   uint64
	broken string
	out    io.Writer
}

// choose takes the value of -db, and checks what was taken before.
func (o *options) choose(db string) error {
	o.names = []string{db}
	if db == "all" {
		o.names = engineNames
	} else if engines()[db] == nil {
		return fmt.Errorf("-db %q is none of %v and all", db, engineNames)
	}
	if o.broken != "" && o.broken != markBefore && o.broken != markAfter {
		return fmt.Errorf("-broken is neither %s nor %s", markBefore, markAfter)
	}
	return nil
}

// run tortures the databases: in a short run all of them at once, for each of
// them waits most of the time for somebody to come back.
func (o *options) run(ctx context.Context) error {
	var (
		outs = make([]bytes.Buffer, len(o.names))
		errs = make([]error, len(o.names))
		wg   sync.WaitGroup
	)
	for i, name := range o.names {
		if o.long {
			errs[i] = o.one(ctx, name, o.out)
			continue
		}
		wg.Go(func() { errs[i] = o.one(ctx, name, &outs[i]) })
	}
	wg.Wait()
	for i := range outs {
		outs[i].WriteTo(o.out)
	}
	return errors.Join(errs...)
}

// one tortures one database, and then has it fail in other ways.
func (o *options) one(ctx context.Context, name string, out io.Writer) error {
	p := shortPlan(engines()[name])
	if o.long {
		p = longPlan(engines()[name])
	}
	err := torture(ctx, name, p, o.seed, o.broken, out)
	if o.broken == "" && ctx.Err() == nil {
		err = errors.Join(err, outages(ctx, name, o.seed, out))
	}
	return err
}
