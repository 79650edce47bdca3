package hmacverify

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Options configures a [Verifier] or a [Signer]; nil and the zero value use the
// defaults. A Signer uses URL, Method and Now, a [BodyReader] MaxBody, MaxUnverified
// and BodyTimeout.
type Options struct {
	// URL is the address of this endpoint as you gave it to the sender, for
	// schemes that sign it. It is never built from a request, because the client
	// chooses Host and X-Forwarded headers. Required for those schemes; unused
	// by others.
	//
	// If path or query differ from request to request, write a * for each text that
	// differs, as in "https://example.com/hooks/*/status?order=*&end". It stands for
	// at least one character and for none of / ? &. The signature covers the
	// request's own path and query then, which must have this form; [Verifier.Verify]
	// has no request and cannot be used. If the sender signs no separator after the
	// URL, as Twilio does not, the URL must end in fixed text. New says so.
	URL string

	// Method is the only method that is accepted. Default POST.
	Method string

	// MaxBody is the size in bytes of the largest body that is accepted, at most
	// 1 GiB. Default 1 MiB, or Scheme.Sender.MaxBody if that is more.
	MaxBody int64

	// MaxUnverified bounds the memory, in bytes, of the bodies that have not been
	// verified yet, so that clients without a key cannot use up the program's.
	// Requests over it are refused with 503, and their senders retry. A body takes
	// memory as it arrives, whatever it has announced. New refuses less than twice
	// MaxBody. Default 64 MiB, or four times MaxBody if that is more.
	MaxUnverified int64

	// BodyTimeout is how long a body may take to arrive, counted anew for each 64
	// KiB: a large body may be slow, but may not stall. See [Verifier.Receive].
	// Default 20 seconds, as in Apache's mod_reqtimeout, or Sender.Waits if that is
	// more. That is 3.2 KiB in a second.
	BodyTimeout time.Duration

	// Tolerance is how far the signed time may be from the clock, in either
	// direction, inclusive. It makes a timestamp mandatory where an [ExtractFunc]
	// has to find it. New refuses one that is shorter than Sender.RetryWindow if
	// the sender's retries carry the first attempt's time. Default: see
	// Timestamp.Tolerance.
	Tolerance time.Duration

	// Now is the clock. It must be safe for concurrent use. Default time.Now.
	Now func() time.Time

	// Keys returns the keys for a request, for endpoints that many senders share;
	// give New no keys then. The tenant's name becomes part of each event's key:
	// an endpoint that changes from New's keys to this processes the retries of
	// older events again. It is called after the request's headers were
	// checked and before its body is read, and must not read the body. An error
	// that wraps ErrNoKey is a 401; any other is a failure of ours, 503. For keys
	// that a sender publishes see [KeyCache]. Default: the keys that New was given.
	Keys func(*http.Request) (Tenant, error)

	// ErrorHandler writes the response to a request that [Verifier.Handler]
	// refuses. err is the reason; do not show it to the client. Call [WriteError]
	// for the usual response. Headers that every refusal needs, Allow and
	// Connection, are set already. Default: logs the scheme and the reason with
	// slog.Default, as an error if the failure is ours and else as a warning,
	// and calls WriteError.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)
}

// Tenant is one of the senders that share an endpoint.
type Tenant struct {
	// Name is the tenant's name, for Delivery.Tenant. Take it from where the keys
	// are stored and not from the request: if "/hooks/acme" and "/hooks/ACME" find
	// the same keys, they must return the same name. Required; at most 128 bytes.
	Name string

	// Keys are the tenant's keys, newest first, written as the scheme says.
	// Required. No two tenants may share a key.
	Keys []string

	// URL replaces Options.URL. Default Options.URL.
	URL string
}

// Format prints the name for every verb, so that no format shows the keys.
func (t Tenant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.Name) }

// MarshalText returns the name, so that encoding/json and log/slog do not show the
// keys.
func (t Tenant) MarshalText() ([]byte, error) { return []byte(t.Name), nil }

// withDefaults returns a copy with the defaults of a sender filled in.
func (o *Options) withDefaults(s *Scheme) Options {
	d := *o
	d.MaxBody = cmp.Or(o.MaxBody, max(defaultMaxBody, s.Sender.MaxBody))
	d.MaxUnverified = cmp.Or(o.MaxUnverified, max(defaultMaxUnverified, 4*d.MaxBody))
	d.BodyTimeout = cmp.Or(o.BodyTimeout, max(defaultBodyTimeout, s.Sender.Waits))
	if d.Now == nil {
		d.Now = time.Now
	}
	return d
}

// options checks the options that no other step of newPlan does.
func (p *plan) options(o *Options) error {
	switch {
	case o.Method != "" && (!isToken(o.Method) || o.Method != strings.ToUpper(o.Method)):
		return p.wrong("Options.Method", "%q is not a method in upper case", o.Method)
	}
	if field, why := o.checkBody(&p.scheme); field != "" {
		return p.wrong(field, "%s", why)
	}
	return nil
}

// checkBody returns the field that is wrong, and what is allowed.
func (o *Options) checkBody(s *Scheme) (field, why string) {
	switch d := o.withDefaults(s); {
	case o.MaxBody < 0 || o.MaxBody > maxMaxBody:
		return "Options.MaxBody", fmt.Sprintf("%d is not between 0 and 1 GiB", o.MaxBody)
	case o.MaxUnverified < 0 || o.MaxUnverified > 0 && o.MaxUnverified < 2*d.MaxBody:
		return "Options.MaxUnverified", fmt.Sprintf("%d is less than twice the largest body, %d", o.MaxUnverified, d.MaxBody)
	case o.BodyTimeout < 0 || o.BodyTimeout > 0 && o.BodyTimeout < time.Millisecond:
		return "Options.BodyTimeout", fmt.Sprintf("%v is too short to be meant: write %d * time.Second for seconds", o.BodyTimeout, o.BodyTimeout)
	}
	return "", ""
}
