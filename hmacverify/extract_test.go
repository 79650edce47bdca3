package hmacverify_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func mac(newHash func() hash.Hash, key, text string) []byte {
	h := hmac.New(newHash, []byte(key))
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestExtract_TwilioJSON(t *testing.T) {
	t.Parallel()
	s := preset.TwilioJSON()
	const body = `{"a":1}`
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
	for _, tt := range []struct{ name, configured, signed string }{
		{"the digest is the only parameter", "https://a.example/b", "https://a.example/b?bodySHA256="},
		{"the digest comes after the others", "https://a.example/b?c=1", "https://a.example/b?c=1&bodySHA256="},
		{"a digest in the configuration is replaced", "https://a.example/b?bodySHA256=00", "https://a.example/b?bodySHA256="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, s, &hmacverify.Options{URL: tt.configured}, "k")
			h := http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(mac(sha1.New, "k", tt.signed+digest))}}
			_, err := v.Verify(h, []byte(body))
			wantErr(t, err, nil)
			_, err = v.Verify(h, []byte(`{"a":2}`))
			wantErr(t, err, hmacverify.ErrMismatch)
		})
	}
	t.Run("needs a URL", func(t *testing.T) {
		t.Parallel()
		_, err := hmacverify.New(s, nil, "k")
		wantErr(t, err, hmacverify.ErrConfig)
	})
}

const adyenBody = `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"psp","originalReference":"",` +
	`"merchantAccountCode":"shop","merchantReference":"a:b","amount":{"value":1130,"currency":"EUR"},` +
	`"eventCode":"CAPTURE","success":"true","additionalData":{"hmacSignature":"%s"}}}]}`

func TestExtract_AdyenStandard(t *testing.T) {
	t.Parallel()
	key := hex.EncodeToString([]byte("k"))
	v := newVerifier(t, preset.AdyenStandard(), nil, key)
	signature := base64.StdEncoding.EncodeToString(mac(sha256.New, "k", "psp::shop:a:b:1130:EUR:CAPTURE:true"))
	good := fmt.Sprintf(adyenBody, signature)
	d, err := v.Verify(nil, []byte(good))
	if wantErr(t, err, nil); d.ID != "psp::CAPTURE:true" || !d.IDSigned || d.EventType() != "CAPTURE" {
		t.Errorf("got %v, type %q", d, d.EventType())
	}
	for _, tt := range []struct {
		name, old, new string
		want           error
	}{
		{"another amount", "1130", "9999", hmacverify.ErrMismatch},
		{"another outcome", `"success":"true"`, `"success":"false"`, hmacverify.ErrMismatch},
		{"no signature", signature, "", hmacverify.ErrMalformed},
		{"a second item, which nothing signs", `}}]}`, `}},{}]}`, hmacverify.ErrMalformed},
		{"no item", good, `{"notificationItems":[]}`, hmacverify.ErrMalformed},
		{"no reference", `"psp"`, `""`, hmacverify.ErrMalformed},
		{"a colon in what the ID is made of", `"pspReference":"psp","originalReference":""`, `"pspReference":"psp:","originalReference":"x"`, hmacverify.ErrMalformed},
		{"what is not JSON", good, `x`, hmacverify.ErrMalformed},
		{"what comes after", `}}]}`, `}}]}{}`, hmacverify.ErrMalformed},
		{"a name that is there twice", `"eventCode"`, `"eventCode":"REFUND","eventCode"`, hmacverify.ErrMalformed},
		{"a name in another case", `"eventCode"`, `"EventCode":"REFUND","eventCode"`, hmacverify.ErrMalformed},
		{"a name in another case alone", `"eventCode"`, `"EVENTCODE"`, hmacverify.ErrMalformed},
		{"a second amount", `"amount"`, `"amount":{"value":1,"currency":"EUR"},"amount"`, hmacverify.ErrMalformed},
		{"a second value", `"value"`, `"value":1,"value"`, hmacverify.ErrMalformed},
		{"a second list", `"notificationItems"`, `"notificationitems":[],"notificationItems"`, hmacverify.ErrMalformed},
		{"a currency with what the value should have", `"a:b","amount":{"value":1130,"currency":"EUR"}`,
			`"a","amount":{"value":1,"currency":"130:EUR"}`, hmacverify.ErrMalformed},
		{"an account with what the reference should have", `"merchantAccountCode":"shop","merchantReference":"a:b"`,
			`"merchantAccountCode":"shop:a","merchantReference":"b"`, hmacverify.ErrMalformed},
	} {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(nil, []byte(strings.Replace(good, tt.old, tt.new, 1)))
			wantErr(t, err, tt.want)
		})
	}
}

// The items are counted before any signature was verified.
func TestExtract_AdyenManyItems(t *testing.T) {
	v := newVerifier(t, preset.AdyenStandard(), nil, "6b")
	body := []byte(`{"notificationItems":[{}` + strings.Repeat(",{}", 300_000) + `]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := v.Verify(nil, body)
	runtime.ReadMemStats(&after)
	wantErr(t, err, hmacverify.ErrMalformed)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
		t.Errorf("%d bytes allocated for a body of %d", allocated, len(body))
	}
}

// An ExtractFunc that finds no time must not turn the tolerance off in silence.
func TestExtract_ToleranceWithoutTimestamp(t *testing.T) {
	t.Parallel()
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(`{}`)))
	sum := mac(sha1.New, "k", "https://a.example/b?bodySHA256="+digest)
	h := http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(sum)}}
	v := newVerifier(t, preset.TwilioJSON(), &hmacverify.Options{URL: "https://a.example/b", Tolerance: time.Minute}, "k")
	_, err := v.Verify(h, []byte(`{}`))
	wantErr(t, err, hmacverify.ErrMissing)
}

func TestExtract_Mailgun(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.MailgunUnsignedBody(), testOptions(), "k")
	event := func(timestamp, token, sum string) []byte {
		return fmt.Appendf(nil, `{"signature":{"timestamp":"%s","token":"%s","signature":"%s"},"event-data":{"event":"opened"}}`,
			timestamp, token, sum)
	}
	now := fmt.Sprint(testNow.Unix())
	good := hex.EncodeToString(mac(sha256.New, "k", now+"1token"))
	d, err := v.Verify(nil, event(now, "1token", good))
	if wantErr(t, err, nil); d.ID != "1token" || d.EventType() != "opened" {
		t.Errorf("got %v", d)
	}
	for _, tt := range []struct {
		name, timestamp, token string
		want                   error
	}{
		{"another token", now, "2token", hmacverify.ErrMismatch},
		{"the same bytes cut in another place", now + "1", "token", hmacverify.ErrTimestamp},
		{"no token", now, "", hmacverify.ErrMalformed},
		{"no timestamp", "", "1token", hmacverify.ErrMalformed},
	} {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(nil, event(tt.timestamp, tt.token, good))
			wantErr(t, err, tt.want)
		})
	}
}

func TestExtract_Error(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := hmacverify.Scheme{
		Name: "acme", Signature: []string{"Sig"},
		Extract: func(hmacverify.Received) (hmacverify.Extracted, error) {
			return hmacverify.Extracted{}, broken
		},
	}
	_, err := newVerifier(t, s, nil, "k").Verify(http.Header{"Sig": {strings.Repeat("0", 64)}}, nil)
	wantErr(t, err, hmacverify.ErrMalformed)
	wantErr(t, err, broken)
}

func TestVerifier_FormFields(t *testing.T) {
	t.Parallel()
	s := preset.Twilio()
	v := newVerifier(t, s, &hmacverify.Options{URL: "https://a.example/b"}, "k")
	for _, tt := range []struct{ name, body, fields string }{
		{"are sorted by name", "b=2&a=1&B=3", "B3a1b2"},
		{"are unescaped", "a=%2B1+2", "a+1 2"},
		{"may be empty", "a=&b", "ab"},
		{"are sorted by value where a name repeats, each pair once", "a=2&a=1&a=2", "a1a2"},
		{"may be none", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sum := mac(sha1.New, "k", "https://a.example/b"+tt.fields)
			_, err := v.Verify(http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(sum)}}, []byte(tt.body))
			wantErr(t, err, nil)
		})
	}
	some := http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(make([]byte, 20))}}
	many := strings.Builder{}
	for i := range 1001 {
		fmt.Fprintf(&many, "f%d=&", i)
	}
	for _, body := range []string{"a=%zz", many.String()} {
		_, err := v.Verify(some, []byte(body))
		wantErr(t, err, hmacverify.ErrMalformed)
	}
}

// An ID that is too long for a key is treated as absent, wherever it was found.
func TestExtract_LongID(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]error{255: nil, 256: hmacverify.ErrNoIdentity} {
		s := hmacverify.Scheme{
			Name: "acme", Signature: []string{"Sig"}, Identity: hmacverify.SignedID,
			Extract: func(r hmacverify.Received) (hmacverify.Extracted, error) {
				return hmacverify.Extracted{Signed: r.Body, ID: strings.Repeat("x", length)}, nil
			},
		}
		d, err := newVerifier(t, s, nil, "k").Verify(signed(t, s, nil, ruleBody, "k"), []byte(ruleBody))
		wantErr(t, err, nil)
		_, err = d.IdempotencyID()
		wantErr(t, err, want)
	}
}

// Mercado Pago signs a parameter that it adds to the URL, another header and the time
// in the signature's list; not the body.
func mercadoPago() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "mercado-pago", Signature: []string{"X-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}, Single: true},
		Signed:    "{timestamp}{header:X-Request-Id}",
		Timestamp: hmacverify.Timestamp{ListKey: "ts", Unit: hmacverify.Milliseconds},
		Identity:  hmacverify.SignedID,
		Extract: func(r hmacverify.Received) (hmacverify.Extracted, error) {
			query, err := url.ParseQuery(r.Query)
			id := query.Get("data.id")
			if err != nil || id == "" || strings.Contains(id, ";") {
				return hmacverify.Extracted{}, errors.New("no data.id in the query")
			}
			signed := fmt.Sprintf("id:%s;request-id:%s;ts:%s;", strings.ToLower(id), r.Header.Get("X-Request-Id"), r.Timestamp)
			return hmacverify.Extracted{Signed: []byte(signed), ID: id}, nil
		},
	}
}

func TestExtract_QueryAndList(t *testing.T) {
	t.Parallel()
	s := mercadoPago()
	v := newVerifier(t, s, testOptions(), testKey)
	signature := func(at time.Time) string {
		text := fmt.Sprintf("id:1a;request-id:r;ts:%d;", at.UnixMilli())
		return fmt.Sprintf("ts=%d,v1=%x", at.UnixMilli(), mac(sha256.New, testKey, text))
	}
	good := http.Header{"X-Request-Id": {"r"}, "X-Signature": {signature(testNow)}}
	d, err := v.Check(post(good, "/hooks?data.id=1A&type=payment", "{}"))
	if wantErr(t, err, nil); err == nil && (d.ID != "1A" || !d.IDSigned || !d.Time.Equal(testNow)) {
		t.Errorf("got %v, %v", d, d.Time)
	}
	for _, tt := range []struct {
		name, target string
		header       http.Header
		want         error
	}{
		{"another parameter", "/hooks?data.id=1B", good, hmacverify.ErrMismatch},
		{"no parameter", "/hooks", good, hmacverify.ErrMalformed},
		{"no header that is signed", "/hooks?data.id=1A", http.Header{"X-Signature": good["X-Signature"]}, hmacverify.ErrMissing},
		{"an old list", "/hooks?data.id=1A", http.Header{"X-Request-Id": {"r"}, "X-Signature": {signature(testNow.Add(-time.Hour))}}, hmacverify.ErrTimestamp},
		{"no time in the list", "/hooks?data.id=1A", http.Header{"X-Request-Id": {"r"}, "X-Signature": {"v1=" + strings.Repeat("0", 64)}}, hmacverify.ErrMalformed},
	} {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := v.Check(post(tt.header, tt.target, "{}"))
			wantErr(t, err, tt.want)
		})
	}
	t.Run("Sign writes the list with its timestamp", func(t *testing.T) {
		t.Parallel()
		signer, err := hmacverify.NewSigner(s, testOptions(), testKey, "other")
		if err != nil {
			t.Fatal(err)
		}
		r, err := signer.NewRequest(t.Context(), "http://localhost/?data.id=2", http.Header{"X-Request-Id": {"r"}}, nil)
		wantErr(t, err, nil)
		if n := strings.Count(r.Header.Get("X-Signature"), "v1="); n != 1 {
			t.Errorf("a list that holds one signature has %d", n)
		}
		_, err = v.Check(r)
		wantErr(t, err, nil)
	})
}

// What an ExtractFunc's bytes cover is the scheme's word, in Signed; then ID, time and
// digest are those of any other scheme.
func TestExtract_OwnPartsOfTheScheme(t *testing.T) {
	t.Parallel()
	digest := func(r hmacverify.Received) (hmacverify.Extracted, error) {
		sum := sha256.Sum256(r.Body)
		return hmacverify.Extracted{Signed: fmt.Appendf(nil, "%s\n%s\n%s\n%x", r.Method, r.URL, r.Header.Get("Id"), sum)}, nil
	}
	body := fmt.Sprintf(`{"id":"evt_1","at":%d}`, testNow.Unix())
	for _, tt := range []struct {
		name   string
		change func(*hmacverify.Scheme)
		want   string
	}{
		{"an ID in the body", func(s *hmacverify.Scheme) { s.ID.JSON, s.Identity = "id", hmacverify.SignedID }, "acme evt_1"},
		{"an ID in a header", func(s *hmacverify.Scheme) {
			s.Signed, s.ID.Header, s.Identity = "{url}{id}{body}", "Id", hmacverify.SignedID
		}, "acme h1"},
		{"the digest", func(s *hmacverify.Scheme) { s.Identity = hmacverify.BodyDigest }, fmt.Sprintf("acme sha256:%x", sha256.Sum256([]byte(body)))},
		{"a time in the body", func(s *hmacverify.Scheme) {
			s.Timestamp.JSON, s.ID.JSON, s.Identity = "at", "id", hmacverify.SignedID
		}, "acme evt_1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Signed: "{method}{url}{body}", Extract: digest}
			tt.change(&s)
			h := signed(t, s, http.Header{"Id": {"h1"}}, body, testKey)
			d := verify(t, s, h, body)
			if got := identityOf(t, d); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if s.Timestamp.JSON != "" && !d.Time.Equal(testNow) {
				t.Errorf("got time %v, want %v", d.Time, testNow)
			}
		})
	}
	t.Run("a Signer does not drop a time that the function found", func(t *testing.T) {
		t.Parallel()
		s := hmacverify.Scheme{
			Name: "acme", Signature: []string{"Sig"}, List: hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
			Extract: func(r hmacverify.Received) (hmacverify.Extracted, error) {
				return hmacverify.Extracted{Signed: r.Body, Timestamp: "1"}, nil
			},
		}
		signer, err := hmacverify.NewSigner(s, nil, testKey)
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, signer.Sign(http.Header{}, nil), hmacverify.ErrConfig)
	})
}

// A byte order mark is signed with the body, and is not a part of its JSON.
func TestVerifier_ByteOrderMark(t *testing.T) {
	t.Parallel()
	const mark = "\xEF\xBB\xBF"
	own := preset.XSignature256()
	own.JSONObject = true
	own.Type.JSON = "a.type"
	for _, body := range []string{mark + `{"a":{"type":"x"},"eventId":"evt_1"}`, mark + " \n" + `{"a":{"type":"x"},"eventId":"evt_1"}`} {
		d := verify(t, own, signed(t, own, nil, body, testKey), body)
		if got := identityOf(t, d); got != "x-signature-256 evt_1" || d.EventType() != "x" || string(d.Body) != body {
			t.Errorf("got %q of type %q", got, d.EventType())
		}
	}
	adyen := fmt.Sprintf(adyenBody, base64.StdEncoding.EncodeToString(mac(sha256.New, "k", "psp::shop:a:b:1130:EUR:CAPTURE:true")))
	_, err := newVerifier(t, preset.AdyenStandard(), nil, hex.EncodeToString([]byte("k"))).Verify(nil, []byte(mark+adyen))
	wantErr(t, err, nil)
}
