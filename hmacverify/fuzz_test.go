package hmacverify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// reasons are all the errors that Verify may return.
var reasons = []error{
	hmacverify.ErrMissing, hmacverify.ErrMalformed, hmacverify.ErrMismatch, hmacverify.ErrTimestamp,
}

func knownReason(err error) bool {
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			return true
		}
	}
	return err == nil
}

// FuzzList: no header makes Verify panic, and none is accepted unless it
// contains the one signature that the key makes, whole.
func FuzzList(f *testing.F) {
	schemes := []hmacverify.Scheme{
		preset.Stripe(), preset.Persona(), preset.Paddle(), preset.PagerDuty(), preset.Recurly(),
		preset.Cronofy(), preset.Worldpay(), preset.XSignature256(), preset.Sanity(), preset.LINE(),
	}
	verifiers := make([]*hmacverify.Verifier, len(schemes))
	macs := make([]string, len(schemes))
	for i, s := range schemes {
		verifiers[i] = newVerifier(f, s, testOptions(), testKey)
		header := signed(f, s, nil, ruleBody, testKey).Get(s.Signature[0])
		macs[i] = strings.TrimRight(header[strings.LastIndexAny(header, " =,/;")+1:], "=")
		if s.Encoding == hmacverify.Base64 {
			macs[i] = header[max(0, len(header)-44):]
		}
		f.Add(uint8(i), header)
	}
	f.Add(uint8(0), "t=1,,v1,v1=,=,t=")
	f.Fuzz(func(t *testing.T, i uint8, header string) {
		n := int(i) % len(schemes)
		_, err := verifiers[n].Verify(http.Header{http.CanonicalHeaderKey(schemes[n].Signature[0]): {header}}, []byte(ruleBody))
		if !knownReason(err) {
			t.Errorf("unknown reason %v", err)
		}
		if err == nil && !strings.Contains(strings.ToLower(header), strings.ToLower(macs[n])) {
			t.Errorf("accepted %q without the signature", header)
		}
	})
}

// FuzzTemplate: a template that New accepts signs what it verifies, and
// another body is refused.
func FuzzTemplate(f *testing.F) {
	for _, p := range preset.All() {
		f.Add(p.Signed, "msg_1", `{"a":1}`)
	}
	f.Add("{body}.{header:Id}.{timestamp}", "a.b", "c")
	f.Add("{", "}", "{body}")
	f.Fuzz(func(t *testing.T, template, id, body string) {
		s := hmacverify.Scheme{Name: "fuzz", Signature: []string{"Sig"}, Signed: template, ID: hmacverify.Field{Header: "Id"}}
		if strings.Contains(template, "{timestamp}") {
			s.Timestamp.Header = "Time"
		}
		if strings.Contains(template, "{id}") || strings.Contains(template, "{header:Id}") {
			s.Identity = hmacverify.SignedID
		}
		signer, err := hmacverify.NewSigner(s, testOptions(), testKey)
		if err != nil {
			if !errors.Is(err, hmacverify.ErrConfig) {
				t.Errorf("got %v, want ErrConfig", err)
			}
			return
		}
		h := http.Header{"Id": {id}}
		if err := signer.Sign(h, []byte(body)); err != nil {
			return // an ID that is empty or has the separator in it, or no form
		}
		v := newVerifier(t, s, testOptions(), testKey)
		if _, err := v.Verify(h, []byte(body)); err != nil {
			t.Fatalf("refused what was signed: %v", err)
		}
		if _, err := v.Verify(h, []byte(body+"x")); err == nil && !strings.Contains(template, "{params}") {
			t.Error("accepted another body")
		}
	})
}

// FuzzTimestamp: what is accepted lies within the tolerance, and is written in
// one way only.
func FuzzTimestamp(f *testing.F) {
	s := anySender(preset.Slack())
	v := newVerifier(f, s, testOptions(), testKey)
	for _, seed := range []string{"1795435200", "+1795435200", "01795435200", "1e9", "", "-1", "4611686018427387904", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, timestamp string) {
		signer, err := hmacverify.NewSigner(s, nil, testKey)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{"X-Slack-Request-Timestamp": {timestamp}}
		if signer.Sign(h, nil) != nil {
			return
		}
		d, err := v.Verify(h, nil)
		if err != nil {
			return
		}
		if age := testNow.Sub(d.Time); age.Abs() > 5*time.Minute {
			t.Errorf("accepted %q, off by %v", timestamp, age)
		}
		if fmt.Sprint(d.Time.Unix()) != timestamp {
			t.Errorf("accepted %q for %d", timestamp, d.Time.Unix())
		}
	})
}

// FuzzJSONPath: in a valid body without repeated names, the ID is what
// encoding/json finds there; in any other the search ends.
func FuzzJSONPath(f *testing.F) {
	s := preset.XSignature256()
	s.ID.JSON = "a.b"
	v := newVerifier(f, s, nil, testKey)
	signer, err := hmacverify.NewSigner(s, nil, testKey)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		`{"a":{"b":"x"}}`, `{"a":{"b":1.5e3}}`, `{"a":[],"c":{"b":"y"}}`, `{"\u0061":{"b":"\ud83d\ude00"}}`,
		`[{"a":1}]`, `{"z":"\\\"","a":{"y":[[{"b":2}]],"b":"q"}}`, `{"a":{"b":"`, `{"a" {`, `{"a":{"b":null}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		h := http.Header{}
		if err := signer.Sign(h, []byte(body)); err != nil {
			t.Fatal(err)
		}
		d, err := v.Verify(h, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		want, ok := decodedID(body)
		if ok && len(want) <= 255 && d.ID != want {
			t.Errorf("got %q, want %q", d.ID, want)
		}
	})
}

// FuzzJSONTail: behind a large value the ID is found from the end, and the same one, the
// first, as by a walk over the members. The walk is forced by a value at the end that is
// too long to be passed from there.
func FuzzJSONTail(f *testing.F) {
	const path = "id"
	for _, seed := range []string{
		`"id":"x"`, `"a":"\\","id":"x"`, `"id":"x","b":[{"id":"y"}],"c":"]"`, `"id":"x","id":"y"`, `"x":"\"id\":","id" : 12 `,
		`"\u0069d":"x","id":"y"`, `"i\u00e9":1,"id":"y"`, `"b":{"a":1,"id":"z"},"id":"y"`, `"b":"id","id":"y"`, `"b":["id"],"id":null`,
		`"b":"{","id":"y"`, `"b":"}","c":"\\\"","id":"y" }`,
	} {
		f.Add(`"a":1`, seed)
		f.Add(seed, `"z":true,"id":"last"`)
	}
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, ID: hmacverify.Field{JSON: path}, Identity: hmacverify.SignedID}
	v := newVerifier(f, s, nil, testKey)
	signer, err := hmacverify.NewSigner(s, nil, testKey)
	if err != nil {
		f.Fatal(err)
	}
	idOf := func(t *testing.T, body string) string {
		h := http.Header{}
		if err := signer.Sign(h, []byte(body)); err != nil {
			t.Fatal(err)
		}
		d, err := v.Verify(h, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return d.ID
	}
	large := `[` + strings.Repeat(`{"n":"a"},`, 200) + `1]`
	long := strings.Repeat(" ", 8<<10)
	f.Fuzz(func(t *testing.T, inside, tail string) {
		body := `{"object":{"n":` + large + `,` + inside + `},` + tail
		if !json.Valid([]byte(body + "}")) {
			return
		}
		found, walked := idOf(t, body+"}"), idOf(t, body+`,"zz":"`+long+`"}`)
		if found != walked {
			t.Errorf("from the end %q, by the walk %q: %q", found, walked, tail)
		}
	})
}

// decodedID is the same search with encoding/json, for bodies where it can be
// relied on: it merges names that differ in case, takes the last of repeated
// ones, and replaces what is not UTF-8.
func decodedID(body string) (string, bool) {
	if !json.Valid([]byte(body)) || strings.ToValidUTF8(body, "") != body ||
		strings.Count(body, ":") != 2 || strings.ContainsRune(body, '\ufffd') {
		return "", false
	}
	var doc map[string]json.RawMessage
	var inner map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &doc) != nil || json.Unmarshal(doc["a"], &inner) != nil {
		return "", false
	}
	var id any
	decoder := json.NewDecoder(strings.NewReader(string(inner["b"])))
	decoder.UseNumber()
	if decoder.Decode(&id) != nil {
		return "", true
	}
	switch id := id.(type) {
	case string:
		return id, true
	case json.Number:
		return id.String(), true
	}
	return "", true
}
