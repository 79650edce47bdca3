package hmacverify_test

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// Each rule prevents a defect that a well-known library has or had.

const ruleBody = `{"id":"evt_1"}`

func TestVerifier_Timestamp(t *testing.T) {
	t.Parallel()
	s := anySender(preset.Slack())
	v := newVerifier(t, s, testOptions(), testKey)
	at := func(timestamp string) http.Header {
		return signed(t, s, http.Header{"X-Slack-Request-Timestamp": {timestamp}}, ruleBody, testKey)
	}
	now := testNow.Unix()
	for _, tt := range []struct {
		name, timestamp string
		want            error
	}{
		{"the window includes its older edge", fmt.Sprint(now - 300), nil},
		{"the window includes its newer edge", fmt.Sprint(now + 300), nil},
		{"a second older than the window is refused", fmt.Sprint(now - 301), hmacverify.ErrTimestamp},
		{"a second newer than the window is refused", fmt.Sprint(now + 301), hmacverify.ErrTimestamp},
		{"ten years ahead is refused", fmt.Sprint(now + 315360000), hmacverify.ErrTimestamp},
		{"a signed plus sign is refused", fmt.Sprintf("+%d", now), hmacverify.ErrTimestamp},
		{"a signed leading zero is refused", fmt.Sprintf("0%d", now), hmacverify.ErrTimestamp},
		{"a signed space is refused", fmt.Sprintf(" %d", now), hmacverify.ErrTimestamp},
		{"a signed fraction is refused", fmt.Sprintf("%d.0", now), hmacverify.ErrTimestamp},
		{"a negative time is refused", "-1", hmacverify.ErrTimestamp},
		{"1<<62 does not overflow the window", strconv.Itoa(1 << 62), hmacverify.ErrTimestamp},
		{"the largest int64 does not overflow the window", strconv.Itoa(math.MaxInt64), hmacverify.ErrTimestamp},
		{"the most digits that parse do not overflow the window", strings.Repeat("9", 15), hmacverify.ErrTimestamp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(at(tt.timestamp), []byte(ruleBody))
			wantErr(t, err, tt.want)
		})
	}
	t.Run("a timestamp that the scheme has is mandatory", func(t *testing.T) {
		t.Parallel()
		h := at(fmt.Sprint(now))
		h.Del("X-Slack-Request-Timestamp")
		_, err := v.Verify(h, []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrMissing)
	})
	t.Run("the timestamp is signed as it was received, not as it was parsed", func(t *testing.T) {
		t.Parallel()
		box := anySender(preset.Box())
		const offset = "2026-11-23T13:00:00+01:00"
		h := signed(t, box, http.Header{"Box-Delivery-Timestamp": {offset}}, ruleBody, testKey)
		d, err := newVerifier(t, box, testOptions(), testKey).Verify(h, []byte(ruleBody))
		wantErr(t, err, nil)
		if !d.Time.Equal(testNow) {
			t.Errorf("got %v, want %v", d.Time, testNow)
		}
		h.Set("Box-Delivery-Timestamp", "2026-11-23T12:00:00Z")
		_, err = newVerifier(t, box, testOptions(), testKey).Verify(h, []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrMismatch)
	})
	t.Run("a delivery from a queue is compared with the time of its receipt", func(t *testing.T) {
		t.Parallel()
		h := at(fmt.Sprint(now - 3600))
		_, err := v.VerifyAt(testNow.Add(-time.Hour), h, []byte(ruleBody))
		wantErr(t, err, nil)
		_, err = v.Verify(h, []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrTimestamp)
	})
	t.Run("no length of digits overflows where any time is accepted", func(t *testing.T) {
		t.Parallel()
		sanity := preset.Sanity()
		v := newVerifier(t, sanity, nil, testKey)
		for _, digits := range []string{strings.Repeat("9", 16), strconv.Itoa(math.MaxInt64), strings.Repeat("9", 40)} {
			h := http.Header{"Sanity-Webhook-Signature": {"t=" + digits + ",v1=" + strings.Repeat("A", 43)}}
			_, err := v.Verify(h, []byte(ruleBody))
			wantErr(t, err, hmacverify.ErrTimestamp)
		}
	})
	t.Run("the tolerance can be set", func(t *testing.T) {
		t.Parallel()
		o := testOptions()
		o.Tolerance = time.Minute
		_, err := newVerifier(t, s, o, testKey).Verify(at(fmt.Sprint(now-61)), []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrTimestamp)
	})
	t.Run("a time in the body is checked after the signature", func(t *testing.T) {
		t.Parallel()
		linear := anySender(preset.Linear())
		linear.Timestamp.Tolerance = time.Minute
		v := newVerifier(t, linear, testOptions(), testKey)
		stale := fmt.Sprintf(`{"webhookTimestamp":%d}`, testNow.Add(-61*time.Second).UnixMilli())
		_, err := v.Verify(signed(t, linear, nil, stale, testKey), []byte(stale))
		wantErr(t, err, hmacverify.ErrTimestamp)
		_, err = v.Verify(signed(t, linear, nil, stale, testKey), []byte(stale+" "))
		wantErr(t, err, hmacverify.ErrMismatch)
		_, err = v.Verify(signed(t, linear, nil, `{}`, testKey), []byte(`{}`))
		wantErr(t, err, hmacverify.ErrMissing)
	})
}

func TestVerifier_Candidates(t *testing.T) {
	t.Parallel()
	s := preset.Stripe()
	v := newVerifier(t, s, testOptions(), testKey)
	header := signed(t, s, nil, ruleBody, testKey).Get("Stripe-Signature")
	stamp, good, _ := strings.Cut(header, ",")
	mac := strings.TrimPrefix(good, "v1=")
	for _, tt := range []struct {
		name, header string
		want         error
	}{
		{"one signature is accepted", header, nil},
		{"spaces around entries are ignored", stamp + " , " + good, nil},
		{"the hex may be upper case", stamp + ",v1=" + strings.ToUpper(mac), nil},
		{"a bad candidate before a good one does not sink it", stamp + ",v1=zz," + good, nil},
		{"a bad candidate after a good one does not sink it", stamp + "," + good + ",v1=zz", nil},
		{"an entry without a value does not sink a good one", stamp + ",v1," + good, nil},
		{"a wrong candidate before a good one does not sink it", stamp + ",v1=" + strings.Repeat("0", 64) + "," + good, nil},
		{"unknown versions are skipped", stamp + ",v0=ab," + good + ",v9=cd", nil},
		{"an unknown version is no signature", stamp + ",v9=" + mac, hmacverify.ErrMalformed},
		{"a prefix of the signature is no signature", stamp + ",v1=" + mac[:32], hmacverify.ErrMalformed},
		{"an empty signature is no signature", stamp + ",v1=", hmacverify.ErrMalformed},
		{"more than the signature is no signature", stamp + ",v1=" + mac + "00", hmacverify.ErrMalformed},
		{"much more than a signature is no signature", stamp + ",v1=" + strings.Repeat(mac, 50), hmacverify.ErrMalformed},
		{"a wrong last byte is refused", stamp + ",v1=" + flipLast(mac), hmacverify.ErrMismatch},
		{"a wrong first byte is refused", stamp + ",v1=" + flip(mac[:1]) + mac[1:], hmacverify.ErrMismatch},
		{"two timestamps in the list are ambiguous", stamp + "," + stamp + "," + good, hmacverify.ErrMalformed},
		{"no timestamp in the list is refused", good, hmacverify.ErrMalformed},
		{"an empty timestamp in the list is refused", "t=," + good, hmacverify.ErrMalformed},
		{"sixteen candidates are tried", stamp + strings.Repeat(",v1=zz", 15) + "," + good, nil},
		{"seventeen candidates are too many", stamp + strings.Repeat(",v1=zz", 16) + "," + good, hmacverify.ErrMalformed},
		{"a header of more than 8 KiB is refused", stamp + "," + good + "," + strings.Repeat("a", 8<<10), hmacverify.ErrMalformed},
		{"an empty header is missing", "", hmacverify.ErrMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(http.Header{"Stripe-Signature": {tt.header}}, []byte(ruleBody))
			wantErr(t, err, tt.want)
		})
	}
}

func flip(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}

func flipLast(s string) string { return s[:len(s)-1] + flip(s[len(s)-1:]) }

func TestVerifier_Headers(t *testing.T) {
	t.Parallel()
	slack, github, standard := preset.Slack(), preset.GitHub(), preset.StandardWebhooks()
	id := http.Header{"Webhook-Id": {"msg_1"}}
	for _, tt := range []struct {
		name   string
		scheme hmacverify.Scheme
		have   http.Header
		change func(http.Header)
		want   error
	}{
		{"a signature header given twice is ambiguous", slack, nil, twice("X-Slack-Signature"), hmacverify.ErrMalformed},
		{"a timestamp header given twice is ambiguous", slack, nil, twice("X-Slack-Request-Timestamp"), hmacverify.ErrMalformed},
		{"a signed ID given twice is ambiguous", standard, id, twice("Webhook-Id"), hmacverify.ErrMalformed},
		{"a signed ID is mandatory", standard, id, func(h http.Header) { h.Del("Webhook-Id") }, hmacverify.ErrMissing},
		{"no signature is refused", github, nil, func(h http.Header) { h.Del("X-Hub-Signature-256") }, hmacverify.ErrMissing},
		{"a mandatory prefix cannot be left out", github, nil, edit("X-Hub-Signature-256", func(s string) string {
			return strings.TrimPrefix(s, "sha256=")
		}), hmacverify.ErrMalformed},
		{"text before the prefix is not skipped", github, nil, edit("X-Hub-Signature-256", func(s string) string {
			return "garbage " + s
		}), hmacverify.ErrMalformed},
		{"the hash is not taken from the request", github, nil, edit("X-Hub-Signature-256", func(string) string {
			return "sha1=" + strings.Repeat("0", 40)
		}), hmacverify.ErrMalformed},
		{"an unsigned ID given twice does not refuse a delivery", github, http.Header{"X-Github-Delivery": {"a", "b"}}, func(http.Header) {}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := signed(t, tt.scheme, tt.have, ruleBody, testKey)
			tt.change(h)
			_, err := newVerifier(t, tt.scheme, testOptions(), testKey).Verify(h, []byte(ruleBody))
			wantErr(t, err, tt.want)
		})
	}
}

// The body may contain a recent time. If what stands before it could be moved into
// the ID, an old signature would be valid for a new delivery.
func TestVerifier_HeaderBesideTimestamp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		scheme     hmacverify.Scheme
		time       string
		id, before string
	}{
		"Twitch":    {anySender(preset.Twitch()), testNow.UTC().Format(time.RFC3339), "Twitch-Eventsub-Message-Id", "2026-11-10T12:00:00Z"},
		"ConfigCat": {anySender(preset.ConfigCat()), fmt.Sprint(testNow.Unix()), "X-ConfigCat-Webhook-ID", "1790000000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const id, head, tail = "e76c6bd4", `{"at":"`, `"}`
			stale := http.Header{}
			stale.Set(tt.id, id)
			stale.Set(tt.scheme.Timestamp.Header, tt.before)
			h := signed(t, tt.scheme, stale, head+tt.time+tail, testKey)
			v := newVerifier(t, tt.scheme, testOptions(), testKey)
			_, err := v.Verify(h, []byte(head+tt.time+tail))
			wantErr(t, err, hmacverify.ErrTimestamp)
			h.Set(tt.id, id+tt.before+head)
			h.Set(tt.scheme.Timestamp.Header, tt.time)
			_, err = v.Verify(h, []byte(tail))
			wantErr(t, err, hmacverify.ErrMalformed)
		})
	}
	t.Run("an ID in base64 is a token", func(t *testing.T) {
		t.Parallel()
		h := signed(t, preset.Twitch(), http.Header{"Twitch-Eventsub-Message-Id": {"aI-w_q+9/x.y=="}}, ruleBody, testKey)
		_, err := newVerifier(t, preset.Twitch(), testOptions(), testKey).Verify(h, []byte(ruleBody))
		wantErr(t, err, nil)
	})
}

func TestVerifier_Base64URLPadding(t *testing.T) {
	t.Parallel()
	const header = "Sanity-Webhook-Signature"
	sanity := preset.Sanity()
	h := signed(t, sanity, nil, ruleBody, testKey)
	bare := strings.TrimRight(h.Get(header), "=")
	for padding, want := range map[string]error{
		"": nil, "=": nil, "==": hmacverify.ErrMalformed, strings.Repeat("=", 50): hmacverify.ErrMalformed,
	} {
		h.Set(header, bare+padding)
		_, err := newVerifier(t, sanity, testOptions(), testKey).Verify(h, []byte(ruleBody))
		wantErr(t, err, want)
	}
}

func twice(name string) func(http.Header) {
	return func(h http.Header) { h.Add(name, h.Get(name)) }
}

func edit(name string, f func(string) string) func(http.Header) {
	return func(h http.Header) { h.Set(name, f(h.Get(name))) }
}

func TestVerifier_XSignature256(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	h := signed(t, s, nil, ruleBody, testKey)
	v := newVerifier(t, s, nil, testKey)
	t.Run("accepts the signature with sha256=", func(t *testing.T) {
		t.Parallel()
		_, err := v.Verify(h, []byte(ruleBody))
		wantErr(t, err, nil)
	})
	t.Run("accepts the signature without sha256=", func(t *testing.T) {
		t.Parallel()
		h := h.Clone()
		edit("X-Signature-256", func(s string) string { return strings.TrimPrefix(s, "sha256=") })(h)
		_, err := v.Verify(h, []byte(ruleBody))
		wantErr(t, err, nil)
	})
	t.Run("refuses other bytes that parse to the same JSON", func(t *testing.T) {
		t.Parallel()
		_, err := v.Verify(h, []byte(`{ "id": "evt_1" }`))
		wantErr(t, err, hmacverify.ErrMismatch)
	})
}

// One signature over ID, time and body must not be valid for another way to split
// the same bytes.
func TestVerifier_IDWithSeparator(t *testing.T) {
	t.Parallel()
	s := preset.StandardWebhooks()
	stamp := fmt.Sprint(testNow.Unix())
	body := stamp + ".payload"
	h := signed(t, s, http.Header{"Webhook-Id": {"m"}}, body, testKey)
	v := newVerifier(t, s, testOptions(), testKey)
	_, err := v.Verify(h, []byte(body))
	wantErr(t, err, nil)

	h.Set("Webhook-Id", "m."+stamp) // the same bytes: m . stamp . stamp . payload
	_, err = v.Verify(h, []byte("payload"))
	wantErr(t, err, hmacverify.ErrMalformed)
}

func TestVerifier_ListGroups(t *testing.T) {
	t.Parallel()
	s := preset.Persona()
	both := signed(t, s, nil, ruleBody, "new", "old")
	for _, key := range []string{"new", "old"} {
		t.Run("while keys rotate the "+key+" key is enough", func(t *testing.T) {
			t.Parallel()
			_, err := newVerifier(t, s, testOptions(), key).Verify(both, []byte(ruleBody))
			wantErr(t, err, nil)
		})
	}
	t.Run("groups with different timestamps are ambiguous", func(t *testing.T) {
		t.Parallel()
		h := both.Clone()
		edit("Persona-Signature", func(s string) string { return s + " t=1,v1=" + strings.Repeat("0", 64) })(h)
		_, err := newVerifier(t, s, testOptions(), "new").Verify(h, []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrMalformed)
	})
}
