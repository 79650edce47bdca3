package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// defaultParallel is the default of -parallel: what one process can have in flight
// under the usual limit of open files.
const defaultParallel = 512

// errHelp means that -help was given and the usage has been printed.
var errHelp = flag.ErrHelp

// options are the parsed flags.
type options struct {
	scheme    hmacverify.Scheme
	url       string
	signedURL string
	secrets   []string
	body      []byte // nil: generated
	id        string
	eventType string
	header    http.Header

	copies, parallel          int
	distinct                  bool
	wrongSecret, stale, alter bool
	timeout                   time.Duration
	json, list                bool

	recordDir, addr string
	recordSecrets   bool
	maxBody         int64
	replay          []string // files and directories
	resigned        bool     // the replayed deliveries are
}

func parse(args []string, stdin io.Reader, stderr io.Writer) (*options, error) {
	o := &options{header: http.Header{}}
	var scheme, file, data string
	flags := flag.NewFlagSet("send", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&scheme, "scheme", "x-signature-256", "sign as this `sender` does, see -list")
	flags.StringVar(&o.url, "url", "http://127.0.0.1:8080/", "deliver to this `URL`")
	flags.StringVar(&o.signedURL, "signed-url", "", "sign this `URL` instead of -url, in schemes that sign it")
	flags.Func("secret", "sign with this `secret`; repeat to sign with several; default: WEBHOOK_SECRET of the environment", func(s string) error {
		o.secrets = append(o.secrets, s)
		return nil
	})
	flags.StringVar(&file, "body", "", "send the contents of this `file`; - reads standard input")
	flags.StringVar(&data, "data", "", "send this `text`")
	flags.StringVar(&o.id, "id", "", "the event's `ID`; default: random")
	flags.StringVar(&o.eventType, "type", "", "the event's `type`; default: that of the generated body, or test")
	flags.Func("header", "add this header, as `name:value`; repeat for several", o.addHeader)
	flags.IntVar(&o.copies, "n", 1, "send this `number` of copies, all at once")
	flags.IntVar(&o.parallel, "parallel", defaultParallel, "send at most this `number` at once")
	flags.BoolVar(&o.distinct, "distinct", false, "give each of the -n deliveries its own ID")
	flags.BoolVar(&o.wrongSecret, "wrong-secret", false, "sign with a random secret")
	flags.BoolVar(&o.stale, "stale", false, "sign with a time that the scheme does not tolerate")
	flags.BoolVar(&o.alter, "alter", false, "change the body after signing")
	flags.DurationVar(&o.timeout, "timeout", 40*time.Second, "wait this `long` for an answer")
	flags.BoolVar(&o.json, "json", false, "report in JSON")
	flags.BoolVar(&o.list, "list", false, "list the schemes and exit")
	flags.StringVar(&o.recordDir, "record", "", "record what -addr receives into this `directory`")
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8081", "with -record, listen on this `address`")
	flags.Int64Var(&o.maxBody, "max-body", 25<<20, "with -record, refuse bodies of more than this `number` of bytes")
	flags.BoolVar(&o.recordSecrets, "record-secrets", false, "with -record, keep the headers Authorization, Cookie and Proxy-Authorization")
	flags.Func("replay", "send what is recorded in this `file` or directory; repeat for several", func(s string) error {
		o.replay = append(o.replay, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case o.list:
		return o, nil
	case o.recordDir != "":
		return o, o.checkRecord(given)
	case given["record"] || given["addr"] || given["max-body"] || given["record-secrets"]:
		return nil, errors.New("-addr, -max-body and -record-secrets need -record, with a directory")
	case len(o.replay) > 0:
		return o, o.checkReplay(given, scheme)
	}
	return o, errors.Join(o.setScheme(scheme), o.setBody(file, data, stdin), o.check())
}

func (o *options) addHeader(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if !ok || strings.TrimSpace(name) == "" {
		return errors.New("want name:value")
	}
	o.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	return nil
}

func (o *options) setScheme(name string) (err error) {
	var ok bool
	if o.scheme, ok = preset.ByName(name); !ok {
		return fmt.Errorf("unknown scheme %q, see -list", name)
	}
	if len(o.scheme.Signature) == 0 {
		return fmt.Errorf("%s has its signature in the body, which send does not support", name)
	}
	return nil
}

func (o *options) setBody(file, data string, stdin io.Reader) (err error) {
	switch {
	case file != "" && data != "":
		return errors.New("-body and -data exclude each other")
	case file == "-":
		o.body, err = io.ReadAll(stdin)
	case file != "":
		o.body, err = os.ReadFile(file)
	case data != "":
		o.body = []byte(data)
	}
	if err == nil && file != "" && o.body == nil {
		o.body = []byte{}
	}
	return err
}

func (o *options) check() error {
	if len(o.secrets) == 0 {
		if secret := os.Getenv("WEBHOOK_SECRET"); secret != "" {
			o.secrets = []string{secret}
		}
	}
	if err := o.checkURL(); err != nil {
		return err
	}
	inBody := o.scheme.ID.JSON != ""
	switch {
	case len(o.secrets) == 0 && !o.wrongSecret:
		return errors.New("no secret: give -secret, or set WEBHOOK_SECRET")
	case o.body != nil && o.id != "" && inBody:
		return fmt.Errorf("%s has the ID in the body: -id has no effect on a given body", o.scheme.Name)
	case o.distinct && o.id != "":
		return errors.New("-distinct and -id exclude each other")
	case o.distinct && o.body != nil && (inBody || o.scheme.Identity != hmacverify.SignedID):
		return fmt.Errorf("%s identifies an event by its body: -distinct needs a generated body", o.scheme.Name)
	case o.stale && tolerance(o.scheme) <= 0:
		return fmt.Errorf("%s has no timestamp that receivers check: -stale has no effect", o.scheme.Name)
	case o.stale && (o.body != nil || len(o.replay) > 0) && o.scheme.Timestamp.JSON != "":
		return fmt.Errorf("%s has the time in the body: -stale has no effect on a given body", o.scheme.Name)
	}
	return nil
}

// checkURL checks what each way of sending needs.
func (o *options) checkURL() error {
	u, err := url.Parse(o.url)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("-url %q is not an absolute HTTP URL", o.url)
	case o.copies < 1 || o.parallel < 1:
		return errors.New("-n and -parallel must be positive")
	}
	return nil
}
