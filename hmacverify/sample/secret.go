package sample

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

	"github.com/hookonce/hookonce/hmacverify"
)

// Secret returns a random secret, written as the scheme says, for
// [hmacverify.NewSigner]. For an algorithm with public keys it is a private key in PEM,
// and [Public] returns the other.
func Secret(s hmacverify.Scheme) string {
	switch s.Algorithm {
	case hmacverify.Ed25519:
		_, key, err := ed25519.GenerateKey(nil)
		return privatePEM(key, err)
	case hmacverify.ECDSAP256:
		return privatePEM(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case hmacverify.RSASHA256, hmacverify.RSASHA512:
		return privatePEM(rsa.GenerateKey(rand.Reader, 2048))
	}
	b := make([]byte, 32)
	rand.Read(b) // never fails, see crypto/rand
	switch s.KeyEncoding {
	case hmacverify.Base64Key:
		return s.KeyPrefix + base64.StdEncoding.EncodeToString(b)
	case hmacverify.HexKey:
		return s.KeyPrefix + hex.EncodeToString(b)
	}
	return s.KeyPrefix + rand.Text()
}

// privatePEM writes a new key in PEM. With the arguments of Secret neither step fails.
func privatePEM[K crypto.Signer](key K, _ error) string {
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// Public returns what [hmacverify.New] needs to verify what secret signs: the public
// key in PEM of a private one in PEM, and anything else as it is.
func Public(secret string) string {
	block, _ := pem.Decode([]byte(secret))
	if block == nil {
		return secret
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return secret
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return secret
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
