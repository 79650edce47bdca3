package hmacverify_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
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
