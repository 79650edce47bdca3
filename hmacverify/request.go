package hmacverify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Check verifies a request and puts its body back: afterwards r.Body reads the
// same bytes from the start, r.GetBody returns them again and again, and
// r.ContentLength is their number. When it fails, r may have lost its body.
//
// What is cheap comes first. A request with another method, without a
// signature, or with a timestamp outside the tolerance is refused without
// reading its body, and one whose Content-Length is over the limit too.
//
// The errors are those of Verify, and [ErrMethod], [ErrNoKey],
// [ErrBodyTooLarge], [ErrBodyUnreadable] and whatever the key function
// returned. [Status] gives the answer to each.
func (v *Verifier) Check(r *http.Request) (*Delivery, error) {
	c, err := v.check(r)
	if err != nil {
		return nil, err
	}
	c.install(r)
	return &c.delivery, nil
}

// checked is a request that was found good: one allocation for all that goes
// on to the next handler.
type checked struct {
	delivery Delivery
	body     replay
	ctx      deliveryContext
}

// check is Check without the changes to r. The scratch space is kept while the
// body arrives, so that headers are parsed and decoded once.
func (v *Verifier) check(r *http.Request) (*checked, error) {
	if v == nil || v.plan == nil {
		return nil, ErrNoKey
	}
	if r.Method != v.plan.method {
		return nil, fmt.Errorf("%w: %.16q", ErrMethod, r.Method)
	}
	keys, err := v.keysFor(r)
	if err != nil {
		return nil, err
	}
	w := keys.get(v.plan)
	defer keys.put(w)
	if err := v.checkHeaders(keys, w, r.Header, time.Time{}); err != nil {
		return nil, err
	}
	body, err := readBody(r, v.opts.maxBody)
	if err != nil {
		return nil, err
	}
	c := &checked{}
	return c, v.checkBody(&c.delivery, keys, w, r.Header, body, time.Time{})
}

// keysFor returns the keys to verify r with.
func (v *Verifier) keysFor(r *http.Request) (*keyring, error) {
	if v.keys != nil {
		return v.keys, nil
	}
	// Finding keys may cost a query: not for a request without a signature.
	signed := func(name string) bool { return len(r.Header[name]) > 0 }
	if headers := v.plan.headers; len(headers) > 0 && !slices.ContainsFunc(headers, signed) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, headers[0])
	}
	t, err := v.opts.keys(r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("hmacverify: finding keys: %w", err)
	case len(t.Keys) == 0:
		return nil, ErrNoKey
	case t.Name == "" || len(t.Name) > maxTenantLength:
		// Without names two tenants would share a scope, and an event of one
		// would pass for a duplicate of the other's.
		return nil, fmt.Errorf("%w: key function gave keys without a tenant's name", ErrConfig)
	}
	keys, err := newVerifyKeys(v.plan, t.Keys)
	if err != nil {
		return nil, err
	}
	keys.tenant, keys.url = t.Name, cmp.Or(t.URL, v.opts.url)
	if keys.url == "" && v.plan.template.has(urlPart, "") {
		return nil, fmt.Errorf("%w: the template signs the URL, and there is none", ErrConfig)
	}
	return keys, nil
}

// readBody reads the body into a slice of the announced size. If the
// size is not announced, it reads no more than one byte over the limit.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	switch {
	case r.ContentLength > limit:
		return nil, fmt.Errorf("%w: Content-Length %d", ErrBodyTooLarge, r.ContentLength)
	case r.Body == nil || r.Body == http.NoBody:
		return nil, nil
	case r.ContentLength > 0:
		return readAnnounced(r.Body, r.ContentLength)
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err == nil && n > limit {
		return nil, ErrBodyTooLarge
	}
	return b.Bytes(), readError(err)
}

// firstPart is how many bytes of a body must have come before room is made for the
// rest. Whoever announces a megabyte and sends a byte costs this much, not that.
const firstPart = 64 << 10

var firstParts = sync.Pool{New: func() any { return new([firstPart]byte) }}

// readAnnounced reads a body of n bytes into one allocation of that size.
func readAnnounced(r io.Reader, n int64) ([]byte, error) {
	if n <= firstPart {
		body := make([]byte, n)
		_, err := io.ReadFull(r, body)
		return body, readError(err)
	}
	first := firstParts.Get().(*[firstPart]byte)
	defer firstParts.Put(first)
	if _, err := io.ReadFull(r, first[:]); err != nil {
		return nil, readError(err)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body[copy(body, first[:]):])
	return body, readError(err)
}

// readError keeps apart what the client did from what it sent.
func readError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok { // somebody's http.MaxBytesReader around us
		return fmt.Errorf("%w: %w", ErrBodyTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrBodyUnreadable, err)
}

// install makes r carry the verified body.
func (c *checked) install(r *http.Request) {
	c.body.Reset(c.delivery.Body)
	c.body.closer = r.Body
	r.Body = &c.body
	r.GetBody = c.getBody
	r.ContentLength = int64(len(c.delivery.Body))
}

// getBody is for those who send the request on, and for retries.
func (c *checked) getBody() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.delivery.Body)), nil
}

// replay reads a body that was read before, and closes the one it stands for.
type replay struct {
	bytes.Reader
	closer io.Closer
}

func (r *replay) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// deliveryContext is context.WithValue without an allocation of its own.
type deliveryContext struct {
	context.Context
	delivery *Delivery
}

func (c *deliveryContext) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c.delivery
	}
	return c.Context.Value(key)
}
