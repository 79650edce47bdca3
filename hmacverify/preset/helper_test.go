package preset_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// testKey is a key in every encoding: raw, hex and base64.
const testKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const testURL = "https://example.com/hooks?tenant=1"

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testOptions() *hmacverify.Options {
	return &hmacverify.Options{URL: testURL, Now: func() time.Time { return testNow }}
}

func newVerifier(tb testing.TB, s hmacverify.Scheme, o *hmacverify.Options, keys ...string) *hmacverify.Verifier {
	tb.Helper()
	v, err := hmacverify.New(s, o, keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// signed returns the headers of a delivery of body, signed at testNow. The
// headers that are given are there before; the scheme may sign them.
func signed(tb testing.TB, s hmacverify.Scheme, h http.Header, body string, keys ...string) http.Header {
	tb.Helper()
	signer, err := hmacverify.NewSigner(s, testOptions(), keys...)
	if err != nil {
		tb.Fatal(err)
	}
	if h = h.Clone(); h == nil {
		h = http.Header{}
	}
	if err := signer.Sign(h, []byte(body)); err != nil {
		tb.Fatal(err)
	}
	return h
}

func verify(tb testing.TB, s hmacverify.Scheme, h http.Header, body string) hmacverify.Delivery {
	tb.Helper()
	d, err := newVerifier(tb, s, testOptions(), testKey).Verify(h, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func identityOf(tb testing.TB, d hmacverify.Delivery) string {
	tb.Helper()
	id, err := d.IdempotencyID()
	if err != nil {
		tb.Fatal(err)
	}
	return d.Scheme + " " + id
}

// wantErr fails unless err is want; nil is no error.
func wantErr(tb testing.TB, err, want error) {
	tb.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		tb.Errorf("got error %v, want %v", err, want)
	}
}

// keyPair returns the receiver's and the sender's key in a form that the scheme takes.
func keyPair(s hmacverify.Scheme) (public, private string) {
	switch s.Algorithm {
	case hmacverify.Ed25519:
		return ed25519Keys(s)
	case hmacverify.ECDSAP256:
		return inPEM(ecdsaKey())
	case hmacverify.RSASHA256, hmacverify.RSASHA512:
		return inPEM(rsaKey())
	}
	return testKey, testKey
}

var (
	ecdsaKey = sync.OnceValue(func() crypto.Signer {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return key
	})
	rsaKey = sync.OnceValue(func() crypto.Signer {
		key, _ := rsa.GenerateKey(rand.Reader, 2048)
		return key
	})
)

// inPEM writes a key of this package, which does not fail.
func inPEM(key crypto.Signer) (public, private string) {
	pub, _ := x509.MarshalPKIXPublicKey(key.Public())
	priv, _ := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv}))
}

// ed25519Keys returns a pair of keys, written as the scheme says.
func ed25519Keys(s hmacverify.Scheme) (public, private string) {
	seed := []byte(testKey[:ed25519.SeedSize])
	key := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	if s.KeyEncoding == hmacverify.HexKey {
		return hex.EncodeToString(key), hex.EncodeToString(seed)
	}
	return s.KeyPrefix + base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(seed)
}

func unreachable(tb testing.TB) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tb.Error("the handler was reached") })
}
