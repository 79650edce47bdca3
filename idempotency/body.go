package idempotency

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/hookonce/hookonce/hmacverify"
)

var (
	errBodyTooLarge   = errors.New("idempotency: request body too large")
	errUnreadableBody = errors.New("idempotency: request body broken off")
)

// readBody returns the request's body: the bytes that were verified if r comes
// through hmacverify, else what it reads, at most max bytes.
func readBody(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	if d, ok := hmacverify.FromContext(r.Context()); ok {
		return d.Body, nil
	}
	switch {
	case r.ContentLength > max:
		return nil, errBodyTooLarge
	case r.Body == nil || r.Body == http.NoBody:
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, max))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errBodyTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadableBody, err)
	}
	return body, nil
}
