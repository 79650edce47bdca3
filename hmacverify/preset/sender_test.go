package preset_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// abouts are what Fact.About may be.
var abouts = []string{
	"", "signature", "identity", "waits", "retries", "retry time", "responses", "limits", "setup", "items", "batch",
}

func TestPreset_Sender(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			checkSender(t, s)
			checkRetries(t, s.Sender)
			checkFacts(t, s.Sender)
		})
	}
}

func checkSender(t *testing.T, s hmacverify.Scheme) {
	own := []string{"x-signature-256", "x-signature-256-timestamp", "anthropic"} // no page of theirs is known
	d := s.Sender
	if d.Title == "" {
		t.Error("has no Title")
	}
	if u, err := url.Parse(d.Docs); !slices.Contains(own, s.Name) && (err != nil || u.Scheme != "https" || u.Host == "") {
		t.Errorf("Docs is %q, want an address", d.Docs)
	}
	if d.Waits < 0 || d.Waits > 2*time.Minute {
		t.Errorf("waits for %v", d.Waits)
	}
	if d.MaxBody != 0 && (d.MaxBody < 64<<10 || d.MaxBody > 1<<30) {
		t.Errorf("MaxBody is %d", d.MaxBody)
	}
	for _, code := range d.Success {
		if code < 200 || code > 299 {
			t.Errorf("success is %d", code)
		}
	}
	conflict := strings.HasPrefix(s.Name, "x-signature-256")
	replay := slices.Contains([]string{"supabase", "discord", "twilio", "twilio-json", "plivo"}, s.Name)
	want := hmacverify.Acknowledge
	switch {
	case conflict:
		want = hmacverify.Conflict
	case replay:
		want = hmacverify.Replay
	}
	if d.Duplicate != want {
		t.Errorf("Duplicate is %d, want %d", d.Duplicate, want)
	}
}

func checkRetries(t *testing.T, d hmacverify.Sender) {
	switch d.Retries {
	case hmacverify.RetriesNone, hmacverify.RetriesUnknown:
		if d.RetryWindow != 0 {
			t.Errorf("does not retry, or it is not known, within %v", d.RetryWindow)
		}
	case hmacverify.RetriesSome:
		if d.RetrySchedule == "" {
			t.Error("retries some failures and does not say which")
		}
	}
	if d.RetryWindow < 0 || d.RetryWindow > 60*24*time.Hour {
		t.Errorf("retries for %v", d.RetryWindow)
	}
	if d.Waits > d.RetryWindow && d.RetryWindow != 0 {
		t.Errorf("waits for %v and retries for %v", d.Waits, d.RetryWindow)
	}
}

// checkFacts wants a source, a place and a date for each fact, and a fact for what
// is said of signature and retries.
func checkFacts(t *testing.T, d hmacverify.Sender) {
	date := regexp.MustCompile(`^20[0-9]{2}(-(0[1-9]|1[0-2]))?$`)
	about := map[string]bool{}
	for _, f := range d.Facts {
		if f.Source == hmacverify.SourceUnknown || f.Where == "" || !date.MatchString(f.Read) {
			t.Errorf("a fact has no source, place or date: %+v", f)
		}
		if !slices.Contains(abouts, f.About) {
			t.Errorf("About is %q", f.About)
		}
		if f.Source == hmacverify.SourceVector && f.About != "signature" {
			t.Errorf("a vector is about the signature, not %q", f.About)
		}
		about[f.About] = true
	}
	if !about[""] && !about["signature"] {
		t.Error("does not say how the signature is known")
	}
	if !about[""] && !about["retries"] && (d.Retries != hmacverify.RetriesUnknown || d.Waits != 0) {
		t.Error("does not say how the retries are known")
	}
	if !about[""] && !about["retry time"] && d.RetryTime != hmacverify.RetryTimeUnknown {
		t.Error("does not say how the time of retries is known")
	}
}

// The vectors that the facts claim are in testdata.
func TestPreset_VectorFacts(t *testing.T) {
	t.Parallel()
	verified := map[string]bool{}
	for _, v := range readVectors(t) {
		if v.Valid && v.Kind == "published" && v.want() == nil {
			verified[v.scheme(t).Name] = true
		}
	}
	verified["stripe-identity"] = verified["stripe"]
	for _, s := range preset.All() {
		claims := slices.ContainsFunc(s.Sender.Facts, func(f hmacverify.Fact) bool { return f.Source == hmacverify.SourceVector })
		if claims && !verified[s.Name] {
			t.Errorf("%s claims a vector that testdata does not have", s.Name)
		}
	}
}

// A retry that carries the first time must be within the tolerance until the last
// one, or an outage of a few minutes loses events.
func TestPreset_ToleranceCoversRetries(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		d, tolerance := s.Sender, s.Timestamp.Tolerance
		if d.RetryTime == hmacverify.RetryTimeFirst && d.RetryWindow == 0 {
			t.Errorf("%s: retries carry the first time, for how long is not said", s.Name)
		}
		if d.RetryTime != hmacverify.RetryTimeNew && 0 < tolerance && tolerance < d.RetryWindow {
			t.Errorf("%s: the tolerance is %v, shorter than retries for %v", s.Name, tolerance, d.RetryWindow)
		}
	}
}

// The same, by a delivery: the last retry of Linear's is verified, a later one is
// not.
func TestLinear_Retry(t *testing.T) {
	t.Parallel()
	s := preset.Linear()
	v := newVerifier(t, s, testOptions(), testKey)
	for _, tt := range []struct {
		name string
		age  time.Duration
		want error
	}{
		{"the last retry is verified", s.Sender.RetryWindow, nil},
		{"what no retry is, is refused", s.Sender.RetryWindow + time.Hour, hmacverify.ErrTimestamp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf(`{"type":"Issue","webhookTimestamp":%d}`, testNow.Add(-tt.age).UnixMilli())
			_, err := v.Verify(signed(t, s, nil, body, testKey), []byte(body))
			wantErr(t, err, tt.want)
		})
	}
}

func TestMailgunUnsignedBody_Retry(t *testing.T) {
	t.Parallel()
	s := preset.MailgunUnsignedBody()
	v := newVerifier(t, s, testOptions(), testKey)
	for _, tt := range []struct {
		name string
		age  time.Duration
		want error
	}{
		{"the last retry is verified", s.Sender.RetryWindow, nil},
		{"what no retry is, is refused", s.Sender.RetryWindow + time.Hour, hmacverify.ErrTimestamp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := fmt.Sprint(testNow.Add(-tt.age).Unix())
			mac := hmac.New(sha256.New, []byte(testKey))
			mac.Write([]byte(at + "token"))
			body := fmt.Sprintf(`{"signature":{"timestamp":%q,"token":"token","signature":"%x"},"event-data":{"event":"opened"}}`, at, mac.Sum(nil))
			d, err := v.Verify(http.Header{}, []byte(body))
			wantErr(t, err, tt.want)
			if err == nil && (d.ID != "token" || d.EventType() != "opened") {
				t.Errorf("got %q, %q", d.ID, d.EventType())
			}
		})
	}
}

func TestPreset_New(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		key, _ := keyPair(s)
		if _, err := hmacverify.New(s, testOptions(), key); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if _, err := hmacverify.New(s, testOptions()); !errors.Is(err, hmacverify.ErrConfig) {
			t.Errorf("%s without a key: got %v, want ErrConfig", s.Name, err)
		}
	}
}
