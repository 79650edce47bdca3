package hmacverify

import (
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
)

// Bounds on what one request can make us do. They are far above what senders
// send: the longest list known is DocuSign's hundred headers.
const (
	maxHeader       = 8 << 10 // bytes of one header value
	maxCandidates   = 16      // signatures in one header
	maxHeaders      = 100     // signature headers of one scheme
	maxKeys         = 16
	maxID           = 255
	defaultMaxBody  = 1 << 20
	defaultMaxSkew  = 5 * time.Minute
	maxNameLength   = 64
	maxTenantLength = 128
)

// plan is a Scheme that was checked and taken apart once, so that verifying
// does only what depends on the request.
type plan struct {
	scheme    Scheme
	template  template
	newHash   func() hash.Hash
	size      int // bytes of a signature
	headers   []string
	listTime  bool // the timestamp is in the signature's list
	tolerance time.Duration
	method    string

	idHeader, typeHeader, timeHeader string
	idPath, typePath, timePath       []string
	idSigned                         bool
	wantsTime                        bool // of an ExtractFunc
}

// newPlan checks a scheme against itself and against the options.
func newPlan(s Scheme, o *Options) (*plan, error) {
	if s.Signed == "" && s.Extract == nil {
		s.Signed = "{body}"
	}
	p := &plan{scheme: s, method: o.method()}
	for _, step := range []func(*Options) error{
		p.name, p.algorithm, p.signature, p.list, p.parse, p.timestamp, p.url, p.fields, p.identity,
	} {
		if err := step(o); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// name keeps scopes unambiguous: a slash in it would make Scope of one scheme
// and tenant equal to that of another pair.
func (p *plan) name(*Options) error {
	name := p.scheme.Name
	if name == "" || len(name) > maxNameLength || strings.Contains(name, "/") || !printable(name) {
		return p.wrong("Name must be 1 to %d printable bytes without space and slash", maxNameLength)
	}
	return nil
}

// algorithm also refuses values that are none of the constants: an unknown one
// must not fall back to a default.
func (p *plan) algorithm(*Options) error {
	switch p.scheme.Algorithm {
	case SHA256:
		p.newHash, p.size = sha256.New, sha256.Size
	case SHA1:
		p.newHash, p.size = sha1.New, sha1.Size
	case SHA512:
		p.newHash, p.size = sha512.New, sha512.Size
	case Ed25519:
		p.size = ed25519.SignatureSize
	default:
		return p.wrong("unknown Algorithm %d", p.scheme.Algorithm)
	}
	if e := p.scheme.Encoding; e < Hex || e > Base64URL {
		return p.wrong("unknown Encoding %d", e)
	}
	if k := p.scheme.KeyEncoding; k < RawKey || k > HexKey {
		return p.wrong("unknown KeyEncoding %d", k)
	}
	return nil
}

// signature resolves the names once, so that verifying asks the header map
// directly and does not canonicalise for each request.
func (p *plan) signature(*Options) error {
	s := &p.scheme
	if n := len(s.Signature); n > maxHeaders || n == 0 && s.Extract == nil {
		return p.wrong("Signature must name 1 to %d headers", maxHeaders)
	}
	for _, name := range s.Signature {
		if err := validHeader(name); err != nil {
			return err
		}
		if slices.Contains(p.headers, canonical(name)) {
			return p.wrong("Signature names %s twice", name)
		}
		p.headers = append(p.headers, canonical(name))
	}
	if s.PrefixOptional && s.Prefix == "" {
		return p.wrong("PrefixOptional without Prefix")
	}
	return nil
}

// list clones what the caller could still change.
func (p *plan) list(*Options) error {
	l := p.scheme.List
	p.scheme.List.Keys = slices.Clone(l.Keys)
	switch {
	case l.Sep == "" && (l.KV != "" || l.Group != "" || len(l.Keys) > 0):
		return p.wrong("List has no Sep")
	case l.KV == "" && len(l.Keys) > 0:
		return p.wrong("List.Keys without List.KV")
	case l.Sep != "" && (l.Sep == l.KV || l.Sep == l.Group):
		return p.wrong("List has one separator for two things")
	}
	return nil
}

// parse takes the template apart, unless an ExtractFunc stands in its place.
func (p *plan) parse(*Options) error {
	s := &p.scheme
	if s.Extract != nil {
		if s.Signed != "" {
			return p.wrong("both Signed and Extract are set")
		}
		return nil
	}
	var err error
	p.template, err = parseTemplate(s.Signed, s.ID.Header)
	return err
}

// url wants the address from configuration. There is no way to have it taken
// from the request: Host and X-Forwarded-* are the client's to choose, so a
// delivery to another endpoint could be replayed to this one.
func (p *plan) url(o *Options) error {
	if p.template.has(urlPart, "") && o.URL == "" && o.Keys == nil {
		return p.wrong("the template signs the URL: set Options.URL")
	}
	return nil
}

// fields resolves where ID and type are, and whether the ID is signed.
func (p *plan) fields(*Options) error {
	for _, f := range []struct {
		field  Field
		header *string
		path   *[]string
	}{{p.scheme.ID, &p.idHeader, &p.idPath}, {p.scheme.Type, &p.typeHeader, &p.typePath}} {
		if f.field.Header != "" && f.field.JSON != "" {
			return p.wrong("a field is in a header or in the body, not both")
		}
		if f.field.Header != "" {
			if err := validHeader(f.field.Header); err != nil {
				return err
			}
			*f.header = canonical(f.field.Header)
		}
		path, err := parsePath(f.field.JSON)
		if err != nil {
			return err
		}
		*f.path = path
	}
	p.idSigned = p.idPath != nil && p.signsBody() ||
		p.idHeader != "" && p.template.has(headerPart, p.idHeader)
	return nil
}

// identity refuses what a replay could get around.
func (p *plan) identity(*Options) error {
	hasID := p.idHeader != "" || p.idPath != nil
	custom := p.scheme.Extract != nil
	switch p.scheme.Identity {
	case NoIdentity:
		if p.idSigned {
			return p.wrong("the ID is signed: say Identity SignedID, or leave ID out if it is not unique")
		}
	case SignedID:
		if !p.idSigned && !custom {
			return p.wrong("Identity is SignedID, but no signed ID is described")
		}
	case BodyDigest:
		// With {params} the sender signs the fields, not the bytes: the same
		// fields in another order or escaping pass, with another digest.
		if !p.signsBody() {
			return p.wrong("Identity is BodyDigest, but the signature does not cover the body's bytes")
		}
	case InsecureUnsignedID:
		if !hasID {
			return p.wrong("Identity is InsecureUnsignedID, but no ID is described")
		}
	default:
		return p.wrong("unknown Identity %d", p.scheme.Identity)
	}
	return nil
}

// signsBody reports whether the signature covers the bytes of the body.
func (p *plan) signsBody() bool { return p.scheme.Extract == nil && !p.template.params }

func (p *plan) wrong(format string, args ...any) error {
	return fmt.Errorf("%w: scheme %q: %s", ErrConfig, p.scheme.Name, fmt.Sprintf(format, args...))
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// parsePath splits Field.JSON. Names with a dot in them cannot be written; no
// sender that we know of has one.
func parsePath(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	path := strings.Split(s, ".")
	if slices.Contains(path, "") {
		return nil, fmt.Errorf("%w: JSON path %q has an empty name", ErrConfig, s)
	}
	return path, nil
}
