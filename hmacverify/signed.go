package hmacverify

import (
	"fmt"
	"net/url"
	"slices"
)

// signedBytes prepares what the signature covers. It renders the texts before and
// after the body into s and returns what stands between them: the body, its form
// fields, or what the scheme's ExtractFunc found.
func (s *scratch) signedBytes(p *plan, keys *keyring, in *incoming, body []byte) ([]byte, error) {
	origin, target := s.signedURL(&keys.address)
	switch {
	case p.scheme.JSONObject && !isObject(body):
		return nil, fmt.Errorf("%w: the body is not a JSON object", ErrMalformed)
	case p.scheme.Extract != nil:
		return s.extract(p, origin+target, in, body)
	}
	s.text = s.render(p, p.template.before, s.text[:0], origin, target)
	s.split = len(s.text)
	s.text = s.render(p, p.template.after, s.text, origin, target)
	if p.template.params {
		return formFields(body)
	}
	return body, nil
}

// render appends parts to text. The values of headers were checked before.
func (s *scratch) render(p *plan, parts []part, text []byte, origin, target string) []byte {
	for i := range parts {
		switch part := &parts[i]; part.kind {
		case literal:
			text = append(text, part.text...)
		case timestampPart:
			text = append(text, s.timestamp...)
		case urlPart:
			text = append(append(text, origin...), target...)
		case pathPart:
			text = append(text, signedPath(target)...)
		case queryPart:
			text = append(text, signedQuery(target)...)
		case methodPart:
			text = append(text, p.method...)
		case headerPart:
			text = append(text, s.values[part.value]...)
		}
	}
	return text
}

// maxFields bounds the form fields to sort. Twilio sends about forty.
const maxFields = 1000

// formFields returns what {params} stands for: the fields of a form, sorted by name
// and then by value, names and values concatenated. Twilio counts a pair that
// occurs twice once.
//
// Such a signature does not cover the bytes, nor even where a name ends and its
// value begins. That cannot be helped here; plan.identity makes sure that no
// identity relies on the bytes.
func formFields(body []byte) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("%w: the body is not a form", ErrMalformed)
	}
	if len(form) > maxFields {
		return nil, fmt.Errorf("%w: more than %d form fields", ErrMalformed, maxFields)
	}
	// Only names have a bound: the values are as long as the body, which has one.
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	signed := make([]byte, 0, len(body))
	for _, name := range names {
		values := form[name]
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			signed = append(signed, name...)
			signed = append(signed, value...)
		}
	}
	return signed, nil
}
