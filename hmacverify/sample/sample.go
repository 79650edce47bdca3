// Package sample makes up what a sender would send, for tests and for trying things
// out: secrets, headers and bodies that suit any [hmacverify.Scheme].
//
//	secret := sample.Secret(scheme)
//	signer, err := hmacverify.NewSigner(scheme, nil, secret)
//	…
//	header, body := sample.Event(scheme, "evt_1", "", time.Now())
//	err = signer.Sign(header, body)
//
// For the senders that are used most, the folder payloads has a body with the fields
// that the sender documents, and made-up values. The bodies of others have only what
// the scheme reads. Package idempotency/hooktest delivers them to a handler.
package sample

import (
	"crypto/rand"
	"embed"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// payloads are named after the schemes. $ID, $NUMBER and $TIME stand for the event's
// ID, a number that follows from it, and the time in the scheme's unit. The fields are
// those of deliveries and pages that the senders published, read in 2026-11; but
// GitHub's, GitLab's, Resend's, Shopify's and Square's are general knowledge.
//
//go:embed payloads
var payloads embed.FS

// headerTypes are the types of payloads whose sender writes them into a header.
var headerTypes = map[string]string{"github": "push", "shopify": "orders/create"}

// Event returns the header, not yet signed, and the body of an event with that ID,
// which must be printable ASCII. Equal arguments make equal bodies, and events whose
// IDs differ have different keys. The type "" is that of the sender's payload, or else
// "test". now matters to schemes that have the time in the body.
func Event(s hmacverify.Scheme, id, eventType string, now time.Time) (http.Header, []byte) {
	body, eventType := body(&s, id, eventType, now)
	h := http.Header{}
	SetHeader(h, s, id, eventType)
	return h, body
}

func body(s *hmacverify.Scheme, id, eventType string, now time.Time) ([]byte, string) {
	if eventType == "" {
		if body := payload(s, id, now); body != nil {
			return body, headerTypes[s.Name]
		}
		eventType = "test"
	}
	if isForm(s) {
		return []byte(url.Values{"Id": {id}, "Type": {eventType}}.Encode()), eventType
	}
	return minimal(s, id, eventType, now), eventType
}

func isForm(s *hmacverify.Scheme) bool { return strings.Contains(s.Signed, "{params}") }

// payload returns the body in the folder payloads, nil if there is none.
func payload(s *hmacverify.Scheme, id string, now time.Time) []byte {
	name, quoted := s.Name+".json", quote(id)
	if isForm(s) {
		name, quoted = s.Name+".form", url.QueryEscape(id)
	}
	text, err := payloads.ReadFile(path.Join("payloads", name))
	if err != nil {
		return nil
	}
	return []byte(strings.NewReplacer(
		"$ID", quoted,
		"$NUMBER", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(id))), 10),
		"$TIME", quote(written(s.Timestamp, now)),
	).Replace(strings.TrimSuffix(string(text), "\n")))
}

// quote writes a value as JSON, without the quotes of a string.
func quote(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of a string or a number
	}
	if _, isString := v.(string); isString {
		return string(text[1 : len(text)-1])
	}
	return string(text)
}

// SetHeader sets in h what a delivery has besides its signature, where h has nothing
// yet: its media type, the headers with the event's ID and type, and random values for
// others that the scheme signs. An empty ID or type is left out.
func SetHeader(h http.Header, s hmacverify.Scheme, id, eventType string) {
	mediaType := "application/json"
	if isForm(&s) {
		mediaType = "application/x-www-form-urlencoded"
	}
	setDefault(h, "Content-Type", mediaType)
	setDefault(h, s.ID.Header, id)
	setDefault(h, s.Type.Header, eventType)
	for _, part := range headerPart.FindAllStringSubmatch(s.Signed, -1) {
		setDefault(h, part[1], rand.Text())
	}
}

var headerPart = regexp.MustCompile(`\{header:([^}]+)\}`)

// setDefault sets a header; names is as hmacverify.Field.Header.
func setDefault(h http.Header, names, value string) {
	name, _, _ := strings.Cut(names, ",")
	if name != "" && value != "" && h.Get(name) == "" {
		h.Set(name, value)
	}
}

// minimal returns a body that has the ID, type and time where the scheme looks for
// them.
func minimal(s *hmacverify.Scheme, id, eventType string, now time.Time) []byte {
	var root any = map[string]any{"message": "a sample by hookonce"}
	if s.ID.JSON == "" && s.ID.Header == "" || s.Identity == hmacverify.BodyDigest {
		root = put(root, []string{"nonce"}, id) // bodies of different events differ
	}
	if s.Type.JSON != "" {
		root = put(root, strings.Split(s.Type.JSON, "."), eventType)
	}
	if s.ID.JSON != "" {
		root = put(root, strings.Split(s.ID.JSON, "."), id)
	}
	if s.Timestamp.JSON != "" {
		root = put(root, strings.Split(s.Timestamp.JSON, "."), written(s.Timestamp, now))
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
