package hmacverify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// readBody returns the body: the one that Verify was given, or the request's.
func (in *incoming) readBody(limit int64) ([]byte, error) {
	r := in.request
	switch {
	case r == nil:
		return in.body, nil
	case r.ContentLength > limit:
		return nil, fmt.Errorf("%w: Content-Length %d, limit %d", ErrBodyTooLarge, r.ContentLength, limit)
	case r.Body == nil || r.Body == http.NoBody:
		return nil, nil
	case r.ContentLength > 0: // so many bytes are read, and no more
		return readAnnounced(r.Body, r.ContentLength)
	}
	// One byte over the limit is enough to refuse the body.
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err == nil && n > limit {
		return nil, fmt.Errorf("%w: no Content-Length, limit %d", ErrBodyTooLarge, limit)
	}
	return b.Bytes(), readError(err)
}

// firstPart is how many bytes of a body must arrive before memory for all of it is
// allocated: a client that announces a megabyte and sends a byte costs this much.
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

// readError separates a body that is too large from one that did not arrive.
func readError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok { // from an http.MaxBytesReader around ours
		return fmt.Errorf("%w: %w", ErrBodyTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrBodyUnreadable, err)
}

// putBack makes r read body, as it would have before we did.
func putBack(r *http.Request, body []byte) {
	r.Body = &replay{reader: *bytes.NewReader(body), original: r.Body}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.ContentLength = int64(len(body))
}

// replay is a body that was read before. Closing it closes the original.
type replay struct {
	reader   bytes.Reader
	original io.Closer
}

func (r *replay) Read(p []byte) (int, error) { return r.reader.Read(p) }

func (r *replay) Close() error {
	if r.original == nil {
		return nil
	}
	return r.original.Close()
}
