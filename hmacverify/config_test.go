package hmacverify_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// New finds what is wrong before the first request does.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	type scheme = hmacverify.Scheme
	type options = hmacverify.Options
	list := hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}}
	extract := preset.AdyenStandard().Extract
	keys := func(*http.Request) (hmacverify.Tenant, error) { return hmacverify.Tenant{}, nil }
	for _, tt := range []struct {
		name    string
		change  func(*scheme)
		options *options
	}{
		{"no name", func(s *scheme) { s.Name = "" }, nil},
		{"a name with a slash, which scopes are joined by", func(s *scheme) { s.Name = "a/b" }, nil},
		{"a name with a space", func(s *scheme) { s.Name = "a b" }, nil},
		{"no signature header", func(s *scheme) { s.Signature = nil }, nil},
		{"a signature header that is none", func(s *scheme) { s.Signature = []string{"a b"} }, nil},
		{"a signature header named twice", func(s *scheme) { s.Signature = []string{"a", "A"} }, nil},
		{"more than a hundred signature headers", func(s *scheme) { s.Signature = make([]string, 101) }, nil},
		{"an unknown algorithm", func(s *scheme) { s.Algorithm = 9 }, nil},
		{"an unknown encoding", func(s *scheme) { s.Encoding = 9 }, nil},
		{"an unknown key encoding", func(s *scheme) { s.KeyEncoding = 9 }, nil},
		{"an unknown identity", func(s *scheme) { s.Identity = 9 }, nil},
		{"an optional prefix that is empty", func(s *scheme) { s.PrefixOptional = true }, nil},
		{"a list without separator", func(s *scheme) { s.List = hmacverify.List{KV: "="} }, nil},
		{"list keys without key separator", func(s *scheme) { s.List = hmacverify.List{Sep: ",", Keys: []string{"a"}} }, nil},
		{"one separator for two things", func(s *scheme) { s.List = hmacverify.List{Sep: ",", KV: ","} }, nil},
		{"a template without the body", func(s *scheme) { s.Signed = "{method}" }, nil},
		{"a template with two bodies", func(s *scheme) { s.Signed = "{body}{body}" }, nil},
		{"a template with an unknown name", func(s *scheme) { s.Signed = "{bdoy}{body}" }, nil},
		{"a template with an open brace", func(s *scheme) { s.Signed = "{body}{" }, nil},
		{"a template with {id} and no ID header", func(s *scheme) { s.Signed = "{id}.{body}" }, nil},
		{"a template with a header that is none", func(s *scheme) { s.Signed = "{header:a b}.{body}" }, nil},
		{"a header that touches the body", func(s *scheme) { s.Signed = "{header:a}{body}" }, nil},
		{"a header that touches the body from behind", func(s *scheme) { s.Signed = "{body}{header:a}" }, nil},
		{"two headers that touch", func(s *scheme) { s.Signed = "{header:a}{header:b}.{body}" }, nil},
		{"a header that touches the method", func(s *scheme) { s.Signed = "{header:a}{method}.{body}" }, nil},
		{"a separator that overlaps itself", func(s *scheme) { s.Signed = "{header:a}--{body}" }, nil},
		{"a template with a URL that is not configured", func(s *scheme) { s.Signed = "{url}{body}" }, nil},
		{"a timestamp that is not signed", func(s *scheme) { s.Timestamp.Header = "T" }, nil},
		{"a signed timestamp that is nowhere", func(s *scheme) { s.Signed = "{timestamp}.{body}" }, nil},
		{"a timestamp in two places", func(s *scheme) { s.Timestamp = hmacverify.Timestamp{Header: "T", JSON: "t"} }, nil},
		{"a list's timestamp without a list", func(s *scheme) { s.Signed, s.Timestamp.ListKey = "{timestamp}.{body}", "t" }, nil},
		{"a bare list's timestamp that is not first", func(s *scheme) {
			s.Signed, s.Timestamp.ListKey, s.List.Sep = "{timestamp}.{body}", "1", ","
		}, nil},
		{"a list's timestamp with two signature headers", func(s *scheme) {
			s.Signed, s.Timestamp.ListKey, s.List, s.Signature = "{timestamp}.{body}", "t", list, []string{"A", "B"}
		}, nil},
		{"a time in a body that is not signed", func(s *scheme) { s.Signed, s.Timestamp.JSON = "{params}", "t" }, nil},
		{"an unknown unit", func(s *scheme) { s.Timestamp.Unit = 9 }, nil},
		{"a negative tolerance", func(s *scheme) { s.Timestamp.Tolerance = -2 }, nil},
		{"a tolerance without a timestamp", func(*scheme) {}, &options{Tolerance: time.Minute}},
		{"an ID in two places", func(s *scheme) { s.ID = hmacverify.Field{Header: "I", JSON: "i"} }, nil},
		{"an ID header that is none", func(s *scheme) { s.ID.Header = "a b" }, nil},
		{"an ID path with an empty name", func(s *scheme) { s.ID.JSON = "a..b" }, nil},
		{"SignedID without an ID", func(s *scheme) { s.Identity = hmacverify.SignedID }, nil},
		{"SignedID with an unsigned header", func(s *scheme) { s.Identity, s.ID.Header = hmacverify.SignedID, "I" }, nil},
		{"SignedID with an ID in an unsigned body", func(s *scheme) {
			s.Signed, s.Identity, s.ID.JSON = "{params}", hmacverify.SignedID, "id"
		}, nil},
		{"BodyDigest where fields are signed and not bytes", func(s *scheme) { s.Signed, s.Identity = "{params}", hmacverify.BodyDigest }, nil},
		{"BodyDigest where an ExtractFunc says what is signed", func(s *scheme) {
			s.Signed, s.Extract, s.Identity = "", extract, hmacverify.BodyDigest
		}, nil},
		{"InsecureUnsignedID without an ID", func(s *scheme) { s.Identity = hmacverify.InsecureUnsignedID }, nil},
		{"a signed ID and no word on identity", func(s *scheme) { s.ID.JSON = "id" }, nil},
		{"both a template and an ExtractFunc", func(s *scheme) { s.Signed, s.Extract = "{body}", extract }, nil},
		{"a timestamp beside an ExtractFunc", func(s *scheme) {
			s.Signed, s.Extract, s.Timestamp.Header = "", extract, "T"
		}, nil},
		{"a URL that is not absolute", func(*scheme) {}, &options{URL: "/hooks"}},
		{"a negative limit", func(*scheme) {}, &options{MaxBody: -1}},
		{"a limit that is none", func(*scheme) {}, &options{MaxBody: math.MaxInt64}},
		{"a method that is none", func(*scheme) {}, &options{Method: "po st"}},
		{"a method in lower case", func(*scheme) {}, &options{Method: "post"}},
		{"keys and a key function", func(*scheme) {}, &options{Keys: keys}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := scheme{Name: "acme", Signature: []string{"Sig"}}
			tt.change(&s)
			_, err := hmacverify.New(s, tt.options, testKey)
			if wantErr(t, err, hmacverify.ErrConfig); err != nil {
				t.Log(err)
			}
		})
	}
	t.Run("no key", func(t *testing.T) {
		t.Parallel()
		_, err := hmacverify.New(preset.GitHub(), nil)
		wantErr(t, err, hmacverify.ErrConfig)
		_, err = hmacverify.NewSigner(preset.GitHub(), nil)
		wantErr(t, err, hmacverify.ErrConfig)
	})
	t.Run("more than sixteen keys", func(t *testing.T) {
		t.Parallel()
		many := make([]string, 17)
		_, err := hmacverify.New(preset.GitHub(), nil, many...)
		wantErr(t, err, hmacverify.ErrConfig)
	})
	t.Run("to sign what is signed in the body", func(t *testing.T) {
		t.Parallel()
		_, err := hmacverify.NewSigner(preset.AdyenStandard(), nil, "abcd")
		wantErr(t, err, hmacverify.ErrConfig)
	})
}

func TestAChangedSchemeDoesNotChangeAVerifier(t *testing.T) {
	t.Parallel()
	s := preset.PagerDuty()
	v := newVerifier(t, s, nil, testKey)
	h := signed(t, s, nil, ruleBody, testKey)
	s.List.Keys[0], s.Signature[0] = "v9", "Other"
	_, err := v.Verify(h, []byte(ruleBody))
	wantErr(t, err, nil)
}
