package peers_test

import (
	"fmt"
	"testing"
)

var sizes = []int{256, 4 << 10, 64 << 10, 1 << 20}

// BenchmarkVerify compares the verification of headers and of a body that has
// been read.
func BenchmarkVerify(b *testing.B) {
	for _, p := range peers {
		for _, size := range sizes {
			b.Run(p.name+"/"+sizeName(size), func(b *testing.B) { benchVerify(b, p, event(size)) })
		}
	}
}

// BenchmarkVerifyLateID is BenchmarkVerify where the event's ID comes last. We
// walk over the whole body to find it; slack-go leaves that to its caller.
func BenchmarkVerifyLateID(b *testing.B) {
	for _, p := range peers {
		if p.scheme.ID.JSON != "event_id" {
			continue
		}
		for _, size := range sizes {
			b.Run(p.name+"/"+sizeName(size), func(b *testing.B) { benchVerify(b, p, lateEvent(size)) })
		}
	}
}

func benchVerify(b *testing.B, p peer, body []byte) {
	ours, theirs := p.both(b)
	header := sign(b, p.scheme, nil, key, body)
	verifying := func(verify verifyFunc) func() {
		if verify(header, altered(body)) == nil {
			b.Fatal("accepted an altered body")
		}
		return func() {
			if err := verify(header, body); err != nil {
				b.Fatal(err)
			}
		}
	}
	compare(b, verifying(ours), verifying(theirs))
}

func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}
