package idempotency

import (
	"bytes"
	"context"
	"net/http"
)

// A call is all that one call of the handler gets and leaves, in one allocation.
// Each has its own, so that a goroutine that an earlier call has left behind
// cannot disturb the one that counts. It is the handler's context.
type call struct {
	context.Context
	report report
	buffer buffer
	body   body
}

// Value implements [context.Context].
func (c *call) Value(key any) any {
	if _, ok := key.(reportKey); ok {
		return &c.report
	}
	return c.Context.Value(key)
}

// serve has next answer r, with a body that is read from its beginning.
func (c *call) serve(next http.Handler, r *http.Request, content []byte) {
	r = r.WithContext(c)
	c.body.install(r, content)
	next.ServeHTTP(&c.buffer, r)
}

// outcome returns nil if the handler has done its work, else why not.
func (c *call) outcome() error {
	err := c.report.get()
	switch {
	case c.buffer.overflowed:
		return errResponseTooLarge
	case err == nil && c.buffer.status == 0 && c.Err() != nil:
		// It has given up, or it would have answered. To take its silence for
		// a 200, as net/http does, would lose the event.
		return errGaveUp
	case err != nil || c.buffer.statusCode()/100 != 2:
		return &handlerError{status: c.buffer.statusCode(), err: WorkError(err)}
	}
	return nil
}

// A body is a request's body that was read before.
type body struct{ bytes.Reader }

// Close implements [io.Closer].
func (b *body) Close() error { return nil }

func (b *body) install(r *http.Request, content []byte) {
	b.Reset(content)
	r.Body = b
	r.ContentLength = int64(len(content))
	r.TransferEncoding = nil
}
