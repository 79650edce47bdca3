package hmacverify_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// stamped is a scheme with a timestamp and a signed ID.
func stamped(sender hmacverify.Sender) hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "acme",
		Signature: []string{"Sig"},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{Header: "Time"},
		ID:        hmacverify.Field{JSON: "id"},
		Identity:  hmacverify.SignedID,
		Sender:    sender,
	}
}

// If retries carry the first attempt's time, a tolerance shorter than the retries
// loses the event after an outage.
func TestVerifier_Tolerance(t *testing.T) {
	t.Parallel()
	const window = 8 * time.Hour
	first := hmacverify.Sender{RetryTime: hmacverify.RetryTimeFirst, RetryWindow: window}
	unknown := hmacverify.Sender{RetryWindow: window}
	renewed := hmacverify.Sender{RetryTime: hmacverify.RetryTimeNew, RetryWindow: window}
	unsigned := func(s hmacverify.Scheme) hmacverify.Scheme {
		s.Identity, s.ID = hmacverify.NoIdentity, hmacverify.Field{}
		return s
	}
	set := func(s hmacverify.Scheme, tolerance time.Duration) hmacverify.Scheme {
		s.Timestamp.Tolerance = tolerance
		return s
	}
	extract := hmacverify.Scheme{Name: "acme", Identity: hmacverify.SignedID, Sender: unknown, Extract: extractBody}
	for _, tt := range []struct {
		name    string
		scheme  hmacverify.Scheme
		options *hmacverify.Options
		want    time.Duration
	}{
		{"is 5 minutes if nothing is known", stamped(hmacverify.Sender{}), nil, 5 * time.Minute},
		{"covers retries that carry the first time", stamped(first), nil, window + 5*time.Minute},
		{"covers retries that carry the first time, without an identity too", unsigned(stamped(first)), nil, window + 5*time.Minute},
		{"covers retries whose time is not known", stamped(unknown), nil, window + 5*time.Minute},
		{"covers them if nothing is signed that identifies the event", unsigned(stamped(unknown)), nil, window + 5*time.Minute},
		{"is short if each attempt is signed anew", stamped(renewed), nil, 5 * time.Minute},
		{"is the scheme's if it is set", set(stamped(unknown), time.Minute), nil, time.Minute},
		{"is the scheme's if it is as long as the retries", set(stamped(first), window), nil, window},
		{"is the option's before the scheme's", set(stamped(unknown), time.Minute), &hmacverify.Options{Tolerance: time.Hour}, time.Hour},
		{"may be unlimited by a name that says so", set(stamped(first), hmacverify.InsecureAnyTime), nil, hmacverify.InsecureAnyTime},
		{"covers the retries of an ExtractFunc's sender", extract, nil, window + 5*time.Minute},
		{"is 0 without a timestamp", hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Sender: first}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := newVerifier(t, tt.scheme, tt.options, testKey).Tolerance(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("of the zero Verifier is 0", func(t *testing.T) {
		t.Parallel()
		for _, v := range []*hmacverify.Verifier{nil, {}} {
			if got := v.Tolerance(); got != 0 {
				t.Errorf("got %v", got)
			}
		}
	})
}

// extractBody takes the whole body for signed, with a signature of zeros.
func extractBody(r hmacverify.Received) (hmacverify.Extracted, error) {
	return hmacverify.Extracted{Signed: r.Body, Signatures: []string{strings.Repeat("0", 64)}}, nil
}

func TestVerifier_ToleranceCoversRetries(t *testing.T) {
	t.Parallel()
	s := stamped(hmacverify.Sender{RetryTime: hmacverify.RetryTimeFirst, RetryWindow: 6 * time.Hour})
	v := newVerifier(t, s, testOptions(), testKey)
	for _, tt := range []struct {
		name string
		age  time.Duration
		want error
	}{
		{"the last retry is accepted", 6 * time.Hour, nil},
		{"the last retry is accepted if it is 5 minutes late", 6*time.Hour + 5*time.Minute, nil},
		{"what is older is refused", 6*time.Hour + 5*time.Minute + time.Second, hmacverify.ErrTimestamp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stamp := strconv.FormatInt(testNow.Add(-tt.age).Unix(), 10)
			_, err := v.Verify(signed(t, s, http.Header{"Time": {stamp}}, ruleBody, testKey), []byte(ruleBody))
			wantErr(t, err, tt.want)
		})
	}
}

func TestNew_ToleranceShorterThanRetries(t *testing.T) {
	t.Parallel()
	s := stamped(hmacverify.Sender{RetryTime: hmacverify.RetryTimeFirst, RetryWindow: 6 * time.Hour})
	short := s
	short.Timestamp.Tolerance = time.Minute
	for _, tt := range []struct {
		name    string
		scheme  hmacverify.Scheme
		options *hmacverify.Options
		field   string
	}{
		{"of the options", s, &hmacverify.Options{Tolerance: time.Minute}, "Options.Tolerance"},
		{"of the scheme", short, nil, "Timestamp.Tolerance"},
	} {
		t.Run(tt.name+" is refused, with the way out", func(t *testing.T) {
			t.Parallel()
			_, err := hmacverify.New(tt.scheme, tt.options, testKey)
			if wantErr(t, err, hmacverify.ErrConfig); err == nil {
				return
			}
			for _, want := range []string{`"acme"`, tt.field, "1m0s", "6h0m0s", "leave it 0 for 6h5m0s", "RetryTimeNew"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to have %s", err, want)
				}
			}
		})
	}
	t.Run("of a sender that signs each attempt anew is accepted", func(t *testing.T) {
		t.Parallel()
		short := short
		short.Sender.RetryTime = hmacverify.RetryTimeNew
		newVerifier(t, short, nil, testKey)
	})
}

// A limit below the largest body that the sender sends would lose deliveries, because
// they are refused on every retry.
func TestVerifier_MaxBodyFollowsFromSender(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		sender, limit int64
		length        int64
		want          error
	}{
		{"1 MiB is accepted if nothing is known", 0, 0, 1 << 20, nil},
		{"more is not", 0, 0, 1<<20 + 1, hmacverify.ErrBodyTooLarge},
		{"1 MiB is accepted from a sender of less", 1000, 0, 1 << 20, nil},
		{"the sender's largest is accepted", 3 << 20, 0, 3 << 20, nil},
		{"more than the sender's largest is not", 3 << 20, 0, 3<<20 + 1, hmacverify.ErrBodyTooLarge},
		{"the option overrides it", 3 << 20, 1000, 1001, hmacverify.ErrBodyTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Sender: hmacverify.Sender{MaxBody: tt.sender}}
			v := newVerifier(t, s, &hmacverify.Options{MaxBody: tt.limit}, testKey)
			body := strings.Repeat("x", int(tt.length))
			r, _ := request(signed(t, s, nil, body, testKey), strings.NewReader(body), tt.length)
			_, err := v.Check(r)
			wantErr(t, err, tt.want)
		})
	}
}

// What a sender takes for something else is replaced, and a failure stays one.
func TestSender_StatusOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		sender       hmacverify.Sender
		status, want int
	}{
		{"nothing is known", hmacverify.Sender{}, 201, 201},
		{"a refusal that would end all deliveries", hmacverify.Sender{Instead: map[int]int{401: 403}}, 401, 403},
		{"another one", hmacverify.Sender{Instead: map[int]int{401: 403}}, 413, 413},
		{"a 2xx of the list", hmacverify.Sender{Success: []int{200, 201}}, 201, 201},
		{"a 2xx that is not in the list", hmacverify.Sender{Success: []int{204, 200}}, 201, 200},
		{"the only success", hmacverify.Sender{Success: []int{204}}, 200, 204},
		{"a failure", hmacverify.Sender{Success: []int{204}}, 500, 500},
		{"a failure that would become a success", hmacverify.Sender{Instead: map[int]int{500: 200}}, 500, 500},
		{"a success that would become a failure", hmacverify.Sender{Instead: map[int]int{200: 500}}, 200, 200},
		{"a success that is none", hmacverify.Sender{Success: []int{500}}, 201, 200},
	} {
		if got := tt.sender.StatusOf(tt.status); got != tt.want {
			t.Errorf("%s: got %d for %d, want %d", tt.name, got, tt.status, tt.want)
		}
	}
	for _, wrong := range []hmacverify.Sender{{Instead: map[int]int{401: 200}}, {Instead: map[int]int{200: 401}}, {Success: []int{302}}} {
		_, err := hmacverify.New(hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Sender: wrong}, nil, testKey)
		wantErr(t, err, hmacverify.ErrConfig)
	}
}

func TestVerifier_RefusesAsTheSenderTakesIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sender       hmacverify.Sender
		status       int
		body, header string
	}{
		{hmacverify.Sender{}, 401, `{"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_signature"}`, ""},
		{hmacverify.Sender{Instead: map[int]int{401: 429}}, 429,
			`{"type":"about:blank","title":"Too Many Requests","status":429,"code":"invalid_signature"}`, "5"},
		{hmacverify.Sender{NoBody: true}, 401, "", ""},
	} {
		s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Sender: tt.sender}
		w := httptest.NewRecorder()
		v, r := newVerifier(t, s, nil, testKey), post(http.Header{}, "/", "{}")
		_, err := v.Receive(w, r)
		v.Refuse(w, r, err)
		if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("Retry-After") != tt.header {
			t.Errorf("got %d %q, Retry-After %q; want %d %q", w.Code, w.Body, w.Header().Get("Retry-After"), tt.status, tt.body)
		}
	}
}

// A ping is recognized in the body that is signed, and nothing else is one.
func TestSender_Pings(t *testing.T) {
	t.Parallel()
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Sender: hmacverify.Sender{
		Pings: []hmacverify.Ping{{JSON: "type", Value: `"ping"`}, {JSON: "data.items", Value: "[]"}},
	}}
	v := newVerifier(t, s, nil, testKey)
	for body, want := range map[string]bool{
		`{"type":"ping"}`: true, `{"data":{"items":[]}}`: true, `{"type":"pong"}`: false, `{"type":["ping"]}`: false,
		`{"data":{"items":[1]}}`: false, `{"data":{"type":"ping"}}`: false, ``: false, `ping`: false,
	} {
		d, err := v.Verify(signed(t, s, nil, body, testKey), []byte(body))
		if wantErr(t, err, nil); d.Ping != want {
			t.Errorf("%s: a ping: %t, want %t", body, d.Ping, want)
		}
	}
	for _, wrong := range []hmacverify.Ping{{JSON: "type", Value: "ping"}, {Value: `"ping"`}, {JSON: "$.type", Value: "1"}} {
		s.Sender.Pings = []hmacverify.Ping{wrong}
		_, err := hmacverify.New(s, nil, testKey)
		wantErr(t, err, hmacverify.ErrConfig)
	}
	s.Sender.Pings, s.Signed = []hmacverify.Ping{{JSON: "type", Value: "0"}}, "{params}"
	_, err := hmacverify.New(s, nil, testKey)
	wantErr(t, err, hmacverify.ErrConfig)
}

// RFC 9110, section 5.3: lines of a list with commas are one list.
func TestVerifier_ListInSeveralLines(t *testing.T) {
	t.Parallel()
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, List: hmacverify.List{Sep: ","}}
	v := newVerifier(t, s, nil, testKey)
	mine := signed(t, s, nil, "{}", testKey)["Sig"][0]
	other := strings.Repeat("0", len(mine))
	for name, tt := range map[string]struct {
		lines []string
		want  error
	}{
		"first":               {[]string{mine, other}, nil},
		"last":                {[]string{other, mine}, nil},
		"none":                {[]string{other, other}, hmacverify.ErrMismatch},
		"more than there are": {append(slices.Repeat([]string{other}, 16), mine), hmacverify.ErrMalformed},
		"empty":               {[]string{"", mine}, hmacverify.ErrMissing},
	} {
		_, err := v.Verify(http.Header{"Sig": tt.lines}, []byte("{}"))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}
