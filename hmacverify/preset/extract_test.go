package preset_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// mac signs a text with the key of the tests.
func mac(text string) string {
	h := hmac.New(sha256.New, []byte(testKey))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// cdpHeader returns the headers of a delivery of the Coinbase Developer Platform,
// as the code on its page signs them.
func cdpHeader(at time.Time, body string) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("X-Event-Type", "payments.transfers.completed")
	t := fmt.Sprint(at.Unix())
	signature := mac(t + ".content-type x-event-type.application/json.payments.transfers.completed." + body)
	h.Set("X-Hook0-Signature", "t="+t+",v0="+mac("v0")+",h=content-type x-event-type,v1="+signature)
	return h
}

func TestCoinbaseCDP(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.CoinbaseCDP(), testOptions(), testKey)
	const body = `{"id":"evt_1","note":"a.{b"}`
	for _, tt := range []struct {
		name   string
		change func(h http.Header) (changed string)
		want   error
	}{
		{"a delivery is verified", func(http.Header) string { return body }, nil},
		{"another body is refused", func(http.Header) string { return body + " " }, hmacverify.ErrMismatch},
		{"another value of a signed header is refused", func(h http.Header) string {
			h.Set("X-Event-Type", "payments.transfers.failed")
			return body
		}, hmacverify.ErrMismatch},
		{"a missing signed header is refused", func(h http.Header) string {
			h.Del("X-Event-Type")
			return body
		}, hmacverify.ErrMalformed},
		{"the start of the body cannot move into a header", func(h http.Header) string {
			before, after, _ := strings.Cut(body, ".")
			h.Set("X-Event-Type", h.Get("X-Event-Type")+"."+before)
			return after
		}, hmacverify.ErrMalformed},
		{"the end of a header cannot move into the body", func(h http.Header) string {
			h.Set("X-Event-Type", "payments.transfers")
			return "completed." + body
		}, hmacverify.ErrMalformed},
		{"fewer signed headers are refused", func(h http.Header) string {
			h.Set("X-Hook0-Signature", strings.Replace(h.Get("X-Hook0-Signature"), " x-event-type", "", 1))
			return body
		}, hmacverify.ErrMismatch},
		{"two times are refused", func(h http.Header) string {
			h.Set("X-Hook0-Signature", h.Get("X-Hook0-Signature")+",t=1")
			return body
		}, hmacverify.ErrMalformed},
		{"without a time it is refused", func(h http.Header) string {
			_, rest, _ := strings.Cut(h.Get("X-Hook0-Signature"), ",")
			h.Set("X-Hook0-Signature", rest)
			return body
		}, hmacverify.ErrMalformed},
		{"without the header it is refused", func(h http.Header) string {
			h.Del("X-Hook0-Signature")
			return body
		}, hmacverify.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := cdpHeader(testNow, body)
			_, err := v.Verify(h, []byte(tt.change(h)))
			wantErr(t, err, tt.want)
		})
	}
	t.Run("an old delivery is refused", func(t *testing.T) {
		t.Parallel()
		_, err := v.Verify(cdpHeader(testNow.Add(-time.Hour), body), []byte(body))
		wantErr(t, err, hmacverify.ErrTimestamp)
	})
}

func TestMercadoPagoUnsignedBody(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.MercadoPagoUnsignedBody(), testOptions(), testKey)
	for _, tt := range []struct {
		name, manifest, ts, requestID, query, body string
		want                                       error
	}{
		{"seconds", "id:ab1;request-id:r;ts:1;", "1", "r", "data.id=AB1&type=payment", `{"data":{"id":"AB1"}}`, nil},
		{"milliseconds", "id:1;request-id:r;ts:1742505638683;", "1742505638683", "r", "", `{"data":{"id":"1"}}`, nil},
		{"a number as ID", "id:1;request-id:r;ts:1;", "1", "r", "data.id=1", `{"data":{"id":1}}`, nil},
		{"without a request ID", "id:1;ts:1;", "1", "", "", `{"data":{"id":"1"}}`, nil},
		{"another ID", "id:1;ts:1;", "1", "", "", `{"data":{"id":"2"}}`, hmacverify.ErrMismatch},
		{"another time", "id:1;ts:1;", "2", "", "", `{"data":{"id":"1"}}`, hmacverify.ErrMismatch},
		{"the URL's ID is another", "id:1;ts:1;", "1", "", "data.id=2", `{"data":{"id":"1"}}`, hmacverify.ErrMalformed},
		{"two IDs in the URL", "id:1;ts:1;", "1", "", "data.id=1&data.id=1", `{"data":{"id":"1"}}`, hmacverify.ErrMalformed},
		{"two IDs in the body", "id:1;ts:1;", "1", "", "", `{"data":{"id":"1","ID":"2"}}`, hmacverify.ErrMalformed},
		{"a request ID in the ID", "id:1;request-id:r;ts:1;", "1", "", "", `{"data":{"id":"1;request-id:r"}}`, hmacverify.ErrMalformed},
		{"no ID", "id:;ts:1;", "1", "", "", `{"data":{}}`, hmacverify.ErrMalformed},
		{"no JSON", "id:1;ts:1;", "1", "", "", `id=1`, hmacverify.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/hooks?"+tt.query, strings.NewReader(tt.body))
			r.Header.Set("X-Signature", "ts="+tt.ts+",v1="+mac(tt.manifest))
			if tt.requestID != "" {
				r.Header.Set("X-Request-Id", tt.requestID)
			}
			_, err := v.Check(r)
			wantErr(t, err, tt.want)
		})
	}
	t.Run("errors do not quote the body", func(t *testing.T) {
		t.Parallel()
		h := http.Header{"X-Signature": {"ts=1,v1=" + mac("")}}
		if _, err := v.Verify(h, []byte(`{"data":"secret`)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	})
}

// A payment that fails and then succeeds under one pspReference is two events:
// Adyen/adyen-commercetools#1324.
func TestAdyenStandard_Identity(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.AdyenStandard(), testOptions(), testKey)
	key, _ := hex.DecodeString(testKey)
	id := func(original, event, success string) string {
		h := hmac.New(sha256.New, key)
		h.Write([]byte("P:" + original + ":M:R:100:EUR:" + event + ":" + success))
		d, err := v.Verify(http.Header{}, fmt.Appendf(nil, `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"P",`+
			`"originalReference":%q,"merchantAccountCode":"M","merchantReference":"R","amount":{"value":100,"currency":"EUR"},`+
			`"eventCode":%q,"success":%q,"additionalData":{"hmacSignature":%q}}}]}`,
			original, event, success, base64.StdEncoding.EncodeToString(h.Sum(nil))))
		if err != nil {
			t.Fatal(err)
		}
		return identityOf(t, d)
	}
	failed := id("", "AUTHORISATION", "false")
	if again := id("", "AUTHORISATION", "false"); again != failed {
		t.Errorf("a duplicate: got %q, want %q", again, failed)
	}
	for _, other := range []string{
		id("", "AUTHORISATION", "true"), id("", "CAPTURE", "false"), id("O", "AUTHORISATION", "false"),
	} {
		if other == failed {
			t.Errorf("another event has the identity %q too", other)
		}
	}
}

// What the sender writes, and what a Signer of ours would not.
func TestPreset_AsWritten(t *testing.T) {
	t.Parallel()
	const body, old = `{"id":"evt_1"}`, "0000000000000000000000000000000000000000000000000000000000000000"
	at := fmt.Sprint(testNow.Unix())
	for _, tt := range []struct {
		name   string
		scheme hmacverify.Scheme
		header map[string]string
	}{
		{"Synctera's two signatures", preset.Synctera(), map[string]string{
			"Request-Timestamp": at, "Synctera-Signature": old + "." + mac(at+"."+body),
		}},
		{"Mollie's two signatures, joined", preset.Mollie(), map[string]string{
			"X-Mollie-Signature": "sha256=" + old + ", sha256=" + mac(body),
		}},
		{"Bridge's capitals", preset.BridgeAPI(), map[string]string{
			"BridgeApi-Signature": "v2=" + old + ",v1=" + strings.ToUpper(mac(body)),
		}},
		{"Orb's time with a fraction", preset.Orb(), map[string]string{
			"X-Orb-Timestamp": "2026-11-23T12:00:00.123456", "X-Orb-Signature": "v1=" + mac("v1:2026-11-23T12:00:00.123456:"+body),
		}},
		{"EasyPost's time", preset.EasyPostV2(), map[string]string{
			"X-Timestamp": "Mon, 23 Nov 2026 12:00:00 -0000", "X-Path": "/hooks",
			"X-Hmac-Signature-V2": "hmac-sha256-hex=" + mac("Mon, 23 Nov 2026 12:00:00 -0000POST/hooks"+body),
		}},
		{"Revolut's two signatures", preset.Revolut(), map[string]string{
			"Revolut-Request-Timestamp": at + "000", "Revolut-Signature": "v1=" + old + ",v1=" + mac("v1."+at+"000."+body),
		}},
		{"Recharge's retry after a day", preset.Recharge(), map[string]string{
			"X-Recharge-Webhook-Signature": fmt.Sprintf("t=%d,v1=%s", testNow.Unix()-86400, mac(fmt.Sprintf("%d.%s", testNow.Unix()-86400, body))),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for name, value := range tt.header {
				h.Set(name, value)
			}
			v := newVerifier(t, tt.scheme, testOptions(), testKey)
			if _, err := v.Verify(h, []byte(body)); err != nil {
				t.Error(err)
			}
			if _, err := v.Verify(h, []byte(body+" ")); !errors.Is(err, hmacverify.ErrMismatch) {
				t.Errorf("an altered body: got %v, want ErrMismatch", err)
			}
		})
	}
}

// Lob's page does not name the unit, and a wrong guess would lose every event.
func TestLob_UnitOfTime(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1"}`
	v := newVerifier(t, preset.Lob(), testOptions(), testKey)
	for _, at := range []string{fmt.Sprint(testNow.Unix()), fmt.Sprint(testNow.UnixMilli())} {
		h := http.Header{"Lob-Signature-Timestamp": {at}, "Lob-Signature": {mac(at + "." + body)}}
		if _, err := v.Verify(h, []byte(body)); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
}
