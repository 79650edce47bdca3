// Command send signs a webhook as one of many senders does, and delivers it to
// an endpoint of yours.
//
//	go -C examples run ./send -scheme stripe -secret … -url http://127.0.0.1:8080/webhooks/stripe -body "$PWD/event.json"
//
// Without a body it makes one up that has an ID and a type where the scheme
// looks for them. The schemes are listed by
//
//	go -C examples run ./send -list
//
// To see what an endpoint makes of copies, forgeries and replays:
//
//	-n 50            50 copies of one delivery, all at once
//	-n 50 -distinct  50 deliveries with an ID each
//	-wrong-secret    signed with a secret that nobody has
//	-stale           signed longer ago than the scheme tolerates
//	-alter           changed after it was signed
//
// The secret may be in the environment, as WEBHOOK_SECRET, instead of -secret:
// other users of a machine can see flags.
//
// The exit status is 0 if every delivery was answered, whatever the answer was,
// 1 if one was not (no connection, timeout, interrupted), and 2 if nothing was
// sent because the flags are wrong; go run makes 1 of the 2. What the answers were is in the report, and
// with -json in one JSON object:
//
//	go -C examples run ./send … -n 50 -json | jq -e '.answers[] | select(.status == 200) | .count == 1'
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit statuses.
const (
	exitAnswered    = 0
	exitNotAnswered = 1
	exitUsage       = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args, stdin, stderr)
	if errors.Is(err, errHelp) {
		return exitAnswered
	}
	if err != nil {
		fmt.Fprintln(stderr, "send:", err)
		return exitUsage
	}
	if o.list {
		writeList(stdout)
		return exitAnswered
	}
	deliveries, err := o.deliveries()
	if err != nil {
		fmt.Fprintln(stderr, "send:", err)
		return exitUsage
	}
	v := &volley{deliveries: deliveries, parallel: o.parallel, client: newClient(o), progress: stderr}
	r := newReport(o, deliveries[0].id, v.fire(ctx))
	write := r.writeText
	if o.json {
		write = r.writeJSON
	}
	if err := write(stdout); err != nil {
		fmt.Fprintln(stderr, "send:", err)
		return exitNotAnswered
	}
	if r.NotAnswered > 0 {
		return exitNotAnswered
	}
	return exitAnswered
}
