package hmacverify

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
)

// NewRequest returns a signed request that delivers body to url, by the scheme's
// method, POST if Options named no other: for senders, and for the tests of
// receivers. header, which may be nil, is what the request has besides, such as an
// ID that the scheme signs or a Content-Type; it is copied.
func (s *Signer) NewRequest(ctx context.Context, url string, header http.Header, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, s.plan.method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("hmacverify: new request: %w", err)
	}
	maps.Copy(r.Header, header.Clone())
	if err := s.Sign(r.Header, body); err != nil {
		return nil, err
	}
	return r, nil
}
