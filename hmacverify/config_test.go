package hmacverify_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// A mistake shows at start, in words that name its place.
func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	type scheme = hmacverify.Scheme
	type options = hmacverify.Options
	list := hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}}
	extract := preset.AdyenStandard().Extract
	keys := func(*http.Request) (hmacverify.Tenant, error) { return hmacverify.Tenant{}, nil }
	for _, tt := range []struct {
		name    string
		field   string
		change  func(*scheme)
		options *options
	}{
		{"no name", "Name", func(s *scheme) { s.Name = "" }, nil},
		{"a name with a slash, which joins names in keys", "Name", func(s *scheme) { s.Name = "a/b" }, nil},
		{"a name with a space", "Name", func(s *scheme) { s.Name = "a b" }, nil},
		{"no signature header", "Signature", func(s *scheme) { s.Signature = nil }, nil},
		{"a signature header that is none", "Signature", func(s *scheme) { s.Signature = []string{"a b"} }, nil},
		{"a signature header named twice", "Signature", func(s *scheme) { s.Signature = []string{"a", "A"} }, nil},
		{"more than a hundred signature headers", "Signature", func(s *scheme) { s.Signature = make([]string, 101) }, nil},
		{"an unknown algorithm", "Algorithm", func(s *scheme) { s.Algorithm = 9 }, nil},
		{"an unknown encoding", "Encoding", func(s *scheme) { s.Encoding = 9 }, nil},
		{"an unknown key encoding", "KeyEncoding", func(s *scheme) { s.KeyEncoding = 9 }, nil},
		{"an unknown identity", "Identity", func(s *scheme) { s.Identity = 9 }, nil},
		{"an optional prefix that is empty", "PrefixOptional", func(s *scheme) { s.PrefixOptional = true }, nil},
		{"a list without separator", "List.Sep", func(s *scheme) { s.List = hmacverify.List{KV: "="} }, nil},
		{"list keys without key separator", "List.KV", func(s *scheme) { s.List = hmacverify.List{Sep: ",", Keys: []string{"a"}} }, nil},
		{"one separator for two things", "List", func(s *scheme) { s.List = hmacverify.List{Sep: ",", KV: ","} }, nil},
		{"a template without the body", "Signed", func(s *scheme) { s.Signed = "{method}" }, nil},
		{"a template with two bodies", "Signed", func(s *scheme) { s.Signed = "{body}{body}" }, nil},
		{"a template with an unknown name", "Signed", func(s *scheme) { s.Signed = "{bdoy}{body}" }, nil},
		{"a template with an open brace", "Signed", func(s *scheme) { s.Signed = "{body}{" }, nil},
		{"a template with {id} and no ID header", "Signed", func(s *scheme) { s.Signed = "{id}.{body}" }, nil},
		{"a template with a header that is none", "Signed", func(s *scheme) { s.Signed = "{header:a b}.{body}" }, nil},
		{"a header that touches the body", "Signed", func(s *scheme) { s.Signed = "{header:a}{body}" }, nil},
		{"a header that touches the body from behind", "Signed", func(s *scheme) { s.Signed = "{body}{header:a}" }, nil},
		{"two headers that touch", "Signed", func(s *scheme) { s.Signed = "{header:a}{header:b}.{body}" }, nil},
		{"a header that touches the method", "Signed", func(s *scheme) { s.Signed = "{header:a}{method}.{body}" }, nil},
		{"a separator that overlaps itself", "Signed", func(s *scheme) { s.Signed = "{header:a}--{body}" }, nil},
		{"a template with a URL that is not configured", "Options.URL", func(s *scheme) { s.Signed = "{url}{body}" }, nil},
		{"a timestamp that is not signed", "Timestamp", func(s *scheme) { s.Timestamp.Header = "T" }, nil},
		{"a signed timestamp that is nowhere", "Timestamp", func(s *scheme) { s.Signed = "{timestamp}.{body}" }, nil},
		{"a timestamp in two places", "Timestamp", func(s *scheme) { s.Timestamp = hmacverify.Timestamp{Header: "T", JSON: "t"} }, nil},
		{"a list's timestamp without a list", "Timestamp.ListKey", func(s *scheme) { s.Signed, s.Timestamp.ListKey = "{timestamp}.{body}", "t" }, nil},
		{"a bare list's timestamp that is not first", "Timestamp.ListKey", func(s *scheme) {
			s.Signed, s.Timestamp.ListKey, s.List.Sep = "{timestamp}.{body}", "1", ","
		}, nil},
		{"a list's timestamp with two signature headers", "Timestamp.ListKey", func(s *scheme) {
			s.Signed, s.Timestamp.ListKey, s.List, s.Signature = "{timestamp}.{body}", "t", list, []string{"A", "B"}
		}, nil},
		{"a time in a body that is not signed", "Timestamp.JSON", func(s *scheme) { s.Signed, s.Timestamp.JSON = "{params}", "t" }, nil},
		{"an unknown unit", "Timestamp.Unit", func(s *scheme) { s.Timestamp.Unit = 9 }, nil},
		{"a negative tolerance", "Timestamp.Tolerance", func(s *scheme) {
			s.Signed, s.Timestamp = "{timestamp}.{body}", hmacverify.Timestamp{Header: "T", Tolerance: -2}
		}, nil},
		{"a scheme's tolerance without a timestamp", "Timestamp.Tolerance", func(s *scheme) { s.Timestamp.Tolerance = time.Minute }, nil},
		{"a timestamp header that is none", "Timestamp.Header", func(s *scheme) {
			s.Signed, s.Timestamp.Header = "{timestamp}.{body}", "X-Time:"
		}, nil},
		{"a timestamp in JSONPath", "Timestamp.JSON", func(s *scheme) { s.Timestamp.JSON = "$.time" }, nil},
		{"a largest body that is none", "Sender.MaxBody", func(s *scheme) { s.Sender.MaxBody = -1 }, nil},
		{"a largest body over 1 GiB", "Sender.MaxBody", func(s *scheme) { s.Sender.MaxBody = 1<<30 + 1 }, nil},
		{"a negative retry window", "Sender.RetryWindow", func(s *scheme) { s.Sender.RetryWindow = -1 }, nil},
		{"a retry window that overflows", "Sender.RetryWindow", func(s *scheme) { s.Sender.RetryWindow = math.MaxInt64 }, nil},
		{"an unknown time of retries", "Sender.RetryTime", func(s *scheme) { s.Sender.RetryTime = 9 }, nil},
		{"a tolerance without a timestamp", "Options.Tolerance", func(*scheme) {}, &options{Tolerance: time.Minute}},
		{"an ID in two places", "ID", func(s *scheme) { s.ID = hmacverify.Field{Header: "I", JSON: "i"} }, nil},
		{"an ID header that is none", "ID.Header", func(s *scheme) { s.ID.Header = "a b" }, nil},
		{"an ID path with an empty name", "ID.JSON", func(s *scheme) { s.ID.JSON = "a..b" }, nil},
		{"SignedID without an ID", "Identity", func(s *scheme) { s.Identity = hmacverify.SignedID }, nil},
		{"SignedID with an unsigned header", "Identity", func(s *scheme) { s.Identity, s.ID.Header = hmacverify.SignedID, "I" }, nil},
		{"SignedID with an ID in an unsigned body", "Identity", func(s *scheme) {
			s.Signed, s.Identity, s.ID.JSON = "{params}", hmacverify.SignedID, "id"
		}, nil},
		{"BodyDigest where fields are signed and not bytes", "Identity", func(s *scheme) { s.Signed, s.Identity = "{params}", hmacverify.BodyDigest }, nil},
		{"BodyDigest where an ExtractFunc says what is signed", "Identity", func(s *scheme) {
			s.Signed, s.Extract, s.Identity = "", extract, hmacverify.BodyDigest
		}, nil},
		{"BodyDigest although the ID is signed", "Identity", func(s *scheme) { s.ID.JSON, s.Identity = "id", hmacverify.BodyDigest }, nil},
		{"InsecureUnsignedID without an ID", "Identity", func(s *scheme) { s.Identity = hmacverify.InsecureUnsignedID }, nil},
		{"a signed ID without an identity", "Identity", func(s *scheme) { s.ID.JSON = "id" }, nil},
		{"an ExtractFunc that signs two bodies", "Signed", func(s *scheme) { s.Signed, s.Extract = "{body}{body}", extract }, nil},
		{"an ExtractFunc that does not say that it signs the timestamp", "Timestamp", func(s *scheme) {
			s.Extract, s.Timestamp.Header = extract, "T"
		}, nil},
		{"an ExtractFunc that signs a timestamp from nowhere", "Timestamp", func(s *scheme) { s.Extract, s.Signed = extract, "{timestamp}" }, nil},
		{"an ExtractFunc and a time in a body that it does not sign", "Timestamp.JSON", func(s *scheme) {
			s.Extract, s.Timestamp.JSON = extract, "at"
		}, nil},
		{"an ExtractFunc and SignedID in a body that it does not sign", "Identity", func(s *scheme) {
			s.Extract, s.ID.JSON, s.Identity = extract, "id", hmacverify.SignedID
		}, nil},
		{"an ExtractFunc and SignedID in a header that it does not sign", "Identity", func(s *scheme) {
			s.Extract, s.ID.Header, s.Identity = extract, "Id", hmacverify.SignedID
		}, nil},
		{"an ExtractFunc that signs a URL that is not configured", "Options.URL", func(s *scheme) { s.Extract, s.Signed = extract, "{url}{body}" }, nil},
		{"a form of URLs that is none", "URLForm", func(s *scheme) { s.URLForm = 9 }, nil},
		{"one signature in what is not a list", "List.Sep", func(s *scheme) { s.List.Single = true }, nil},
		{"a path that is not configured", "Options.URL", func(s *scheme) { s.Signed = "{path}|{body}" }, nil},
		{"a query that is not configured", "Options.URL", func(s *scheme) { s.Signed = "{query}|{body}" }, nil},
		{"a header that touches the query", "Signed", func(s *scheme) { s.Signed = "{header:a}{query}|{body}" }, &options{URL: testURL}},
		{"a star in the host", "Options.URL", func(*scheme) {}, &options{URL: "https://*.example.com/"}},
		{"a star before text", "Options.URL", func(*scheme) {}, &options{URL: "https://example.com/*.php"}},
		{"a URL that ends in a star before the body", "Options.URL", func(s *scheme) { s.Signed = "{url}{body}" }, &options{URL: "https://example.com/a?b=*"}},
		{"a URL that ends in a star before form fields", "Options.URL", func(s *scheme) { s.Signed = "{url}{params}" }, &options{URL: "https://example.com/a?b=*"}},
		{"a URL that ends in a star before the timestamp", "Options.URL", func(s *scheme) {
			s.Signed, s.Timestamp.Header = "{body}{url}{timestamp}", "T"
		}, &options{URL: "https://example.com/a?b=*"}},
		{"a URL that ends in a star before what could be in it", "Options.URL", func(s *scheme) { s.Signed = "{url}.{body}" }, &options{URL: "https://example.com/a?b=*"}},
		{"a path that ends in a star before the body", "Options.URL", func(s *scheme) { s.Signed = "{path}{body}" }, &options{URL: "https://example.com/*?b"}},
		{"a query with a star after the body", "Options.URL", func(s *scheme) { s.Signed = "{body}{query}" }, &options{URL: "https://example.com/?b=*&c"}},
		{"a star in a URL that the sender decodes", "Options.URL", func(s *scheme) {
			s.Signed, s.URLForm = "{url}|{body}", hmacverify.URLDecoded
		}, &options{URL: "https://example.com/*"}},
		{"a URL that is not absolute", "Options.URL", func(*scheme) {}, &options{URL: "/hooks"}},
		{"a negative limit", "Options.MaxBody", func(*scheme) {}, &options{MaxBody: -1}},
		{"a limit that is none", "Options.MaxBody", func(*scheme) {}, &options{MaxBody: math.MaxInt64}},
		{"negative memory", "Options.MaxUnverified", func(*scheme) {}, &options{MaxUnverified: -1}},
		{"memory for less than two bodies of the sender", "Options.MaxUnverified", func(s *scheme) { s.Sender.MaxBody = 4 << 20 },
			&options{MaxUnverified: 8<<20 - 1}},
		{"a negative timeout", "Options.BodyTimeout", func(*scheme) {}, &options{BodyTimeout: -1}},
		{"a timeout without a unit", "Options.BodyTimeout", func(*scheme) {}, &options{BodyTimeout: 20}},
		{"a method that is none", "Options.Method", func(*scheme) {}, &options{Method: "po st"}},
		{"a method in lower case", "Options.Method", func(*scheme) {}, &options{Method: "post"}},
		{"keys and a key function", "Options.Keys", func(*scheme) {}, &options{Keys: keys}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := scheme{Name: "acme", Signature: []string{"Sig"}}
			tt.change(&s)
			_, err := hmacverify.New(s, tt.options, testKey)
			wantErr(t, err, hmacverify.ErrConfig)
			if want := fmt.Sprintf("scheme %q: %s: ", s.Name, tt.field); err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want it to name the place: %s", err, want)
			}
			if _, err := hmacverify.NewSigner(s, tt.options, testKey); err == nil {
				t.Error("NewSigner accepts what New refuses")
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
	for _, tt := range []struct{ path, write string }{
		{"$.id", `write "id"`},
		{"$", "JSON: \"$\""},
		{"data[0].id", `write "data.0.id"`},
		{"$['data']['id']", `write "data.id"`},
		{"/data/id", `write "data.id"`},
		{" data.id", `write "data.id"`},
		{"data.id\n", `write "data.id"`},
	} {
		t.Run(fmt.Sprintf("the path %q, and says how to write it", tt.path), func(t *testing.T) {
			t.Parallel()
			s := scheme{Name: "acme", Signature: []string{"Sig"}, ID: hmacverify.Field{JSON: tt.path}, Identity: hmacverify.SignedID}
			_, err := hmacverify.New(s, nil, testKey)
			if wantErr(t, err, hmacverify.ErrConfig); err != nil && !strings.Contains(err.Error(), tt.write) {
				t.Errorf("got %q, want %s", err, tt.write)
			}
		})
	}
	t.Run("more than sixteen keys", func(t *testing.T) {
		t.Parallel()
		many := make([]string, 17)
		_, err := hmacverify.New(preset.GitHub(), nil, many...)
		wantErr(t, err, hmacverify.ErrConfig)
	})
	t.Run("a key function for a Signer", func(t *testing.T) {
		t.Parallel()
		_, err := hmacverify.NewSigner(preset.GitHub(), &options{Keys: keys})
		wantErr(t, err, hmacverify.ErrConfig)
	})
	t.Run("to sign what is signed in the body", func(t *testing.T) {
		t.Parallel()
		_, err := hmacverify.NewSigner(preset.AdyenStandard(), nil, "abcd")
		wantErr(t, err, hmacverify.ErrConfig)
	})
}

func TestNew_SchemeChangedAfterwards(t *testing.T) {
	t.Parallel()
	s := preset.PagerDuty()
	v := newVerifier(t, s, nil, testKey)
	h := signed(t, s, nil, ruleBody, testKey)
	s.List.Keys[0], s.Signature[0] = "v9", "Other"
	_, err := v.Verify(h, []byte(ruleBody))
	wantErr(t, err, nil)
}
