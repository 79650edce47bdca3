package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A report is what the command has to say.
type report struct {
	scheme   hmacverify.Scheme
	refused  error // nil if the delivery is accepted
	delivery *hmacverify.Delivery
	signed   []byte // nil if it cannot be said
	window   time.Duration
	hints    []string
}

// explain verifies the delivery, at any time unless there is a time to compare with.
func (d *delivery) explain() (*report, error) {
	d.method = cmp.Or(d.method, http.MethodPost)
	d.options.Method = d.method
	strict, err := hmacverify.New(d.scheme, &d.options, d.secrets...)
	if err != nil {
		return nil, err // says what is wrong with scheme, URL or key
	}
	r := &report{scheme: d.scheme, window: strict.Tolerance()}
	if d.at.IsZero() {
		d.anyTime()
	} else {
		d.options.Now = func() time.Time { return d.at }
	}
	if r.delivery, r.refused = d.verify(nil, nil); r.refused == nil {
		return r, nil
	}
	if errors.Is(r.refused, hmacverify.ErrTimestamp) {
		// Is it also wrong apart from its time?
		d.anyTime()
		r.delivery, _ = d.verify(nil, nil)
	}
	v, err := hmacverify.New(d.scheme, &d.options, d.secrets...)
	if err != nil {
		return nil, err
	}
	request, err := d.request(d.url(), d.body)
	if err != nil {
		return nil, err
	}
	r.signed, _ = v.SignedBytes(request)
	if errors.Is(r.refused, hmacverify.ErrMismatch) {
		r.hints = d.hints()
	}
	return r, nil
}

// anyTime turns the check of the time off, if the scheme has one.
func (d *delivery) anyTime() {
	o := d.options
	o.Tolerance = hmacverify.InsecureAnyTime
	if _, err := hmacverify.New(d.scheme, &o, d.secrets...); err == nil {
		d.options = o
	}
}

// verify verifies the delivery, changed by a guess.
func (d *delivery) verify(change func(*delivery), body []byte) (*hmacverify.Delivery, error) {
	guess := *d
	if change != nil {
		change(&guess)
	}
	if body == nil {
		body = d.body
	}
	v, err := hmacverify.New(guess.scheme, &guess.options, guess.secrets...)
	if err != nil {
		return nil, err
	}
	r, err := guess.request(guess.url(), body)
	if err != nil {
		return nil, err
	}
	return v.Check(r)
}

// url is the address of the request; what counts is its target.
func (d *delivery) url() string {
	return cmp.Or(d.options.URL, "http://localhost"+cmp.Or(d.target, "/"))
}

// hints tries the usual mistakes, and returns those without which the signature would
// match.
func (d *delivery) hints() (hints []string) {
	for _, guess := range []struct {
		change func(*delivery)
		hint   string
	}{
		{func(d *delivery) { d.scheme.KeyEncoding = hmacverify.RawKey; d.scheme.KeyPrefix = "" }, "the whole secret is the key: KeyEncoding RawKey, no KeyPrefix"},
		{func(d *delivery) { d.scheme.KeyEncoding = hmacverify.RawKey }, "the secret is not decoded: KeyEncoding RawKey"},
		{func(d *delivery) { d.scheme.KeyEncoding = hmacverify.Base64Key }, "the secret is base64: KeyEncoding Base64Key"},
		{func(d *delivery) { d.scheme.KeyEncoding = hmacverify.HexKey }, "the secret is hex: KeyEncoding HexKey"},
		{func(d *delivery) { d.options.URL = strings.TrimSuffix(d.options.URL, "/") }, "the signed URL has no slash at its end"},
		{func(d *delivery) { d.options.URL += "/" }, "the signed URL ends in a slash"},
		{func(d *delivery) { d.options.URL = strings.Replace(d.options.URL, "https:", "http:", 1) }, "the signed URL is http, not https"},
		{func(d *delivery) { d.options.URL = strings.Replace(d.options.URL, "http:", "https:", 1) }, "the signed URL is https, not http"},
		{func(d *delivery) { d.options.URL, _, _ = strings.Cut(d.options.URL, "?") }, "the signed URL has no query"},
	} {
		if _, err := d.verify(guess.change, nil); err == nil {
			hints = append(hints, guess.hint)
		}
	}
	for _, guess := range []struct {
		body []byte
		hint string
	}{
		{bytes.TrimSuffix(d.body, []byte("\n")), "the body was sent without the newline at its end, which an editor may have added"},
		{bytes.TrimSuffix(d.body, []byte("\r\n")), "the body was sent without the newline at its end, which an editor may have added"},
		{append(bytes.Clone(d.body), '\n'), "the body was sent with a newline at its end, which is lost here"},
		{bytes.ReplaceAll(d.body, []byte("\r\n"), []byte("\n")), "the body was sent with bare newlines"},
		{bytes.ReplaceAll(d.body, []byte("\n"), []byte("\r\n")), "the body was sent with CRLF newlines"},
		{append([]byte("\xEF\xBB\xBF"), d.body...), "the body was sent with a byte order mark"},
		{compact(d.body), "the body was sent without white space: it was formatted after it was received, and only its bytes as sent can be verified"},
		{escaped(d.body), "the body was sent with <, > and & escaped: it was rendered again after it was received"},
	} {
		if guess.body == nil || bytes.Equal(guess.body, d.body) {
			continue
		}
		if _, err := d.verify(nil, guess.body); err == nil {
			hints = append(hints, guess.hint)
		}
	}
	return hints
}

// compact returns JSON without white space; nil if it is not JSON.
func compact(body []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, body) != nil {
		return nil
	}
	return b.Bytes()
}

// escaped returns JSON as encoding/json writes it.
func escaped(body []byte) []byte {
	var b bytes.Buffer
	json.HTMLEscape(&b, body)
	return b.Bytes()
}

// maxShown bounds the signed bytes that are printed.
const maxShown = 2 << 10

func (r *report) write(w io.Writer) error {
	var b strings.Builder
	if r.refused == nil {
		fmt.Fprintf(&b, "accepted: %v\n", r.delivery)
	} else {
		fmt.Fprintf(&b, "refused: %v\n", r.refused)
	}
	if r.refused != nil && r.delivery != nil {
		fmt.Fprintln(&b, "  apart from its time it would be accepted: "+r.delivery.String())
	}
	if r.delivery != nil {
		r.writeTime(&b)
		if id, err := r.delivery.IdempotencyID(); err != nil {
			fmt.Fprintf(&b, "identity: %v\n", err)
		} else {
			fmt.Fprintf(&b, "identity: %s\n", id)
		}
	}
	if r.signed != nil {
		r.writeSigned(&b)
	}
	if errors.Is(r.refused, hmacverify.ErrMismatch) {
		if len(r.hints) == 0 {
			fmt.Fprintln(&b, "none of the usual mistakes explains it: compare the above with what the sender signs, "+
				"and the secret with the sender's, by its first and last characters")
		}
		for _, hint := range r.hints {
			fmt.Fprintln(&b, "it would match if "+hint)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTime says when the delivery would have been accepted.
func (r *report) writeTime(b *strings.Builder) {
	if r.delivery.Time.IsZero() {
		return
	}
	fmt.Fprintf(b, "signed at: %s", r.delivery.Time.Format(time.RFC3339))
	if r.window > 0 {
		fmt.Fprintf(b, ", accepted from %s to %s", r.delivery.Time.Add(-r.window).Format(time.RFC3339), r.delivery.Time.Add(r.window).Format(time.RFC3339))
	}
	fmt.Fprintln(b)
}

func (r *report) writeSigned(b *strings.Builder) {
	template := cmp.Or(r.scheme.Signed, "{body}")
	if r.scheme.Extract != nil {
		template = "found by code"
	}
	fmt.Fprintf(b, "signed bytes: %d, %s\n", len(r.signed), template)
	shown, more := r.signed, ""
	if len(shown) > maxShown {
		shown, more = shown[:maxShown], " …"
	}
	fmt.Fprintf(b, "  %q%s\n", shown, more)
}
