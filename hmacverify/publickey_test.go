package hmacverify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// ed25519Keys returns a pair of keys, written as the scheme says.
func ed25519Keys(s hmacverify.Scheme) (public, private string) {
	seed := []byte(testKey[:ed25519.SeedSize])
	key := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	if s.KeyEncoding == hmacverify.HexKey {
		return hex.EncodeToString(key), hex.EncodeToString(seed)
	}
	return s.KeyPrefix + base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(seed)
}

func TestVerifier_Ed25519(t *testing.T) {
	t.Parallel()
	s := preset.Discord()
	public, private := ed25519Keys(s)
	h := signed(t, s, nil, `{"id":"1"}`, private)

	t.Run("the signature is that of the standard library over timestamp and body", func(t *testing.T) {
		t.Parallel()
		key := ed25519.NewKeyFromSeed([]byte(testKey[:ed25519.SeedSize]))
		want := hex.EncodeToString(ed25519.Sign(key, []byte(h.Get("X-Signature-Timestamp")+`{"id":"1"}`)))
		if got := h.Get("X-Signature-Ed25519"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("a signature of another body is refused", func(t *testing.T) {
		t.Parallel()
		_, err := newVerifier(t, s, testOptions(), public).Verify(h, []byte(`{"id":"2"}`))
		wantErr(t, err, hmacverify.ErrMismatch)
	})
	t.Run("keys can rotate", func(t *testing.T) {
		t.Parallel()
		other := strings.Repeat("01", ed25519.PublicKeySize)
		d, err := newVerifier(t, s, testOptions(), other, public).Verify(h, []byte(`{"id":"1"}`))
		if wantErr(t, err, nil); d.Key != 1 {
			t.Errorf("got key %d, want 1", d.Key)
		}
	})
	t.Run("a key of the wrong length is refused by New", func(t *testing.T) {
		t.Parallel()
		_, err := hmacverify.New(s, nil, "abcd")
		wantErr(t, err, hmacverify.ErrConfig)
		_, err = hmacverify.NewSigner(s, nil, "abcd")
		wantErr(t, err, hmacverify.ErrConfig)
	})
}

// What Twilio published for SendGrid, in sendgrid-nodejs, eventwebhook.spec.js.
const (
	sendGridKey  = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
	sendGridBody = `{"category":"example_payload","event":"test_event","message_id":"message_id"}`
)

func sendGrid() (hmacverify.Scheme, http.Header) {
	return hmacverify.Scheme{
			Name: "acme", Algorithm: hmacverify.ECDSAP256, Encoding: hmacverify.Base64, KeyEncoding: hmacverify.Base64Key,
			Signature: []string{"Signature"}, Signed: "{timestamp}{body}", Timestamp: hmacverify.Timestamp{Header: "Timestamp"},
		}, http.Header{
			"Timestamp": {"1588788367"},
			"Signature": {"MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="},
		}
}

func TestVerifier_ECDSA(t *testing.T) {
	t.Parallel()
	s, h := sendGrid()
	o := &hmacverify.Options{Tolerance: hmacverify.InsecureAnyTime}
	v := newVerifier(t, s, o, sendGridKey)
	_, err := v.Verify(h, []byte(sendGridBody))
	wantErr(t, err, nil)
	_, err = v.Verify(h, []byte(sendGridBody+"\n"))
	wantErr(t, err, hmacverify.ErrMismatch)
	inPEM := newVerifier(t, s, o, "-----BEGIN PUBLIC KEY-----\n"+sendGridKey+"\n-----END PUBLIC KEY-----\n")
	_, err = inPEM.Verify(h, []byte(sendGridBody))
	wantErr(t, err, nil)
	for _, wrong := range []string{"", "MEUC", "!", strings.Repeat("A", 4096), "MAYCAQECAQE="} {
		h.Set("Signature", wrong)
		if _, err := v.Verify(h, []byte(sendGridBody)); err == nil {
			t.Errorf("the signature %.10q was accepted", wrong)
		}
	}
}

// inPEM returns a pair of keys as a sender would give them out.
func inPEM(tb testing.TB, key crypto.Signer) (public, private string) {
	tb.Helper()
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	wantErr(tb, err, nil)
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	wantErr(tb, err, nil)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv}))
}

func newRSA(tb testing.TB, bits int) *rsa.PrivateKey {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	wantErr(tb, err, nil)
	return key
}

func newECDSA(tb testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	wantErr(tb, err, nil)
	return key
}

// Each algorithm signs what the standard library says it must, and accepts nothing else.
func TestVerifier_PublicKeys(t *testing.T) {
	t.Parallel()
	const body, covered = `{"id":"1"}`, `a.{"id":"1"}`
	sum256, sum512 := sha256.Sum256([]byte(covered)), sha512.Sum512([]byte(covered))
	rsaKey := newRSA(t, 2048)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	wantErr(t, err, nil)
	for _, tt := range []struct {
		name      string
		algorithm hmacverify.Algorithm
		key       crypto.Signer
		covered   []byte
		hash      crypto.Hash
	}{
		{"Ed25519", hmacverify.Ed25519, edKey, []byte(covered), 0},
		{"ECDSA", hmacverify.ECDSAP256, newECDSA(t, elliptic.P256()), sum256[:], crypto.SHA256},
		{"RSA with SHA-256", hmacverify.RSASHA256, rsaKey, sum256[:], crypto.SHA256},
		{"RSA with SHA-512", hmacverify.RSASHA512, rsaKey, sum512[:], crypto.SHA512},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := hmacverify.Scheme{
				Name: "acme", Algorithm: tt.algorithm, Encoding: hmacverify.Base64, Signature: []string{"Sig"},
				Signed: "{header:Id}.{body}",
			}
			public, private := inPEM(t, tt.key)
			signature, err := tt.key.Sign(rand.Reader, tt.covered, tt.hash)
			wantErr(t, err, nil)
			theirs := http.Header{"Id": {"a"}, "Sig": {base64.StdEncoding.EncodeToString(signature)}}
			ours := signed(t, s, http.Header{"Id": {"a"}}, body, private)
			older, _ := inPEM(t, otherKey(t, tt.key))
			v := newVerifier(t, s, nil, older, public)
			for _, h := range []http.Header{theirs, ours} {
				d, err := v.Verify(h, []byte(body))
				if wantErr(t, err, nil); d.Key != 1 {
					t.Errorf("got key %d, want 1", d.Key)
				}
				_, err = v.Verify(h, []byte(`{"id":"2"}`))
				wantErr(t, err, hmacverify.ErrMismatch)
				_, err = newVerifier(t, s, nil, older).Verify(h, []byte(body))
				wantErr(t, err, hmacverify.ErrMismatch)
			}
		})
	}
}

// otherKey returns another key of the same kind.
func otherKey(tb testing.TB, key crypto.Signer) crypto.Signer {
	tb.Helper()
	switch key.(type) {
	case *rsa.PrivateKey:
		return newRSA(tb, 2048)
	case *ecdsa.PrivateKey:
		return newECDSA(tb, elliptic.P256())
	}
	return ed25519.NewKeyFromSeed([]byte(testKey[:ed25519.SeedSize]))
}

// A key that a scheme cannot use is found at New, and not shown.
func TestNew_PublicKeyRefused(t *testing.T) {
	t.Parallel()
	good, private := inPEM(t, newECDSA(t, elliptic.P256()))
	p384, _ := inPEM(t, newECDSA(t, elliptic.P384()))
	ofRSA, _ := inPEM(t, newRSA(t, 2048))
	short, _ := inPEM(t, newRSA(t, 1024))
	for _, tt := range []struct {
		name      string
		algorithm hmacverify.Algorithm
		key, says string
	}{
		{"a private key", hmacverify.ECDSAP256, private, "PKIX"},
		{"another curve", hmacverify.ECDSAP256, p384, "another algorithm"},
		{"RSA for ECDSA", hmacverify.ECDSAP256, ofRSA, "another algorithm"},
		{"ECDSA for RSA", hmacverify.RSASHA256, good, "another algorithm"},
		{"a short key of RSA", hmacverify.RSASHA512, short, "1024 bits; allowed are 2048 to 8192"},
		{"RSA for Ed25519", hmacverify.Ed25519, ofRSA, "32 bytes"},
		{"two blocks", hmacverify.ECDSAP256, good + good, "white space"},
		{"base64 without saying so", hmacverify.ECDSAP256, sendGridKey, "Base64Key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := hmacverify.Scheme{Name: "acme", Algorithm: tt.algorithm, Signature: []string{"Sig"}}
			_, err := hmacverify.New(s, nil, tt.key)
			wantErr(t, err, hmacverify.ErrConfig)
			if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), tt.key[30:40])) {
				t.Errorf("got %v, want it to say %q, without the key", err, tt.says)
			}
		})
	}
}

func TestNewSigner_PrivateKeyRefused(t *testing.T) {
	t.Parallel()
	_, ofRSA := inPEM(t, newRSA(t, 2048))
	public, _ := inPEM(t, newECDSA(t, elliptic.P256()))
	for name, key := range map[string]string{"another algorithm": ofRSA, "PKCS #8": public} {
		s := hmacverify.Scheme{Name: "acme", Algorithm: hmacverify.ECDSAP256, Signature: []string{"Sig"}}
		_, err := hmacverify.NewSigner(s, nil, key)
		wantErr(t, err, hmacverify.ErrConfig)
		if err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want it to say %q", err, name)
		}
	}
}
