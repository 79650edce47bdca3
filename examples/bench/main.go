// Command bench measures the whole path of a webhook from outside: signed requests over
// HTTP, to servers that are processes of their own, into a real database. Beside each way
// of this library it measures the code that one would write by hand.
//
//	go -C examples run ./bench
//
// That is SQLite. For the others, name a server; databases are created there, and dropped:
//
//	go -C examples run ./bench -postgres postgres://postgres@127.0.0.1/postgres \
//		-mariadb 'root@tcp(127.0.0.1:3306)/' -svg /tmp/bench.svg
//
// The ways of one group take turns, in short slices, so that whatever else the machine does
// hits all of them; a ratio is the median of those of the rounds, with the lowest and the
// highest. At the end the books are checked: as many effects as new events.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	p := plan{known: 2000}
	flag.StringVar(&p.postgres, "postgres", os.Getenv("HOOKONCE_POSTGRES"), "the `URL` of a PostgreSQL server")
	flag.StringVar(&p.mariadb, "mariadb", os.Getenv("HOOKONCE_MARIADB"), "the `DSN` of a MariaDB or MySQL server")
	groups := flag.String("groups", "", "measure only groups whose names contain one of these, such as `postgresql,sqlite/inbox`")
	records := flag.String("records", "", "measure new events inline, by the first of -conns, while the tables grow to these `numbers` of records, and while they are purged")
	conns := flag.String("conns", "1,16,64,256", "`numbers` of connections of the sender")
	flag.DurationVar(&p.slice, "slice", time.Second, "how `long` a way is measured at a time")
	flag.IntVar(&p.rounds, "rounds", 5, "how many `times` each way is measured")
	flag.StringVar(&p.svg, "svg", "", "draw the rates into this `file`")
	way := flag.String("serve", "", "be the server of this `way`; for the processes that bench starts")
	dsn := flag.String("dsn", "", "the database of -serve")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := func() error {
		if *way != "" {
			return serve(ctx, *way, *dsn)
		}
		var err error
		if p.conns, err = numbers("conns", *conns); err != nil {
			return err
		}
		if *records != "" {
			if p.records, err = numbers("records", *records); err != nil {
				return err
			}
		}
		if *groups != "" {
			p.only = strings.Split(*groups, ",")
		}
		if p.rounds < 1 || p.slice <= 0 {
			return errors.New("-rounds and -slice must be positive")
		}
		return p.run(ctx, os.Stdout, &reporter{out: os.Stderr, terminal: isTerminal(os.Stderr)})
	}()
	if err != nil {
		log.Fatal(err)
	}
}

// numbers reads the value of a flag.
func numbers(name, list string) (all []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s has %q: want a number", name, text)
		}
		all = append(all, n)
	}
	return all, nil
}
