package hmacverify

import (
	"cmp"
	"fmt"
	"time"
)

// checkTime parses a timestamp and compares it with the time of receipt. It reads
// the clock only if it must: that costs as much as a block of SHA-256.
func (v *Verifier) checkTime(text string, received time.Time) (time.Time, error) {
	t, tolerance := &v.plan.scheme.Timestamp, v.plan.tolerance
	sent, ok := t.parse(text)
	switch {
	case !ok:
		return time.Time{}, fmt.Errorf("%w: not written as %s", ErrTimestamp, t.describe())
	case tolerance == InsecureAnyTime:
		return sent, nil
	case received.IsZero():
		received = v.opts.Now()
	}
	// The limits are compared one by one: the difference saturates, and the most
	// negative duration has no absolute value.
	if age := received.Sub(sent); age > tolerance || age < -tolerance {
		return time.Time{}, fmt.Errorf("%w: %v old, tolerance %v", ErrTimestamp, age.Round(time.Second), tolerance)
	}
	return sent, nil
}

// parse accepts exactly one way to write each time. The signature covers the text
// and not the time: "+5" and "005" would not be forgeries, but no sender sends
// them.
func (t *Timestamp) parse(s string) (time.Time, bool) {
	switch {
	case t.Layout != "":
		at, err := time.Parse(t.Layout, s)
		return at.UTC(), err == nil
	case t.Unit == RFC3339:
		at, err := time.Parse(time.RFC3339, s)
		return at.UTC(), err == nil
	}
	n, ok := digits(s)
	switch {
	case !ok:
		return time.Time{}, false
	case t.Unit == Milliseconds:
		return time.UnixMilli(n).UTC(), true
	}
	return time.Unix(n, 0).UTC(), true
}

// digits parses 1 to 15 decimal digits without a leading zero: enough for
// 30,000 years in milliseconds, too few to overflow.
func digits(s string) (int64, bool) {
	if s == "" || len(s) > 15 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// describe says how the time is written, for errors.
func (t *Timestamp) describe() string {
	switch {
	case t.Layout != "":
		return t.Layout
	case t.Unit == RFC3339:
		return "RFC 3339"
	case t.Unit == Milliseconds:
		return "decimal milliseconds since 1970"
	}
	return "decimal seconds since 1970"
}

// timestamp checks Scheme.Timestamp and resolves it.
func (p *plan) timestamp(o *Options) error {
	t := p.scheme.Timestamp
	places := 0
	for _, place := range []string{t.Header, t.ListKey, t.JSON} {
		if place != "" {
			places++
		}
	}
	inTemplate := p.template.has(timestampPart)
	switch {
	case places > 1:
		return p.wrong("Timestamp", "Header, ListKey and JSON: set one of them only")
	case t.Unit < Seconds || t.Unit > RFC3339:
		return p.wrong("Timestamp.Unit", "%d is not one of Seconds, Milliseconds and RFC3339", t.Unit)
	case inTemplate != (t.Header != "" || t.ListKey != ""):
		return p.wrong("Timestamp", "{timestamp} in Signed and Timestamp.Header or ListKey need each other")
	case t.ListKey != "" && p.scheme.List.Sep == "":
		return p.wrong("Timestamp.ListKey", "needs a List: set List.Sep")
	case t.ListKey != "" && p.scheme.List.KV == "" && t.ListKey != "0":
		return p.wrong("Timestamp.ListKey", `%q: in a list without KV the timestamp must be the first entry, "0"`, t.ListKey)
	case t.ListKey != "" && len(p.headers) > 1:
		return p.wrong("Timestamp.ListKey", "allows one Signature header, not %d", len(p.headers))
	case t.JSON != "" && !p.signsBody():
		return p.wrong("Timestamp.JSON", "the signature does not cover the bytes of the body")
	case places == 0 && p.scheme.Extract == nil: // no timestamp, so no tolerance
		return p.withoutTimestamp(o)
	}
	if t.Header != "" {
		if err := p.alternatives("Timestamp.Header", t.Header, &p.timeHeader); err != nil {
			return err
		}
	}
	p.listTime = t.ListKey != ""
	// An ExtractFunc may find a time or not, unless the user insists on one.
	p.wantsTime = t.JSON != "" || places == 0 && (o.Tolerance != 0 || t.Tolerance != 0)
	var err error
	if p.timePath, err = p.path("Timestamp.JSON", t.JSON); err != nil {
		return err
	}
	return p.setTolerance(o)
}

// withoutTimestamp refuses a tolerance that would have no effect.
func (p *plan) withoutTimestamp(o *Options) error {
	const why = "the scheme has no timestamp, so a delivery of any age is accepted: leave it 0"
	switch {
	case o.Tolerance != 0:
		return p.wrong("Options.Tolerance", why)
	case p.scheme.Timestamp.Tolerance != 0:
		return p.wrong("Timestamp.Tolerance", why)
	}
	return nil
}

// setTolerance chooses the tolerance. It must cover the sender's retries if they
// carry the first attempt's time: an outage longer than the tolerance would lose
// the event. A captured delivery can then be replayed for longer; its identity
// stops that.
func (p *plan) setTolerance(o *Options) error {
	s := &p.scheme.Sender
	field, set := "Options.Tolerance", o.Tolerance
	if set == 0 {
		field, set = "Timestamp.Tolerance", p.scheme.Timestamp.Tolerance
	}
	// The last retry may be late, and clocks differ, as for any delivery.
	covering := s.RetryWindow + defaultTolerance
	switch {
	case set < 0 && set != InsecureAnyTime:
		return p.wrong(field, "%v is negative", set)
	case set > 0 && set < s.RetryWindow && s.RetryTime == RetryTimeFirst:
		return p.wrong(field, "%v is shorter than Sender.RetryWindow, %v, and retries carry the first attempt's time, "+
			"so late ones would be refused: leave it 0 for %v, or set Sender.RetryTime to RetryTimeNew if each attempt is signed anew",
			set, s.RetryWindow, covering)
	}
	// If it is not known which time retries carry, losing events is worse than a
	// long replay window.
	byDefault := covering
	if s.RetryTime == RetryTimeNew {
		byDefault = defaultTolerance
	}
	p.tolerance = cmp.Or(set, byDefault)
	return nil
}
