package hmacverify

import (
	"fmt"
	"net/http"
	"time"
)

// Verifier verifies the deliveries of one scheme. Make one with [New] and keep
// it; it is safe for concurrent use. The zero Verifier refuses everything.
type Verifier struct {
	plan *plan
	keys *keyring // nil if the key function chooses them
	opts options
}

// New returns a Verifier for scheme s. Several keys can be valid at once while
// they rotate; the newest comes first. There must be at least one, unless
// o.Keys finds them. o may be nil.
//
// All that can be wrong with scheme, options and keys is found here. The
// error is ErrConfig and says what it is, without any key.
func New(s Scheme, o *Options, keys ...string) (*Verifier, error) {
	if o == nil {
		o = &Options{}
	}
	if err := o.check(len(keys)); err != nil {
		return nil, err
	}
	p, err := newPlan(s, o)
	if err != nil {
		return nil, err
	}
	v := &Verifier{plan: p, opts: o.withDefaults()}
	if o.Keys != nil {
		return v, nil
	}
	if v.keys, err = newVerifyKeys(p, keys); err != nil {
		return nil, err
	}
	v.keys.url = o.URL
	return v, nil
}

// Scheme returns the scheme that v verifies.
func (v *Verifier) Scheme() Scheme {
	if v == nil || v.plan == nil {
		return Scheme{}
	}
	return v.plan.scheme
}

// Verified reports whether v verified d.
func (v *Verifier) Verified(d *Delivery) bool {
	return v != nil && d != nil && d.verifier == v
}

// Verify checks a delivery that was received just now: that one of the keys
// signed it, and when. It does no I/O and allocates nothing, apart from what
// {params}, an ExtractFunc or Ed25519 need, and a block of 1 KiB for every few
// dozen IDs that it finds in bodies.
//
// The errors are [ErrMissing], [ErrMalformed], [ErrTimestamp] and
// [ErrMismatch]. A body without the expected ID is no error here: the delivery
// is authentic, and [Delivery.IdempotencyID] says what it lacks.
//
// With Options.Keys there is no key without a request: use Check.
func (v *Verifier) Verify(h http.Header, body []byte) (Delivery, error) {
	return v.VerifyAt(time.Time{}, h, body)
}

// VerifyAt is Verify for a delivery that was received earlier, and waited in a
// queue since: the timestamp is compared with received. The zero time is now.
func (v *Verifier) VerifyAt(received time.Time, h http.Header, body []byte) (d Delivery, err error) {
	if v == nil || v.keys == nil {
		return d, ErrNoKey
	}
	w := v.keys.get(v.plan)
	if err = v.checkHeaders(v.keys, w, h, received); err == nil {
		err = v.checkBody(&d, v.keys, w, h, body, received)
	}
	v.keys.put(w)
	return d, err
}

// checkHeaders is the half of verifying that needs no body.
func (v *Verifier) checkHeaders(r *keyring, w *work, h http.Header, received time.Time) error {
	if err := w.readHeaders(v.plan, h); err != nil {
		return err
	}
	if w.timestamp != "" {
		if err := v.checkTime(w, w.timestamp, received); err != nil {
			return err
		}
	}
	return w.render(v.plan, r, h)
}

// checkBody is the other half. Nothing in the body is looked at before its
// signature was found good, unless that is where the signature is. d is filled
// in last, so that a delivery that is refused leaves it empty.
func (v *Verifier) checkBody(d *Delivery, r *keyring, w *work, h http.Header, body []byte, received time.Time) error {
	p := v.plan
	signed, id, err := v.signedBytes(r, w, h, body, received)
	if err != nil {
		return err
	}
	key, ok := r.match(p, w, signed)
	if !ok {
		return ErrMismatch
	}
	if p.timePath != nil {
		if err := v.checkTime(w, w.bodyText(body, p.timePath), received); err != nil {
			return err
		}
	}
	d.Scheme, d.Tenant, d.Key, d.Time, d.Header, d.Body = p.scheme.Name, r.tenant, key, w.sent, h, body
	d.verifier = v
	d.Identity, d.typePath = p.scheme.Identity, p.typePath
	d.ID, d.IDSigned = id, p.idSigned || id != ""
	if id == "" {
		d.ID = w.id(p, h, body)
	}
	d.eventType = optional(h, p.typeHeader)
	return nil
}

// signedBytes returns what stands between the two texts of the template: the
// body, its form fields, or what the scheme's ExtractFunc took from it.
func (v *Verifier) signedBytes(r *keyring, w *work, h http.Header, body []byte, received time.Time) (signed []byte, id string, err error) {
	switch {
	case v.plan.template.params:
		signed, err = formFields(body)
		return signed, "", err
	case v.plan.scheme.JSONObject && !isObject(body):
		return nil, "", fmt.Errorf("%w: the body is no JSON object", ErrMalformed)
	case v.plan.scheme.Extract == nil:
		return body, "", nil
	}
	x, err := v.plan.extract(w, r.url, h, body)
	switch {
	case err != nil:
	case x.Timestamp != "":
		err = v.checkTime(w, x.Timestamp, received)
	case v.plan.wantsTime:
		err = fmt.Errorf("%w: a tolerance is set, and the ExtractFunc found no timestamp", ErrTimestamp)
	}
	return x.Signed, x.ID, err
}

// checkTime asks the clock only when there is a time to compare with it: it
// costs as much as a block of SHA-256.
func (v *Verifier) checkTime(w *work, timestamp string, received time.Time) (err error) {
	if received.IsZero() {
		received = v.opts.now()
	}
	w.sent, err = v.plan.within(timestamp, received)
	return err
}

// render writes the texts before and after the body.
func (w *work) render(p *plan, r *keyring, h http.Header) (err error) {
	t := &p.template
	if len(t.before)+len(t.after) == 0 {
		return nil
	}
	if w.text, err = render(w.text[:0], t.before, h, w.timestamp, r.url, p.method); err != nil {
		return err
	}
	w.split = len(w.text)
	w.text, err = render(w.text, t.after, h, w.timestamp, r.url, p.method)
	return err
}

// id returns the event's ID, or nothing if it is not there or too long for a
// key. An ID that is not signed may be missing too.
func (w *work) id(p *plan, h http.Header, body []byte) string {
	if p.idPath == nil {
		return optional(h, p.idHeader)
	}
	return w.bodyText(body, p.idPath)
}

// bodyText returns the string or number at path, or nothing.
func (w *work) bodyText(body []byte, path []string) string {
	token := jsonValue(body, path)
	if len(token) > 6*maxID+2 { // \u0041 is the longest way to write one byte
		return ""
	}
	text, ok := jsonText(token)
	if !ok || len(text) > maxID {
		return ""
	}
	return w.strings.add(text)
}

// optional returns the value of a header that may be absent, and nothing if it
// is ambiguous.
func optional(h http.Header, name string) string {
	if name == "" {
		return ""
	}
	if values := h[name]; len(values) == 1 && len(values[0]) <= maxID {
		return values[0]
	}
	return ""
}
