package hmacverify

import (
	"cmp"
	"fmt"
	"time"
)

// timestamp checks Scheme.Timestamp and resolves it.
func (p *plan) timestamp(o *Options) error {
	t := p.scheme.Timestamp
	p.tolerance = cmp.Or(o.Tolerance, t.Tolerance, defaultMaxSkew)
	places := 0
	for _, place := range []string{t.Header, t.ListKey, t.JSON} {
		if place != "" {
			places++
		}
	}
	inTemplate := p.template.has(timestampPart, "")
	switch {
	case places > 1:
		return p.wrong("the timestamp is in one place only")
	case t.Unit < Seconds || t.Unit > RFC3339:
		return p.wrong("unknown Unit %d", t.Unit)
	case p.tolerance < 0 && p.tolerance != InsecureAnyTime:
		return p.wrong("negative tolerance")
	case p.scheme.Extract != nil && places > 0:
		return p.wrong("with an ExtractFunc the timestamp is what that returns")
	case p.scheme.Extract != nil:
		p.wantsTime = o.Tolerance != 0 || t.Tolerance != 0
		return nil
	case inTemplate != (t.Header != "" || t.ListKey != ""):
		return p.wrong("{timestamp} in the template and Timestamp.Header or ListKey need each other")
	case t.ListKey != "" && p.scheme.List.Sep == "":
		return p.wrong("Timestamp.ListKey without a List")
	case t.ListKey != "" && p.scheme.List.KV == "" && t.ListKey != "0":
		return p.wrong(`in a list without keys the timestamp is the first entry, "0"`)
	case t.ListKey != "" && len(p.headers) > 1:
		return p.wrong("Timestamp.ListKey with more than one signature header")
	case t.JSON != "" && !p.signsBody():
		return p.wrong("Timestamp.JSON, but the body is not signed")
	case places == 0 && o.Tolerance != 0:
		return p.wrong("Options.Tolerance, but the scheme has no timestamp: every old delivery is accepted")
	}
	if t.Header != "" {
		p.timeHeader = canonical(t.Header)
	}
	p.listTime = t.ListKey != ""
	var err error
	p.timePath, err = parsePath(t.JSON)
	return err
}

// within parses s and checks it against the clock. The limits are compared
// one by one: the distance saturates, and the most negative duration has no
// absolute value.
func (p *plan) within(s string, now time.Time) (time.Time, error) {
	t, ok := p.scheme.Timestamp.parse(s)
	if !ok {
		return time.Time{}, fmt.Errorf("%w: not canonical", ErrTimestamp)
	}
	if p.tolerance == InsecureAnyTime {
		return t, nil
	}
	if age := now.Sub(t); age > p.tolerance || age < -p.tolerance {
		return time.Time{}, fmt.Errorf("%w: off by %v", ErrTimestamp, age.Round(time.Second))
	}
	return t, nil
}

// parse accepts one way of writing each time only. The signature covers the
// text, not the time: if "+5" and "005" passed as well, they would not be
// forgeries, but they would be bytes that no sender sends.
func (t Timestamp) parse(s string) (time.Time, bool) {
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
// 30,000 years in milliseconds, and too few to overflow anything.
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
