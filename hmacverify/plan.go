package hmacverify

import (
	"cmp"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// Bounds on what one request can cost. They are far above what senders send: the
// longest list known is DocuSign's hundred headers.
const (
	maxHeader        = 8 << 10 // bytes of one header value
	maxCandidates    = 16      // signatures in one header
	maxHeaders       = 100     // signature headers of one scheme
	maxAlternatives  = 8       // headers for one value
	maxKeys          = 16
	maxID            = 255
	maxNameLength    = 64
	maxTenantLength  = 128
	maxMaxBody       = 1 << 30
	defaultMaxBody   = 1 << 20
	maxRetryWindow   = 10 * 365 * 24 * time.Hour
	defaultTolerance = 5 * time.Minute

	defaultMaxUnverified = 64 << 20
	defaultBodyTimeout   = 20 * time.Second // as in Apache's mod_reqtimeout
)

// plan is a Scheme, checked and resolved once, so that verifying does only what
// depends on the request.
type plan struct {
	scheme    Scheme
	template  template
	newHash   func() hash.Hash
	size      int         // bytes of a MAC
	digest    crypto.Hash // what a public key signs; 0 if it signs the bytes
	headers   []string    // of signatures, all names
	places    []string    // those that a Signer writes
	joinable  bool        // several lines of a signature header are one list
	listTime  bool        // the timestamp is in the signature's list
	tolerance time.Duration
	method    string
	address   address

	// Where ID, type and timestamp are: in a header, or at a path of the body.
	idHeader, typeHeader, timeHeader alternatives
	idPath, typePath, timePath       []string

	pingPaths [][]string  // of Sender.Pings
	items     []itemsPlan // of Sender.Items

	signsURL  bool // the signature covers the URL or a part of it
	idSigned  bool // the signature covers the ID
	wantsTime bool // the body must have a timestamp
}

// newPlan checks a scheme and the options that depend on it.
func newPlan(s Scheme, o *Options) (*plan, error) {
	if s.Signed == "" && s.Extract == nil { // the default
		s.Signed = "{body}"
	}
	// {method} is this one and not the request's: a PUT that the sender signed
	// must not pass for a POST.
	p := &plan{scheme: s, method: cmp.Or(o.Method, http.MethodPost)}
	// Later steps rely on what earlier ones resolved.
	for _, step := range []func(*Options) error{
		p.name, p.options, p.algorithm, p.signature, p.list, p.parse, p.sender, p.timestamp, p.url, p.fields, p.identity,
	} {
		if err := step(o); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// name allows no slash, because keys join names with one.
func (p *plan) name(*Options) error {
	name := p.scheme.Name
	if name == "" || len(name) > maxNameLength || strings.Contains(name, "/") || !printable(name) {
		return p.wrong("Name", `must be 1 to %d printable ASCII bytes without space and "/"`, maxNameLength)
	}
	return nil
}

// algorithm refuses values that are not among the constants: a default instead of
// an unknown one could be weaker.
func (p *plan) algorithm(*Options) error {
	switch p.scheme.Algorithm {
	case SHA256:
		p.newHash, p.size = sha256.New, sha256.Size
	case SHA1:
		p.newHash, p.size = sha1.New, sha1.Size
	case SHA512:
		p.newHash, p.size = sha512.New, sha512.Size
	case Ed25519:
	case ECDSAP256, RSASHA256:
		p.digest = crypto.SHA256
	case RSASHA512:
		p.digest = crypto.SHA512
	default:
		return p.wrong("Algorithm", "%d is not one of SHA256, SHA1, SHA512, Ed25519, ECDSAP256, RSASHA256 and RSASHA512", p.scheme.Algorithm)
	}
	if e := p.scheme.Encoding; e < Hex || e > Base64URL {
		return p.wrong("Encoding", "%d is not one of Hex, Base64 and Base64URL", e)
	}
	if k := p.scheme.KeyEncoding; k < RawKey || k > HexKey {
		return p.wrong("KeyEncoding", "%d is not one of RawKey, Base64Key and HexKey", k)
	}
	if f := p.scheme.URLForm; f < URLExact || f > URLDecoded {
		return p.wrong("URLForm", "%d is not one of URLExact, URLAnyPort and URLDecoded", f)
	}
	return nil
}

// signature resolves the header names.
func (p *plan) signature(*Options) error {
	s := &p.scheme
	if n := len(s.Signature); n > maxHeaders || n == 0 && s.Extract == nil {
		return p.wrong("Signature", "must name 1 to %d headers, not %d", maxHeaders, n)
	}
	for _, names := range s.Signature {
		var headers alternatives
		if err := p.alternatives("Signature", names, &headers); err != nil {
			return err
		}
		for _, header := range headers {
			if slices.Contains(p.headers, header) {
				return p.wrong("Signature", "names %s twice", header)
			}
			p.headers = append(p.headers, header)
		}
		p.places = append(p.places, headers[0])
	}
	if s.PrefixOptional && s.Prefix == "" {
		return p.wrong("PrefixOptional", "needs a Prefix")
	}
	return nil
}

// list clones the keys, which the caller could still change.
func (p *plan) list(*Options) error {
	l := p.scheme.List
	p.scheme.List.Keys = slices.Clone(l.Keys)
	switch {
	case l.Sep == "" && (l.KV != "" || l.Group != "" || l.Single || len(l.Keys) > 0):
		return p.wrong("List.Sep", `must be set for a list, as ","`)
	case l.KV == "" && len(l.Keys) > 0:
		return p.wrong("List.KV", `must be set if List.Keys is, as "="`)
	case l.Sep != "" && (l.Sep == l.KV || l.Sep == l.Group):
		return p.wrong("List", "Sep, KV and Group must differ")
	}
	p.joinable = l.Sep == "," && l.Group == ""
	return nil
}

// parse parses the template.
func (p *plan) parse(*Options) (err error) {
	p.template, err = p.parseTemplate(p.scheme.Signed)
	p.signsURL = p.template.has(urlPart) || p.template.has(pathPart) || p.template.has(queryPart)
	return err
}

// url requires the address from configuration. There is no option to take it from
// the request: the client chooses Host and X-Forwarded-*, so a delivery to another
// endpoint could be replayed to this one.
func (p *plan) url(o *Options) (err error) {
	if o.URL != "" || o.Keys == nil { // or each tenant has its own
		p.address, err = p.newAddress("Options.URL", o.URL)
	}
	return err
}

// fields resolves where ID and type are, and whether the ID is signed.
func (p *plan) fields(*Options) error {
	for _, f := range []struct {
		name   string
		field  Field
		header *alternatives
		path   *[]string
	}{{"ID", p.scheme.ID, &p.idHeader, &p.idPath}, {"Type", p.scheme.Type, &p.typeHeader, &p.typePath}} {
		if f.field.Header != "" && f.field.JSON != "" {
			return p.wrong(f.name, "Header and JSON: set one of them only")
		}
		if f.field.Header != "" {
			if err := p.alternatives(f.name+".Header", f.field.Header, f.header); err != nil {
				return err
			}
		}
		var err error
		if *f.path, err = p.path(f.name+".JSON", f.field.JSON); err != nil {
			return err
		}
	}
	p.idSigned = p.idPath != nil && p.signsBody() || p.idHeader != nil && p.template.signs(p.idHeader)
	return nil
}

// identity refuses an identity that a replay could change.
func (p *plan) identity(*Options) error {
	hasID := p.idHeader != nil || p.idPath != nil
	custom := p.scheme.Extract != nil
	switch p.scheme.Identity {
	case NoIdentity:
		if p.idSigned {
			return p.wrong("Identity", "the ID is signed: set SignedID, or clear ID if it is not unique")
		}
	case SignedID:
		// What an ExtractFunc returns as ID is signed, by its contract.
		if !p.idSigned && (!custom || hasID) {
			return p.wrong("Identity", "SignedID needs an ID in the signed bytes: in the body, if Signed names {body}, or in a header that Signed names")
		}
	case BodyDigest:
		// {params} signs fields and not bytes: the same fields in another order
		// or escaping pass, with another digest.
		switch {
		case !p.signsBody():
			return p.wrong("Identity", "BodyDigest needs a signature over the bytes of the body")
		case p.idSigned: // and the same event in a body that was rendered again is a duplicate
			return p.wrong("Identity", "the ID is signed: set SignedID, or clear ID if it is not unique")
		}
	case InsecureUnsignedID:
		if !hasID {
			return p.wrong("Identity", "InsecureUnsignedID needs an ID")
		}
	default:
		return p.wrong("Identity", "%d is not one of NoIdentity, SignedID, BodyDigest and InsecureUnsignedID", p.scheme.Identity)
	}
	return nil
}

// signsBody reports whether the signature covers the bytes of the body.
func (p *plan) signsBody() bool { return p.template.body }

// header resolves a header's name to its canonical form, once, so that verifying
// indexes the header map directly.
func (p *plan) header(field, name string, canonical *string) error {
	if !isToken(name) {
		return p.wrong(field, "%q is not the name of a header: letters, digits and -, without space and colon", name)
	}
	*canonical = textproto.CanonicalMIMEHeaderKey(name)
	return nil
}

// alternatives are the canonical names of headers of which a sender sends one; the
// first counts that a delivery has.
type alternatives []string

// alternatives resolves names that are separated by commas.
func (p *plan) alternatives(field, names string, to *alternatives) error {
	for name := range strings.SplitSeq(names, ",") {
		var header string
		if err := p.header(field, strings.TrimSpace(name), &header); err != nil {
			return err
		}
		if slices.Contains(*to, header) {
			return p.wrong(field, "names %s twice", header)
		}
		if *to = append(*to, header); len(*to) > maxAlternatives {
			return p.wrong(field, "names more than %d headers", maxAlternatives)
		}
	}
	return nil
}

// in returns the name that counts in h and its values: the first name if there is
// none. An empty header is none.
func (a alternatives) in(h http.Header) (name string, values []string) {
	for _, name := range a {
		if values := h[name]; len(values) > 1 || len(values) == 1 && values[0] != "" {
			return name, values
		}
	}
	return a[0], nil
}

// wrong returns an ErrConfig that names the scheme and the field.
func (p *plan) wrong(field, format string, args ...any) error {
	return fmt.Errorf("%w: scheme %q: %s: %s", ErrConfig, p.scheme.Name, field, fmt.Sprintf(format, args...))
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return s != "" && strings.Trim(s, token) == ""
}
