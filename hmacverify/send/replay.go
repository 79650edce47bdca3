package main

import (
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/hookonce/hookonce/hmacverify"
)

// replayed returns the recorded deliveries, n copies of each: as they were, or signed
// anew.
func (o *options) replayed() (all []*delivery, err error) {
	base, err := url.Parse(o.url)
	if err != nil {
		return nil, err
	}
	for _, path := range o.replay {
		recordings, err := readRecordings(path)
		if err != nil {
			return nil, err
		}
		for _, r := range recordings {
			d := &delivery{method: r.method, url: address(base, r.target), header: r.sent(), body: r.body}
			maps.Copy(d.header, o.header)
			if err := o.resign(d); err != nil {
				return nil, err
			}
			for range o.copies {
				all = append(all, d)
			}
		}
	}
	return all, nil
}

// resign replaces signature and time, if a scheme is given. The body is that of the
// recording.
func (o *options) resign(d *delivery) error {
	if o.resigned {
		for _, names := range append([]string{o.scheme.Timestamp.Header}, o.scheme.Signature...) {
			for name := range strings.SplitSeq(names, ",") {
				d.header.Del(strings.TrimSpace(name))
			}
		}
		signer, err := o.signer(d.method, d.url)
		if err == nil {
			err = signer.Sign(d.header, d.body)
		}
		if err != nil {
			return err
		}
	}
	if o.alter {
		d.body = alter(d.body, strings.Contains(d.header.Get("Content-Type"), "form"))
	}
	return nil
}

// checkReplay checks the flags of -replay.
func (o *options) checkReplay(given map[string]bool, scheme string) error {
	for _, name := range []string{"body", "data", "id", "type", "distinct"} {
		if given[name] {
			return fmt.Errorf("-replay sends what was recorded: -%s has no effect", name)
		}
	}
	o.scheme = hmacverify.Scheme{Name: "recorded"}
	if !given["parallel"] {
		o.parallel = 1 // in the order in which they came
	}
	if given["scheme"] {
		o.resigned = true
		if err := o.setScheme(scheme); err != nil {
			return err
		}
		return o.check()
	}
	for _, name := range []string{"secret", "signed-url", "wrong-secret", "stale"} {
		if given[name] {
			return fmt.Errorf("-replay with -%s signs anew: give -scheme", name)
		}
	}
	return o.checkURL()
}

// checkRecord checks the flags of -record.
func (o *options) checkRecord(given map[string]bool) error {
	for name := range given {
		switch name {
		case "record", "addr", "url", "timeout", "max-body", "record-secrets":
		default:
			return fmt.Errorf("-record signs and sends nothing of its own: -%s has no effect", name)
		}
	}
	if o.maxBody < 1 {
		return fmt.Errorf("-max-body must be positive")
	}
	if !given["url"] {
		o.url = ""
		return nil
	}
	return o.checkURL()
}
