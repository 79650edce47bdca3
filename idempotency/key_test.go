package idempotency_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

func TestKeyOf(t *testing.T) {
	t.Parallel()
	signed := func(change func(d *hmacverify.Delivery)) *hmacverify.Delivery {
		d := &hmacverify.Delivery{Scheme: "s", ID: "1", IDSigned: true, Identity: hmacverify.SignedID}
		if change != nil {
			change(d)
		}
		return d
	}
	for _, tt := range []struct {
		name     string
		endpoint string
		d        *hmacverify.Delivery
		want     idempotency.Key
		is       []error
	}{
		{"of the endpoint", "mine", signed(nil), idempotency.Key{Scope: "mine", ID: "1"}, nil},
		{"of a tenant", "mine", signed(func(d *hmacverify.Delivery) { d.Tenant = "acme" }), idempotency.Key{Scope: "mine/acme", ID: "1"}, nil},
		{"no endpoint", "", signed(nil), idempotency.Key{}, []error{idempotency.ErrInvalidKey}},
		{"no delivery", "mine", nil, idempotency.Key{}, []error{idempotency.ErrInvalidKey}},
		{"no ID", "mine", signed(func(d *hmacverify.Delivery) { d.ID = "" }), idempotency.Key{},
			[]error{idempotency.ErrInvalidKey, hmacverify.ErrNoIdentity}},
		{"ID too long", "mine", signed(func(d *hmacverify.Delivery) { d.ID = strings.Repeat("x", 256) }), idempotency.Key{},
			[]error{idempotency.ErrInvalidKey}},
	} {
		got, err := idempotency.KeyOf(tt.endpoint, tt.d)
		if got != tt.want || (err == nil) != (tt.is == nil) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
		for _, want := range tt.is {
			checkError(t, err, want)
		}
	}
}

// Bodies of different events may be equal, so the body is the key only where the
// scheme says so (L10).
func TestKeyOf_Identity(t *testing.T) {
	t.Parallel()
	body := []byte(`{}`)
	const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	for _, tt := range []struct {
		name string
		d    hmacverify.Delivery
		id   string // "" if there is no key
	}{
		{"signed ID", hmacverify.Delivery{ID: "1", IDSigned: true, Body: body}, "1"},
		{"unsigned ID", hmacverify.Delivery{ID: "1", Body: body}, ""},
		{"unsigned ID, asked for by name", hmacverify.Delivery{ID: "1", Identity: hmacverify.InsecureUnsignedID, Body: body}, "1"},
		{"body", hmacverify.Delivery{ID: "1", Identity: hmacverify.BodyDigest, Body: body}, digest},
		{"no identity", hmacverify.Delivery{ID: "1", Identity: hmacverify.NoIdentity, Body: body}, ""},
	} {
		key, err := idempotency.KeyOf("s", &tt.d)
		if (err == nil) != (tt.id != "") || key.ID != tt.id {
			t.Errorf("%s: got %v, %v; want %q", tt.name, key, err, tt.id)
		}
		if tt.id == "" && (!errors.Is(err, hmacverify.ErrNoIdentity) || !errors.Is(err, idempotency.ErrInvalidKey)) {
			t.Errorf("%s: got %v, want ErrNoIdentity and ErrInvalidKey", tt.name, err)
		}
	}
}

// MySQL's INSERT IGNORE cuts a long key, which then equals others: long keys are
// refused and not cut (L8).
func TestKey_Validate(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", idempotency.MaxKeyBytes)
	for _, tt := range []struct {
		key idempotency.Key
		ok  bool
	}{
		{idempotency.Key{Scope: longest, ID: longest}, true},
		{idempotency.Key{Scope: longest + "x", ID: "x"}, false},
		{idempotency.Key{Scope: "x", ID: longest + "x"}, false},
		{idempotency.Key{Scope: "x"}, false},
		{idempotency.Key{ID: "x"}, false},
		{idempotency.Key{}, false},
	} {
		err := tt.key.Validate()
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, idempotency.ErrInvalidKey) {
			t.Errorf("%d and %d bytes: got %v, want ok to be %t", len(tt.key.Scope), len(tt.key.ID), err, tt.ok)
		}
		if err != nil && strings.Contains(err.Error(), "xx") {
			t.Errorf("the error holds the key: %v", err)
		}
	}
}

func TestKey_String(t *testing.T) {
	t.Parallel()
	if got, want := (idempotency.Key{Scope: "a\n", ID: `b"`}).String(), `"a\n"/"b\""`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFingerprint_Matches(t *testing.T) {
	t.Parallel()
	a, b, none := idempotency.FingerprintOf([]byte("a")), idempotency.FingerprintOf([]byte("b")), idempotency.Fingerprint{}
	for _, tt := range []struct {
		f, g idempotency.Fingerprint
		want bool
	}{{a, a, true}, {a, b, false}, {a, none, true}, {none, b, true}, {none, none, true}} {
		if got := tt.f.Matches(tt.g); got != tt.want {
			t.Errorf("%x and %x: got %t, want %t", tt.f[:4], tt.g[:4], got, tt.want)
		}
	}
}
