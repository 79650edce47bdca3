package main

import (
	"crypto/hmac"
	"path/filepath"
	"strings"
	"testing"
)

// forgeries are signature headers that are not the signature of the body, given
// the signature of another.
func forgeries(other string) []string {
	return []string{
		"", "X-Signature-256:", "X-Signature-256: sha256=", "X-Signature-256: " + other, "X-Signature-256: sha256=" + other,
		"X-Signature-256: sha1=" + other[:40], "X-Signature-256: none", "X-Signature-256: null", "X-Signature-256: true",
		"X-Signature-256: " + strings.Repeat("0", 64), "X-Signature-256: " + strings.Repeat("f", 63),
		"X-Signature-256: " + strings.Repeat("0", 10_000), "X-Signature-256: " + strings.Repeat("sha256=,", 1000),
		"X-Signature-256: \x00", "X-Signature-256: \xff\xfe", "X-Signature-256: ０" + other[1:],
		"X-Signature-256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", // SHA-256 of nothing
		"X-Signature-256 : " + other, " X-Signature-256: " + other, "X_Signature_256: " + other,
		"Cookie: X-Signature-256=" + other, "Authorization: Bearer " + other, "Trailer: X-Signature-256",
		"X-Signature-256: " + other + "\r\nX-Signature-256: " + other,
	}
}

func TestHostile_ForgedSignatures(t *testing.T) {
	t.Parallel()
	eachDatabase(t, forgedSignatures)
}

func forgedSignatures(t *testing.T, dbURL string) {
	h := newHostile(t, dbURL)
	body := callback("evt_1")
	mac := h.sign(body)
	other := h.sign(body + " ")
	headers := append(forgeries(other),
		// What is good but for one digit, or stands twice, is no better.
		"X-Signature-256: "+mac[:63]+string(mac[63]^1), "X-Signature-256: "+string(mac[0]^1)+mac[1:],
		"X-Signature-256: "+mac[:62]+other[62:], "X-Signature-256: "+mac[:16]+other[16:], "X-Signature-256: "+other[:32]+mac[32:],
		"X-Signature-256: "+mac[:63], "X-Signature-256: "+mac+"0", "X-Signature-256: sha256=sha256="+mac,
		"X-Signature-256: "+mac+"\r\nX-Signature-256: "+mac, "X-Signature-256: "+mac[:32],
		"X-Signature-256: sha512="+mac, "X-Signature-256: "+mac+","+mac, "X-Signature: "+mac,
	)
	for _, header := range headers {
		status := h.raw(t, post(body, header))
		checkRefused(t, status)
		if t.Failed() {
			t.Fatalf("with %.200q", header)
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "P\x00ST"} {
		checkRefused(t, h.raw(t, strings.Replace(post(body, "X-Signature-256: "+mac), "POST", method, 1)))
	}
	if got := h.records(t); got != 0 {
		t.Errorf("%d records, want 0", got)
	}
	if got := h.signed(t, body); got != 200 {
		t.Errorf("the authentic delivery was answered %d, want 200", got)
	}
}

// FuzzDelivery: whatever header and body arrive over HTTP, nothing is accepted
// that was not signed, and nothing is answered 500.
func FuzzDelivery(f *testing.F) {
	h := newHostile(f, "sqlite:"+filepath.Join(f.TempDir(), "test.db"))
	for _, header := range forgeries(h.sign("another body")) {
		f.Add(header, callback("evt_1"), false)
	}
	for _, body := range []string{
		"", "{", "null", "[]", "0", `""`, "\x00", "\xff\xfe", "\xef\xbb\xbf{}", `{"eventId":`, `{"eventId":{}}`, `{"eventId":null}`,
		`{"eventId":1e400,"sessionId":"sess_1","status":"verified"}`, `{"eventId":"a","eventId":"b"}`, `{"EVENTID":"a"}`,
		`{"eventId":"\ud800","sessionId":"sess_1","status":"verified"}`, `{"eventId":"\u0000"}`,
		strings.Repeat(`{"eventId":`, 10_000), strings.Repeat("[", 100_000), `{"eventId":"` + strings.Repeat("\\", 9999) + `"}`,
		callback("evt_1") + callback("evt_2"), `{"a":` + strings.Repeat(`{"a":`, 2000) + `1` + strings.Repeat("}", 2001),
	} {
		f.Add("", body, true)
	}
	f.Fuzz(func(t *testing.T, header, body string, signed bool) {
		if strings.Contains(header, "\n") && !strings.Contains(header, "X-Signature-256") {
			t.Skip("another request, not another header")
		}
		if signed {
			header = "X-Signature-256: " + h.sign(body)
		}
		status := h.raw(t, post(body, header))
		authentic := hmac.Equal([]byte(header), []byte("X-Signature-256: "+h.sign(body)))
		if !authentic {
			checkRefused(t, status)
		} else if status == 500 {
			t.Errorf("answered 500: %q", body)
		}
	})
}
