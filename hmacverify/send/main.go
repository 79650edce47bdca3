// Command send signs a webhook as its sender does, and delivers it to your endpoint:
//
//	go run github.com/hookonce/hookonce/hmacverify/send@latest \
//		-scheme stripe -secret … -url http://127.0.0.1:8080/webhooks/stripe -body event.json
//
// Without -body and -data it generates a body: for the senders that are used most, with
// the fields that they document; for others, and with -type, with an ID and a type where
// the scheme looks for them. -list lists the schemes, -help all flags. In a clone of the
// repository, the command is
//
//	go run ./hmacverify/send
//
// # Duplicates, forgeries and replays
//
//	-n 50            50 copies of one delivery, all at once
//	-n 50 -distinct  50 deliveries, each with its own ID
//	-wrong-secret    signed with a random secret
//	-stale           signed longer ago than the scheme tolerates
//	-alter           changed after signing
//
// # Recorded deliveries
//
// -record writes each request that arrives into a file of its own, and forwards it to
// -url if that is given; otherwise it responds 200. -replay sends what is in such files,
// in the order in which it came:
//
//	send -record captured -addr 127.0.0.1:8081 -url http://127.0.0.1:8080
//	send -replay captured -url http://127.0.0.1:8080
//	send -replay captured -url http://127.0.0.1:8080 -scheme stripe -secret …
//
// The second sends them as they were; their signatures hold until the scheme's tolerance
// has passed. The third signs them anew, with a secret of your own; their bodies stay as
// they are, also a time in them. With -n each is sent as often, with -parallel many at
// once. A -url without a path gets each request at the path and query that it came to.
//
// A file is the request: its first line, the header, an empty line and the body, byte
// for byte. The command explain reads it, too. Only its owner may read it: it holds the
// body, and what else is confidential in path and header, but not Authorization, Cookie
// and Proxy-Authorization, unless -record-secrets is given.
//
// # Secrets
//
// Other users of a machine can see flags. Set WEBHOOK_SECRET in the environment
// instead of -secret where that matters. No output contains a secret.
//
// # Exit status
//
// The exit status is 0 if every delivery was answered, whatever the answer; 1 if
// one was not (no connection, timeout, interrupt); and 2 if nothing was sent, or
// recorded, because the flags or files are wrong. go run turns every failure into 1. The answers are
// in the report, with -json as one JSON object:
//
//	send … -n 50 -json | jq -e '.answers[] | select(.status == 200) | .count == 1'
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
	if o.recordDir != "" {
		if err := o.record(ctx, stderr); err != nil {
			fmt.Fprintln(stderr, "send:", err)
			return exitUsage
		}
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
