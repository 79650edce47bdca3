package hmacverify

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options are what [New] can be told beside scheme and keys. nil and the zero
// value are the defaults.
type Options struct {
	// URL is this endpoint's address as it was given to the sender, for
	// schemes that sign it. Required for those, unused for others. It is never
	// put together from a request, whose Host and X-Forwarded headers are
	// whatever the client wrote.
	URL string

	// Method is the only method that is accepted, default POST.
	Method string

	// MaxBody is the largest body in bytes, default 1 MiB, at most 1 GiB.
	MaxBody int64

	// Tolerance replaces the scheme's, if it is not zero. It makes a timestamp
	// mandatory where an [ExtractFunc] has to find it.
	Tolerance time.Duration

	// Now is the clock, default time.Now. It must be safe for concurrent use.
	Now func() time.Time

	// Keys finds the keys for a request, for endpoints that many senders
	// share; New then takes none. See [Tenant]. It is called for requests
	// whose headers have a signature, before the body is read, and must not
	// read the body. An error that is ErrNoKey is answered with 401; any other
	// is taken for a failure of ours and answered with 503.
	Keys func(*http.Request) (Tenant, error)

	// OnError sees each refused request and why, for logs and metrics. The
	// client is answered by Handler and is told nothing.
	OnError func(*http.Request, error)
}

// Tenant is one of the senders that share an endpoint.
type Tenant struct {
	// Name is the tenant's name, for [Delivery.Tenant]. Take it from where the
	// keys are kept, not from the request: if "/hooks/acme" and "/hooks/ACME"
	// find the same keys, they must give the same name. Required, at most 128
	// bytes. No two tenants may have a key in common.
	Name string

	// Keys are the tenant's keys, newest first, written as the scheme says.
	Keys []string

	// URL replaces Options.URL if it is not empty.
	URL string
}

// Format prints the name, whatever the verb: no format shows the keys.
func (t Tenant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.Name) }

// MarshalText returns the name, so that encoding/json and log/slog do not show
// the keys either.
func (t Tenant) MarshalText() ([]byte, error) { return []byte(t.Name), nil }

// options are Options with the defaults filled in.
type options struct {
	url     string
	maxBody int64
	now     func() time.Time
	keys    func(*http.Request) (Tenant, error)
	onError func(*http.Request, error)
}

// check finds what is wrong with the options alone; newPlan checks them against
// the scheme.
func (o *Options) check(keys int) error {
	u, err := url.Parse(o.URL)
	switch {
	case o.Keys != nil && keys > 0:
		return fmt.Errorf("%w: both keys and Options.Keys", ErrConfig)
	case o.URL != "" && (err != nil || u.Scheme == "" || u.Host == ""):
		return fmt.Errorf("%w: Options.URL is not an absolute URL", ErrConfig)
	case o.MaxBody < 0 || o.MaxBody > 1<<30:
		return fmt.Errorf("%w: Options.MaxBody is not between 0 and 1 GiB", ErrConfig)
	case o.Method != "" && (validHeader(o.Method) != nil || o.Method != strings.ToUpper(o.Method)):
		return fmt.Errorf("%w: Options.Method %q", ErrConfig, o.Method)
	}
	return nil
}

// withDefaults copies the options, so that changing them afterwards changes
// nothing.
func (o *Options) withDefaults() options {
	d := options{url: o.URL, maxBody: o.MaxBody, now: o.Now, keys: o.Keys, onError: o.OnError}
	if d.maxBody == 0 {
		d.maxBody = defaultMaxBody
	}
	if d.now == nil {
		d.now = time.Now
	}
	return d
}

// method is what {method} stands for, and what Check accepts: were it taken
// from the request, a PUT signed by the sender would pass for a POST.
func (o *Options) method() string {
	if o.Method == "" {
		return http.MethodPost
	}
	return o.Method
}
