package hmacverify

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// URLForm is how a sender writes the configured URL when it signs it.
type URLForm int

// The forms of signed URLs.
const (
	// URLExact is the URL as configured.
	URLExact URLForm = iota

	// URLAnyPort is the URL with or without its port, as configured first: Twilio
	// signs now the one and now the other. The second costs another MAC, if the
	// first did not match.
	URLAnyPort

	// URLDecoded is the URL with the escapes decoded that HubSpot decodes: those of
	// : / ? @ ! $ ' ( ) * , and ;
	URLDecoded
)

// address is the URL of an endpoint from configuration, in the forms that its sender
// may sign.
type address struct {
	origins []string // scheme, host and port; more than one if there are alternatives
	target  string   // path and query, with a * for each text that a request chooses
}

// newAddress checks a URL from the field of that name. An empty URL is an address
// without origins.
func (p *plan) newAddress(field, raw string) (address, error) {
	if raw == "" {
		if p.signsURL {
			return address{}, p.wrong(field, "must be set: the sender signs the URL")
		}
		return address{}, nil
	}
	origin, target := splitURL(raw)
	switch {
	case origin == "":
		return address{}, p.wrong(field, `must be absolute, as "https://example.com/hooks"`)
	case strings.Contains(origin, "*"):
		return address{}, p.wrong(field, "has a * in the host: it can only stand for a part of the path or of the query")
	case !strings.Contains(target, "*"):
	case p.scheme.URLForm == URLDecoded:
		return address{}, p.wrong(field, "has a *, but the sender decodes the URL before it signs it, which makes its end ambiguous")
	default:
		if why := p.ambiguous(target); why != "" {
			return address{}, p.wrong(field, "%s", why)
		}
	}
	a := address{origins: []string{origin}, target: target}
	switch p.scheme.URLForm {
	case URLAnyPort:
		a.origins = append(a.origins, otherPort(origin))
	case URLDecoded:
		a.target = decodeLikeHubSpot.Replace(target)
	}
	return a, nil
}

// splitURL splits a URL where its path or query starts. Nothing is normalized: the
// sender signs the bytes that it was given.
func splitURL(raw string) (origin, target string) {
	start := strings.Index(raw, "://")
	if start <= 0 {
		return "", ""
	}
	start += len("://")
	if n := strings.IndexAny(raw[start:], "/?"); n >= 0 {
		return raw[:start+n], raw[start+n:]
	}
	return raw, ""
}

// otherPort returns an origin without its port, or with the usual one.
func otherPort(origin string) string {
	host := origin[strings.Index(origin, "://")+len("://"):]
	colon := strings.LastIndexByte(host, ':')
	switch {
	case colon > strings.LastIndexByte(host, ']'): // the colons before are those of an IPv6 address
		return origin[:len(origin)-len(host)+colon]
	case strings.HasPrefix(strings.ToLower(origin), "https:"):
		return origin + ":443"
	}
	return origin + ":80"
}

var decodeLikeHubSpot = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(",
	"%29", ")", "%2A", "*", "%2C", ",", "%3B", ";", "%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)

// ambiguous says why a target with stars cannot be told from what stands beside it
// in the signed bytes, if so. Without that check an attacker could move bytes: if the
// URL ends in the request's own text and form fields follow at once, then
// "?order=123" with the field "A" signs the same bytes as "?order=1" with "23A".
func (p *plan) ambiguous(target string) string {
	for _, after := range strings.Split(target, "*")[1:] {
		if after != "" && !strings.Contains("/?&", after[:1]) {
			return "after a * must come /, ? or &, or the end"
		}
	}
	path, query, _ := strings.Cut(target, "?")
	t := &p.template
	if p.scheme.Extract != nil { // which joins the bytes itself
		return ""
	}
	parts := slices.Concat(t.before, []part{{kind: bodyPart}}, t.after)
	for i, part := range parts {
		text := map[partKind]string{urlPart: target, pathPart: path, queryPart: query}[part.kind]
		switch {
		case part.kind == queryPart && strings.Contains(text, "*") && i > 0 && !parts[i-1].separates(len(parts[i-1].text)-1):
			return "has a * in the query, and the sender signs no separator before that"
		case strings.HasSuffix(text, "*") && i < len(parts)-1 && !parts[i+1].separates(0):
			return "ends in *, and the sender signs no separator after it: end it in fixed text, as in ?order=*&end"
		}
	}
	return ""
}

// separates reports whether the byte at i of a literal cannot belong to a text that a *
// stands for.
func (p part) separates(i int) bool { return p.kind == literal && !inTarget(p.text[i]) }

// inTarget reports whether c can be in the text that a * stands for. What separates the
// parts of a URL cannot, nor can what begins JSON.
func inTarget(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~%+=:@!$'(),;*", c) >= 0
}

// matches reports whether s is the target pattern with a text for each star.
func matches(pattern, s string) bool {
	for {
		literal, rest, star := strings.Cut(pattern, "*")
		after, ok := strings.CutPrefix(s, literal)
		if !ok || !star {
			return ok && after == ""
		}
		n := 0
		for n < len(after) && inTarget(after[n]) {
			n++
		}
		if n == 0 {
			return false
		}
		pattern, s = rest, after[n:]
	}
}

// readTarget sets path and query of the signed URL. They come from configuration, and
// from the request where that has a *.
func (s *scratch) readTarget(p *plan, a *address, r *http.Request) error {
	s.target = a.target
	if !p.signsURL || !strings.Contains(a.target, "*") || p.scheme.URLForm == URLDecoded {
		return nil
	}
	if r == nil {
		return fmt.Errorf("%w: scheme %q: Options.URL has a *, which only a request completes: call Check or NewRequest", ErrConfig, p.scheme.Name)
	}
	switch target := requestTarget(r); {
	case len(target) > maxHeader:
		return fmt.Errorf("%w: the request's URL is longer than %d bytes", ErrMalformed, maxHeader)
	case !matches(a.target, target):
		return fmt.Errorf("%w: path and query of the request are not those of Options.URL %q", ErrMalformed, a.target)
	default:
		s.target = target
	}
	return nil
}

// requestTarget returns path and query as the client sent them. RequestURI still has
// them after http.StripPrefix; requests that no server has read have none.
func requestTarget(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// nextOrigin chooses another form of the URL to verify with, if there is one.
func (s *scratch) nextOrigin(a *address) bool {
	s.origin++
	return s.origin < len(a.origins)
}

// signedURL returns the URL as the sender signs it.
func (s *scratch) signedURL(a *address) (origin, target string) {
	if len(a.origins) == 0 {
		return "", ""
	}
	return a.origins[s.origin], s.target
}

// signedPath and signedQuery are the parts of a target, without the ? between them.
func signedPath(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if path == "" {
		return "/" // the path that clients request then
	}
	return path
}

func signedQuery(target string) string {
	_, query, _ := strings.Cut(target, "?")
	return query
}
