// Command explain says why a delivery is refused. It reads a captured request, a file
// with header lines, an empty line and the body, as a debugging proxy or your own log
// has it:
//
//	go run github.com/hookonce/hookonce/hmacverify/explain@latest \
//		-scheme stripe -secret … captured.txt
//
// It prints the rule that the request breaks, the bytes that the signature should
// cover, and what would make it match: another encoding of the key, a newline that was
// lost, another URL. A request line at the start of the file is optional. Header names
// may be in any case. The body must be exact, byte for byte: -body takes it from a file
// of its own.
//
// The clock is that of the capture: without -at, the time is only reported and not
// checked.
//
// # Secrets
//
// Other users of a machine can see flags. Set WEBHOOK_SECRET in the environment instead
// of -secret where that matters. No output contains a secret, or a signature that would
// be valid. It does contain the body.
//
// # Exit status
//
// The exit status is 0 if the delivery is accepted, 1 if it is refused, and 2 if the
// flags or the file are wrong.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// The exit statuses.
const (
	exitAccepted = 0
	exitRefused  = 1
	exitUsage    = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	d, err := parse(args, stdin, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitAccepted
	}
	var r *report
	if err == nil {
		r, err = d.explain()
	}
	if err != nil {
		fmt.Fprintln(stderr, "explain:", err)
		return exitUsage
	}
	if err := r.write(stdout); err != nil {
		fmt.Fprintln(stderr, "explain:", err)
		return exitUsage
	}
	if r.refused != nil {
		return exitRefused
	}
	return exitAccepted
}

// A delivery is a captured request and how to verify it.
type delivery struct {
	scheme  hmacverify.Scheme
	options hmacverify.Options
	secrets []string
	at      time.Time // zero: any time
	captured
}

func parse(args []string, stdin io.Reader, stderr io.Writer) (*delivery, error) {
	d := &delivery{}
	var scheme, at, body string
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: explain [flags] file\n\nfile holds header lines, an empty line and the body; - is standard input.\n\nThe flags are")
		flags.PrintDefaults()
	}
	flags.StringVar(&scheme, "scheme", "x-signature-256", "verify what this `sender` sends; send -list lists them")
	flags.Func("secret", "verify with this `secret`; repeat for several; default: WEBHOOK_SECRET of the environment", func(s string) error {
		d.secrets = append(d.secrets, s)
		return nil
	})
	flags.StringVar(&d.options.URL, "url", "", "the `URL` that the sender was given, in schemes that sign it")
	flags.StringVar(&at, "at", "", "the `time` at which the request arrived, as 2006-01-02T15:04:05Z")
	flags.StringVar(&body, "body", "", "read the body from this `file`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var ok bool
	if d.scheme, ok = preset.ByName(scheme); !ok {
		return nil, fmt.Errorf("there is no scheme %q: send -list lists them", scheme)
	}
	if secret := os.Getenv("WEBHOOK_SECRET"); len(d.secrets) == 0 && secret != "" {
		d.secrets = []string{secret}
	}
	switch {
	case len(d.secrets) == 0:
		return nil, errors.New("no secret: give -secret, or set WEBHOOK_SECRET")
	case flags.NArg() != 1:
		return nil, errors.New("name one file with the captured request, or - for standard input")
	}
	var err error
	if at != "" {
		if d.at, err = time.Parse(time.RFC3339, at); err != nil {
			return nil, fmt.Errorf("-at %q is not written as 2006-01-02T15:04:05Z", at)
		}
	}
	d.captured, err = readCapture(flags.Arg(0), body, stdin)
	return d, err
}
