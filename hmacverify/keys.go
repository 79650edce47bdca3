package hmacverify

import (
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
)

// findKeys returns the keys to verify with, and gives s their MACs. It runs after
// the headers were checked: finding a tenant's keys may cost a query, which a
// request without a signature must not cause.
func (v *Verifier) findKeys(s *scratch, r *http.Request) (keys *keyring, err error) {
	if keys = v.keys; keys == nil {
		if keys, err = v.tenantKeys(r); err != nil {
			return nil, err
		}
	}
	return keys, s.keyWith(v.plan, keys)
}

// tenantKeys calls the key function.
func (v *Verifier) tenantKeys(r *http.Request) (*keyring, error) {
	if r == nil {
		return nil, fmt.Errorf("%w: Options.Keys needs a request: call Check", ErrNoKey)
	}
	p := v.plan
	t, err := v.opts.Keys(r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("hmacverify: Options.Keys: %w", err)
	case len(t.Keys) == 0:
		return nil, fmt.Errorf("%w: Options.Keys returned none", ErrNoKey)
	case t.Name == "" || len(t.Name) > maxTenantLength:
		// Without names two tenants would share a scope, and an event of one
		// could pass for a duplicate of the other's.
		return nil, p.wrong("Tenant.Name", "must be 1 to %d bytes", maxTenantLength)
	}
	// The keys are decoded for each request. A cache would have to know when they
	// change, which only the key function does.
	a := p.address
	if t.URL != "" || len(a.origins) == 0 {
		if a, err = p.newAddress("Tenant.URL", t.URL); err != nil {
			return nil, err
		}
	}
	keys, err := newVerifyKeys(p, a, t.Keys)
	if err != nil {
		return nil, err
	}
	keys.tenant = t.Name
	return keys, nil
}

// keyring holds the keys of one sender, newest first. It is never changed.
//
// The keys are in a closure because package fmt prints any struct, its unexported
// fields and what they point to, but does not look into a func.
type keyring struct {
	tenant  string
	address address
	keys    func() [][]byte
	public  []publicKey            // of algorithms with public keys
	signers func() []crypto.Signer // of a Signer with private keys
}

// newKeyring decodes the keys. Errors say which key is wrong, not what it is.
func newKeyring(p *plan, a address, keys []string) (*keyring, error) {
	if n := len(keys); n == 0 || n > maxKeys {
		return nil, p.wrong("keys", "there are %d; give 1 to %d", n, maxKeys)
	}
	decoded := make([][]byte, len(keys))
	for i, key := range keys {
		b, wrong := p.decodeKey(key)
		if wrong != "" {
			return nil, p.wrong(keyName(i), "%s", wrong)
		}
		decoded[i] = b
	}
	return &keyring{address: a, keys: func() [][]byte { return decoded }}, nil
}

// newVerifyKeys is newKeyring for keys to verify with.
func newVerifyKeys(p *plan, a address, keys []string) (*keyring, error) {
	r, err := newKeyring(p, a, keys)
	if err == nil && p.scheme.Algorithm.public() {
		err = r.publicKeys(p)
	}
	return r, err
}

func keyName(i int) string { return fmt.Sprintf("key %d", i) }

// decodeKey decodes a key as the scheme says, or says what is wrong with it. It
// does not try another encoding: a Stripe secret starts with "whsec_" and is raw, a
// Standard Webhooks secret starts with "whsec_" and is base64, and a Zendesk secret
// looks like base64 and is raw.
//
// PEM says itself what it is.
func (p *plan) decodeKey(key string) (decoded []byte, wrong string) {
	if p.scheme.Algorithm.public() {
		if block, ok := decodePEM(key); ok {
			return block, ""
		}
	}
	bare := strings.TrimPrefix(key, p.scheme.KeyPrefix)
	if strings.TrimSpace(bare) != bare {
		return nil, "has white space at its start or end, as files have a newline: trim it; " +
			"if it belongs to a binary key, set KeyEncoding HexKey and give the key in hex"
	}
	decoded = []byte(bare)
	var err error
	switch p.scheme.KeyEncoding {
	case Base64Key: // padded or not
		decoded, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(bare, "="))
		wrong = "is not base64, as KeyEncoding Base64Key says it is"
	case HexKey:
		decoded, err = hex.DecodeString(bare)
		wrong = "is not hex, as KeyEncoding HexKey says it is"
	}
	switch {
	case err != nil:
		return nil, wrong // err would quote a byte of the key
	case len(decoded) == 0:
		return nil, "is empty"
	}
	return decoded, ""
}

// keyWith makes the MACs of r's keys, unless s has them from the delivery before.
// Package hmac panics if a FIPS mode forbids a key or a hash; here that is an
// error, and New finds it.
func (s *scratch) keyWith(p *plan, r *keyring) (err error) {
	if s.keyed == r || p.newHash == nil {
		return nil
	}
	keys := r.keys()
	macs := make([]hash.Hash, 0, len(keys))
	defer func() {
		if reason := recover(); reason != nil {
			err = p.wrong(keyName(len(macs)), "cannot be used: %v", reason)
		}
	}()
	for _, key := range keys {
		macs = append(macs, hmac.New(p.newHash, key))
	}
	s.keyed, s.macs = r, macs
	return nil
}
