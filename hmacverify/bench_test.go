package hmacverify_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// Run with
//
//	go test ./hmacverify -run '^$' -bench . -benchmem
//
// Each benchmark measures its floor in the same run, in turns of a
// millisecond, and reports the median of the ratios: on a busy machine the
// nanoseconds wander, the ratios do not.

const benchKey = "c2VjcmV0IG9mIHRoZSBiZW5jaG1hcms="

var benchSizes = []int{256, 4 << 10, 64 << 10, 1 << 20}

// benchBody is an event of n bytes with its ID in front.
func benchBody(n int) []byte {
	head := `{"eventId":"evt_1234567890","id":"evt_1234567890","data":"`
	return []byte(head + strings.Repeat("a", n-len(head)-2) + `"}`)
}

func benchSizeName(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%dMiB", n>>20)
	} else if n >= 1<<10 {
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}

// reportRatio measures f against floor in turns.
func reportRatio(b *testing.B, unit string, floor, f func()) {
	b.Helper()
	const pairs = 101
	batch := func(f func(), n int) time.Duration {
		start := time.Now()
		for range n {
			f()
		}
		return time.Since(start)
	}
	n := 1
	for batch(floor, n) < time.Millisecond {
		n *= 2
	}
	ratios := make([]float64, pairs)
	for i := range ratios {
		below := batch(floor, n)
		ratios[i] = float64(batch(f, n)) / float64(below)
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[pairs/2], unit)
}

// floorA is what a careful hand-written verification does.
func floorA(key []byte, signature string, body []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	want, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(mac.Sum(nil), want)
}

func BenchmarkVerify(b *testing.B) {
	for _, scheme := range []hmacverify.Scheme{
		preset.XSignature256(), preset.GitHub(), preset.Stripe(), preset.StandardWebhooks(),
	} {
		for _, size := range benchSizes {
			b.Run(scheme.Name+"/"+benchSizeName(size), func(b *testing.B) { benchVerify(b, scheme, benchBody(size)) })
		}
	}
}

// BenchmarkIDAtTheEnd reports what it costs to find a text behind all else, as a part of
// the body's SHA-256. EventType looks it up as Verify looks up the ID.
func BenchmarkIDAtTheEnd(b *testing.B) {
	for _, tt := range []struct{ name, path, end string }{
		{"UniqueName", "eventId", `"livemode":true,"eventId":"evt_1234567890"}`},
		{"NameInsideToo", "id", `"livemode":true,"id":"evt_1234567890"}`},
		{"BeforeASmallObject", "event_id", `"event_id":"evt_1234567890","authorizations":[{"user":"u","bot":false}]}`},
	} {
		for _, size := range benchSizes[1:] {
			b.Run(tt.name+"/"+benchSizeName(size), func(b *testing.B) {
				body := nestedBody(size, tt.end)
				s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Type: hmacverify.Field{JSON: tt.path}}
				d := verify(b, s, signed(b, s, nil, string(body), testKey), string(body))
				find := func() {
					if d.EventType() != "evt_1234567890" {
						b.Fatal("not found")
					}
				}
				b.SetBytes(int64(size))
				for b.Loop() {
					find()
				}
				reportRatio(b, "x-sha256", func() { sha256.Sum256(body) }, find)
			})
		}
	}
}

// nestedBody is an event of about n bytes with a list of objects before its end.
func nestedBody(n int, end string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"object":"event","data":[`)
	for i := 0; b.Len() < n-250; i++ {
		fmt.Fprintf(&b, `{"id":"li_%d","object":"item","amount":%d,"currency":"usd","description":"A thing, \"quoted\" [x]",`+
			`"period":{"start":1790000000,"end":null},"tags":["a","b"]},`, i, i*100)
	}
	b.WriteString(`{}],` + end)
	return b.Bytes()
}

func benchVerify(b *testing.B, scheme hmacverify.Scheme, body []byte) {
	verifier, header := benchSigned(b, scheme, body)
	verify := func() {
		if _, err := verifier.Verify(header, body); err != nil {
			b.Fatal(err)
		}
	}
	mac := hmac.New(sha256.New, []byte(benchKey))
	mac.Write(body)
	signature := hex.EncodeToString(mac.Sum(nil))
	b.ReportAllocs()
	for b.Loop() {
		verify()
	}
	floor := func() { floorA([]byte(benchKey), signature, body) }
	reportRatio(b, "x-floorA", floor, verify)
	reportRatio(b, "least-x-floorA", floor, least(scheme, signature, body))
	reportRatio(b, "x-sha256", func() { sha256.Sum256(body) }, verify)
}

// least returns what no verification under the scheme can do without, however it
// finds the texts: the MAC with a keyed hash that is used again, the decoding, the
// comparison, and the clock if there is a timestamp.
func least(scheme hmacverify.Scheme, signature string, body []byte) func() {
	text, _, _ := strings.Cut(scheme.Signed, "{body}")
	before := []byte(strings.NewReplacer("{id}", "msg_1234567890", "{timestamp}", "1790000000").Replace(text))
	mac := hmac.New(sha256.New, []byte(benchKey))
	var sum, want []byte
	return func() {
		if len(before) > 0 {
			benchNow = time.Now()
			mac.Reset()
			mac.Write(before)
		} else {
			mac.Reset()
		}
		mac.Write(body)
		sum = mac.Sum(sum[:0])
		want, _ = hex.AppendDecode(want[:0], []byte(signature))
		hmac.Equal(sum, want)
	}
}

var benchNow time.Time // so that the clock is read

func benchSigned(b *testing.B, scheme hmacverify.Scheme, body []byte) (*hmacverify.Verifier, http.Header) {
	b.Helper()
	verifier, err := hmacverify.New(scheme, nil, benchKey)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(scheme, nil, benchKey)
	if err != nil {
		b.Fatal(err)
	}
	header := http.Header{"Webhook-Id": {"msg_1234567890"}}
	if err := signer.Sign(header, body); err != nil {
		b.Fatal(err)
	}
	return verifier, header
}

// floorD is the least that a receiver can do: it reads the body into a slice
// of the announced size and computes an HMAC with a hash from a pool.
type floorD struct{ pool sync.Pool }

type floorWork struct {
	mac       hash.Hash
	sum, want []byte
}

func (f *floorD) receive(r *http.Request) ([]byte, bool) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, false
	}
	w, ok := f.pool.Get().(*floorWork)
	if !ok {
		w = &floorWork{mac: hmac.New(sha256.New, []byte(benchKey)), want: make([]byte, 64)}
	}
	defer f.pool.Put(w)
	w.mac.Reset()
	w.mac.Write(body)
	w.sum = w.mac.Sum(w.sum[:0])
	signature, _ := strings.CutPrefix(r.Header.Get("X-Signature-256"), "sha256=")
	n, err := hex.Decode(w.want, []byte(signature))
	return body, err == nil && hmac.Equal(w.sum, w.want[:n])
}

// pass is floorD for a middleware: it also hands the body and what it found
// out on to the next handler, in the standard library's way.
func (f *floorD) pass(r *http.Request, next http.Handler) {
	body, ok := f.receive(r)
	if !ok {
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), floorKey{}, &hmacverify.Delivery{Body: body}))
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(discardResponse{}, r)
}

type floorKey struct{}

type discardResponse struct{ header http.Header }

func (d discardResponse) Header() http.Header       { return d.header }
func (discardResponse) Write(p []byte) (int, error) { return len(p), nil }
func (discardResponse) WriteHeader(int)             {}

func BenchmarkHandler(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(benchSizeName(size), func(b *testing.B) { benchHandler(b, benchBody(size)) })
	}
}

func benchHandler(b *testing.B, body []byte) {
	verifier, header := benchSigned(b, preset.XSignature256(), body)
	served := 0
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })
	handler := verifier.Handler(next)
	r, err := http.NewRequestWithContext(b.Context(), "POST", "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header, r.ContentLength = header, int64(len(body))
	reset := func() { r.Body = io.NopCloser(bytes.NewReader(body)) }

	var floor floorD
	handle := func() { reset(); handler.ServeHTTP(discardResponse{}, r) }
	b.ReportAllocs()
	for b.Loop() {
		handle()
	}
	if served == 0 {
		b.Fatal("the handler refused")
	}
	b.ReportMetric(testing.AllocsPerRun(100, handle)-testing.AllocsPerRun(100, reset), "own-allocs")
	reportRatio(b, "x-floorD", func() { reset(); floor.receive(r) }, handle)
	reportRatio(b, "x-floorD+pass", func() { reset(); floor.pass(r, next) }, handle)
}
