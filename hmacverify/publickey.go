package hmacverify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
)

// Bounds on keys and signatures of RSA. A signature is as long as its key.
const (
	minRSA             = 2048 // bits
	maxRSA             = 8192
	maxPublicSignature = maxRSA / 8
)

// public reports whether a receiver has public keys.
func (a Algorithm) public() bool { return a >= Ed25519 }

// publicKey verifies signatures of what it is given: the signed bytes for Ed25519,
// their digest for the others.
type publicKey func(signed, signature []byte) bool

// publicKeys makes the keys of r ready to verify with.
func (r *keyring) publicKeys(p *plan) error {
	for i, key := range r.keys() {
		verify, wrong := p.publicKey(key)
		if wrong != "" {
			return p.wrong(keyName(i), "%s", wrong)
		}
		r.public = append(r.public, verify)
	}
	return nil
}

// publicKey makes one decoded key ready, or says what is wrong with it.
func (p *plan) publicKey(key []byte) (_ publicKey, wrong string) {
	parsed, err := x509.ParsePKIXPublicKey(key)
	if p.scheme.Algorithm == Ed25519 {
		if bare, ok := parsed.(ed25519.PublicKey); ok {
			key = bare
		}
		if len(key) != ed25519.PublicKeySize {
			return nil, fmt.Sprintf("a public key of Ed25519 has %d bytes, this has %d", ed25519.PublicKeySize, len(key))
		}
		return func(message, signature []byte) bool {
			return len(signature) == ed25519.SignatureSize && ed25519.Verify(key, message, signature)
		}, ""
	}
	if err != nil { // which could quote the key
		return nil, "is not a public key in PKIX form: give it in PEM (BEGIN PUBLIC KEY), or as base64 with KeyEncoding Base64Key"
	}
	switch key := parsed.(type) {
	case *ecdsa.PublicKey:
		if p.scheme.Algorithm == ECDSAP256 && key.Curve == elliptic.P256() {
			return func(digest, signature []byte) bool { return ecdsa.VerifyASN1(key, digest, signature) }, ""
		}
	case *rsa.PublicKey:
		if p.scheme.Algorithm != ECDSAP256 {
			if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
				return nil, fmt.Sprintf("has %d bits; allowed are %d to %d", bits, minRSA, maxRSA)
			}
			return func(digest, signature []byte) bool {
				return rsa.VerifyPKCS1v15(key, p.digest, digest, signature) == nil
			}, ""
		}
	}
	return nil, "is of another algorithm than the scheme's"
}

// privateKeys makes the keys of r ready to sign with.
func (r *keyring) privateKeys(p *plan) error {
	signers := make([]crypto.Signer, 0, len(r.keys()))
	for i, key := range r.keys() {
		signer, wrong := p.privateKey(key)
		if wrong != "" {
			return p.wrong(keyName(i), "%s", wrong)
		}
		signers = append(signers, signer)
	}
	r.signers = func() []crypto.Signer { return signers }
	return nil
}

// privateKey makes one decoded key ready, or says what is wrong with it.
func (p *plan) privateKey(key []byte) (_ crypto.Signer, wrong string) {
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	switch signer := parsed.(type) {
	case ed25519.PrivateKey:
		if p.scheme.Algorithm == Ed25519 {
			return signer, ""
		}
	case *ecdsa.PrivateKey:
		if p.scheme.Algorithm == ECDSAP256 && signer.Curve == elliptic.P256() {
			return signer, ""
		}
	case *rsa.PrivateKey:
		if p.scheme.Algorithm == RSASHA256 || p.scheme.Algorithm == RSASHA512 {
			return signer, ""
		}
	}
	switch {
	case err == nil:
		return nil, "is of another algorithm than the scheme's"
	case p.scheme.Algorithm != Ed25519: // err could quote the key
		return nil, "is not a private key in PKCS #8 form: give it in PEM (BEGIN PRIVATE KEY), or as base64 with KeyEncoding Base64Key"
	case len(key) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(key), ""
	case len(key) == ed25519.PrivateKeySize:
		return ed25519.PrivateKey(key), ""
	}
	return nil, fmt.Sprintf("a private key of Ed25519 has %d or %d bytes, this has %d",
		ed25519.SeedSize, ed25519.PrivateKeySize, len(key))
}

// decodePEM returns the block that key is, if it is PEM.
func decodePEM(key string) (block []byte, ok bool) {
	if !strings.HasPrefix(key, "-----BEGIN ") {
		return nil, false
	}
	b, rest := pem.Decode([]byte(key))
	if b == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, false
	}
	return b.Bytes, true
}

// matchPublic returns the index of the newest key that made one of the signatures.
func (s *scratch) matchPublic(p *plan, r *keyring, signed []byte) (int, bool) {
	covered := s.covered(p, signed)
	for i, verify := range r.public {
		for _, signature := range s.signatures {
			if verify(covered, signature) {
				return i, true
			}
		}
	}
	return 0, false
}

// signPublic signs with key i.
func (s *scratch) signPublic(p *plan, r *keyring, i int, signed []byte) ([]byte, error) {
	signature, err := r.signers()[i].Sign(rand.Reader, s.covered(p, signed), p.digest)
	if err != nil {
		return nil, fmt.Errorf("hmacverify: scheme %q: %s cannot sign", p.scheme.Name, keyName(i))
	}
	return signature, nil
}

// covered returns what a public key verifies. Ed25519 takes the signed bytes in one
// piece, because it hashes them twice.
func (s *scratch) covered(p *plan, signed []byte) []byte {
	if p.digest == 0 {
		return s.message(signed)
	}
	h := p.digest.New()
	h.Write(s.text[:s.split])
	h.Write(signed)
	h.Write(s.text[s.split:])
	return h.Sum(nil)
}

// decodePublic decodes a signature of a public key, whose length differs.
func (p *plan) decodePublic(text string) ([]byte, bool) {
	if len(text) > 2*maxPublicSignature {
		return nil, false
	}
	var signature []byte
	var err error
	switch p.scheme.Encoding {
	case Hex:
		signature, err = hex.DecodeString(text)
	case Base64:
		signature, err = base64Strict.DecodeString(text)
	case Base64URL:
		signature, err = base64URLStrict.DecodeString(strings.TrimRight(text, "="))
	}
	return signature, err == nil && len(signature) > 0 && len(signature) <= maxPublicSignature
}
