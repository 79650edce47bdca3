package peers_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A benchmark compares two verifications of the same thing: ours and the peer's accept
// a delivery, and refuse it once it is altered.
func TestPeers_AgreeOnDelivery(t *testing.T) {
	t.Parallel()
	for _, p := range peers {
		ours, theirs := p.both(t)
		for _, test := range deliveries(t, p.scheme) {
			t.Run(p.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				for who, verify := range map[string]verifyFunc{"ours": ours, "theirs": theirs} {
					if err := verify(test.header, test.body); (err == nil) != test.valid {
						t.Errorf("%s: got %v, want valid %t", who, err, test.valid)
					}
				}
			})
		}
	}
}

type delivery struct {
	name   string
	header http.Header
	body   []byte
	valid  bool
}

func deliveries(t *testing.T, s hmacverify.Scheme) []delivery {
	t.Helper()
	body := event(256)
	header := sign(t, s, nil, key, body)
	foreign := sign(t, s, nil, "whsec_YW5vdGhlciBzZW5kZXIncyBrZXksIDMyIGJ5dGVzIQ==", body)
	tests := []delivery{
		{"accepts what the sender signed", header, body, true},
		{"refuses a body with one byte changed", header, altered(body), false},
		{"refuses a body with one byte less", header, body[:len(body)-1], false},
		{"refuses a body with one byte more", header, append(bytes.Clone(body), '\n'), false},
		{"refuses no body", header, nil, false},
		{"refuses no headers", http.Header{}, body, false},
		{"refuses the signature of another key", foreign, body, false},
	}
	if s.Identity == hmacverify.BodyDigest {
		return tests // GitHub sends no time
	}
	stale := &hmacverify.Options{Now: func() time.Time { return time.Now().Add(-time.Hour) }}
	return append(tests, delivery{"refuses what was signed an hour ago", sign(t, s, stale, key, body), body, false})
}

// altered returns a copy of body with one byte changed.
func altered(body []byte) []byte {
	b := bytes.Clone(body)
	b[len(b)/2] ^= 1
	return b
}

func TestPeers_AgreeOnRequest(t *testing.T) {
	t.Parallel()
	body := event(256)
	ours, theirs := requestVerifiers(t)
	for who, verify := range map[string]func(*http.Request) error{"ours": ours, "theirs": theirs} {
		r := newRequest(t, body)
		if err := verify(r.next()); err != nil {
			t.Errorf("%s: %v", who, err)
		}
		r.body = altered(body)
		if verify(r.next()) == nil {
			t.Errorf("%s: accepted an altered body", who)
		}
	}
}
