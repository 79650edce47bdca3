package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A delivery is one signed request. It can be sent any number of times.
type delivery struct {
	url    string
	id     string
	header http.Header
	body   []byte
}

// deliveries returns what to send: copies of one delivery, or distinct ones.
func (o *options) deliveries() ([]*delivery, error) {
	signer, err := o.signer()
	if err != nil {
		return nil, err
	}
	all := make([]*delivery, o.copies)
	for i := range all {
		if i > 0 && !o.distinct {
			all[i] = all[0]
		} else if all[i], err = o.delivery(signer); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (o *options) signer() (*hmacverify.Signer, error) {
	secrets := o.secrets
	if o.wrongSecret {
		secrets = []string{newSecret(o.scheme)}
	}
	signed := o.signedURL
	if signed == "" {
		signed = o.url
	}
	return hmacverify.NewSigner(o.scheme, &hmacverify.Options{URL: signed, Now: o.now}, secrets...)
}

// now is the sender's clock. Twice the tolerance covers receivers that widen it.
func (o *options) now() time.Time {
	if o.stale {
		return time.Now().Add(-2*tolerance(o.scheme) - time.Hour)
	}
	return time.Now()
}

// tolerance returns the tolerance of a receiver's verifier; 0 if the scheme has no
// timestamp, negative if any time is accepted.
func tolerance(s hmacverify.Scheme) time.Duration {
	if s.Timestamp == (hmacverify.Timestamp{}) {
		return 0
	}
	verifier, err := hmacverify.New(s, &hmacverify.Options{
		URL:  "https://example.com",
		Keys: func(*http.Request) (hmacverify.Tenant, error) { return hmacverify.Tenant{}, hmacverify.ErrNoKey },
	})
	if err != nil {
		return 0 // the Signer reports it
	}
	return verifier.Tolerance()
}

// firstName returns the first of the names of a header, see hmacverify.Field.
func firstName(names string) string {
	first, _, _ := strings.Cut(names, ",")
	return first
}

// delivery creates and signs a delivery.
func (o *options) delivery(signer *hmacverify.Signer) (*delivery, error) {
	d := &delivery{url: o.url, id: o.id, header: o.header.Clone(), body: o.body}
	if d.id == "" {
		d.id = "evt_" + rand.Text()
	}
	form := strings.Contains(o.scheme.Signed, "{params}")
	setDefault(d.header, "Content-Type", contentType(form))
	setDefault(d.header, "User-Agent", "hookonce-send")
	setDefault(d.header, firstName(o.scheme.ID.Header), d.id)
	setDefault(d.header, firstName(o.scheme.Type.Header), o.eventType)
	for _, name := range signedHeaders(o.scheme) {
		setDefault(d.header, firstName(name), rand.Text())
	}
	switch {
	case d.body != nil && o.scheme.ID.JSON != "":
		d.id = "" // it is in the given body
	case d.body == nil && form:
		d.body = []byte(url.Values{"Id": {d.id}, "Type": {o.eventType}}.Encode())
	case d.body == nil:
		d.body = o.sample(d.id)
	}
	if err := signer.Sign(d.header, d.body); err != nil {
		return nil, err
	}
	if o.alter {
		d.body = alter(d.body, form)
	}
	return d, nil
}

func contentType(form bool) string {
	if form {
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

func setDefault(h http.Header, name, value string) {
	if name != "" && h.Get(name) == "" {
		h.Set(name, value)
	}
}

var headerPart = regexp.MustCompile(`\{header:([^}]+)\}`)

// signedHeaders returns the headers whose values the scheme signs.
func signedHeaders(s hmacverify.Scheme) (names []string) {
	for _, part := range headerPart.FindAllStringSubmatch(s.Signed, -1) {
		names = append(names, part[1])
	}
	return names
}

// alter changes a body without changing what it means, so that only the signature
// reveals it.
func alter(body []byte, form bool) []byte {
	if form {
		return append(body[:len(body):len(body)], "&Altered=1"...)
	}
	return append(body[:len(body):len(body)], ' ')
}

// sample returns a body that has the ID, type and time where the scheme looks for
// them.
func (o *options) sample(id string) []byte {
	s := o.scheme
	var root any = map[string]any{"message": "sent by hookonce/hmacverify/send"}
	if s.ID.JSON == "" && s.ID.Header == "" || s.Identity == hmacverify.BodyDigest {
		root = put(root, []string{"nonce"}, id) // bodies of different events differ
	}
	if s.Type.JSON != "" {
		root = put(root, strings.Split(s.Type.JSON, "."), o.eventType)
	}
	if s.ID.JSON != "" {
		root = put(root, strings.Split(s.ID.JSON, "."), id)
	}
	if s.Timestamp.JSON != "" {
		root = put(root, strings.Split(s.Timestamp.JSON, "."), written(s.Timestamp, o.now()))
	}
	body, err := json.Marshal(root)
	if err != nil {
		panic(err) // of maps, slices and strings
	}
	return body
}

// put sets the value at a path in a decoded JSON document, and returns the document.
func put(node any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	if i, err := strconv.Atoi(path[0]); err == nil {
		list, _ := node.([]any)
		for len(list) <= i {
			list = append(list, map[string]any{})
		}
		list[i] = put(list[i], path[1:], value)
		return list
	}
	object, ok := node.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object[path[0]] = put(object[path[0]], path[1:], value)
	return object
}

// written returns the time in the format that the scheme has in bodies.
func written(t hmacverify.Timestamp, now time.Time) any {
	switch {
	case t.Layout != "":
		return now.UTC().Format(t.Layout)
	case t.Unit == hmacverify.RFC3339:
		return now.UTC().Format(time.RFC3339)
	case t.Unit == hmacverify.Milliseconds:
		return now.UnixMilli()
	}
	return now.Unix()
}

// newSecret returns a random secret in the encoding of the scheme.
func newSecret(s hmacverify.Scheme) string {
	switch s.Algorithm {
	case hmacverify.ECDSAP256:
		return newPrivateKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case hmacverify.RSASHA256, hmacverify.RSASHA512:
		return newPrivateKey(rsa.GenerateKey(rand.Reader, 2048))
	}
	b := make([]byte, 32)
	rand.Read(b) // never fails, see crypto/rand
	switch s.KeyEncoding {
	case hmacverify.Base64Key:
		return s.KeyPrefix + base64.StdEncoding.EncodeToString(b)
	case hmacverify.HexKey:
		return s.KeyPrefix + hex.EncodeToString(b)
	}
	if s.Algorithm == hmacverify.Ed25519 {
		return s.KeyPrefix + string(b)
	}
	return s.KeyPrefix + rand.Text()
}

// newPrivateKey writes a new key in PEM. With the arguments of newSecret neither
// step fails.
func newPrivateKey(key crypto.Signer, _ error) string {
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// describe summarizes what receivers of the scheme can rely on.
func describe(s hmacverify.Scheme) (string, error) {
	if len(s.Signature) == 0 {
		return "", errors.New("the signature is in the body: not supported")
	}
	identity := map[hmacverify.Identity]string{
		hmacverify.NoIdentity: "no key",
		hmacverify.SignedID:   "signed ID",
		hmacverify.BodyDigest: "body's digest",
	}[s.Identity]
	time := "no time"
	if t := tolerance(s); t > 0 {
		time = fmt.Sprintf("within %v", t)
	} else if t < 0 {
		time = "any time"
	}
	return identity + ", " + time, nil
}
