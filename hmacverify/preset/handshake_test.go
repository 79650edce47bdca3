package preset_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// oracles are texts that no client may get signed: each is, or could be, what a
// sender's signature covers.
var oracles = []string{
	"v0:1795435200:" + `{"event":"meeting.started"}`,
	"v0:1795435200:x",
	`{"for_user_id":"1"}`,
	`{}`, `[]`, `""`, "1.x", "a b", "a\nb", "a=b", "é", "",
	strings.Repeat("a", 129),
}

func passed(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }

// post sends a signed body through the verifier and the handshake.
func post(t *testing.T, s hmacverify.Scheme, wrap func(http.Handler) http.Handler, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header = signed(t, s, nil, body, testKey)
	w := httptest.NewRecorder()
	newVerifier(t, s, testOptions(), testKey).Handler(wrap(http.HandlerFunc(passed))).ServeHTTP(w, r)
	return w
}

func get(h http.Handler, query url.Values) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/?"+query.Encode(), nil))
	return w
}

func TestZoomChallenge(t *testing.T) {
	t.Parallel()
	zoom := func(next http.Handler) http.Handler { return preset.ZoomChallenge(testKey, next) }
	question := func(token string) string {
		quoted, _ := json.Marshal(token)
		return fmt.Sprintf(`{"payload":{"plainToken":%s},"event":"endpoint.url_validation"}`, quoted)
	}
	t.Run("signs the token that Zoom asks for", func(t *testing.T) {
		t.Parallel()
		mac := hmac.New(sha256.New, []byte(testKey))
		mac.Write([]byte("qgg8vlvZRS6UYooatFL8Aw"))
		want := fmt.Sprintf(`{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"%x"}`, mac.Sum(nil))
		w := post(t, preset.Zoom(), zoom, question("qgg8vlvZRS6UYooatFL8Aw"))
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
		}
	})
	for _, text := range oracles {
		t.Run(fmt.Sprintf("does not sign %.20q", text), func(t *testing.T) {
			t.Parallel()
			if w := post(t, preset.Zoom(), zoom, question(text)); w.Code != http.StatusUnauthorized {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
	t.Run("does not answer a question that Zoom did not sign", func(t *testing.T) {
		t.Parallel()
		w := httptest.NewRecorder()
		zoom(unreachable(t)).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(question("abc"))))
		if w.Code != http.StatusUnauthorized {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	t.Run("passes events on", func(t *testing.T) {
		t.Parallel()
		if w := post(t, preset.Zoom(), zoom, `{"event":"meeting.started"}`); w.Code != http.StatusAccepted {
			t.Errorf("got %d", w.Code)
		}
	})
	t.Run("signs nothing without a key", func(t *testing.T) {
		t.Parallel()
		keyless := func(next http.Handler) http.Handler { return preset.ZoomChallenge("", next) }
		if w := post(t, preset.Zoom(), keyless, question("abc")); w.Code != http.StatusUnauthorized {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}

func TestXChallenge(t *testing.T) {
	t.Parallel()
	h := preset.XChallenge(testKey)
	t.Run("signs a token", func(t *testing.T) {
		t.Parallel()
		mac := hmac.New(sha256.New, []byte(testKey))
		mac.Write([]byte("9b4507b3-9040"))
		want := `{"response_token":"sha256=` + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + `"}`
		if w := get(h, url.Values{"crc_token": {"9b4507b3-9040"}}); w.Body.String() != want {
			t.Errorf("got %s, want %s", w.Body, want)
		}
	})
	for _, text := range oracles {
		t.Run(fmt.Sprintf("does not sign %.20q", text), func(t *testing.T) {
			t.Parallel()
			if w := get(h, url.Values{"crc_token": {text}}); w.Code != http.StatusUnauthorized {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

// Some tokens are JSON too. What XChallenge answers must not pass for an event.
func TestXChallenge_AnswerSignsNoBody(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.X(), nil, testKey)
	for _, token := range []string{"null", "true", "123", "abc"} {
		var answer struct {
			Token string `json:"response_token"`
		}
		w := get(preset.XChallenge(testKey), url.Values{"crc_token": {token}})
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		_, err := v.Verify(http.Header{"X-Twitter-Webhooks-Signature": {answer.Token}}, []byte(token))
		wantErr(t, err, hmacverify.ErrMalformed)
	}
	const event = " \n{}"
	_, err := v.Verify(signed(t, preset.X(), nil, event, testKey), []byte(event))
	wantErr(t, err, nil)
}

func TestSlackChallenge(t *testing.T) {
	t.Parallel()
	const question = `{"type":"url_verification","challenge":"3eZbrw1a<b>"}`
	w := post(t, preset.Slack(), preset.SlackChallenge, question)
	if w.Code != 200 || w.Body.String() != "3eZbrw1a<b>" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := post(t, preset.Slack(), preset.SlackChallenge, `{"type":"event_callback"}`); w.Code != http.StatusAccepted {
		t.Errorf("an event: got %d", w.Code)
	}
	w = httptest.NewRecorder()
	preset.SlackChallenge(unreachable(t)).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(question)))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("an unverified question: got %d", w.Code)
	}
}

func TestMetaChallenge(t *testing.T) {
	t.Parallel()
	ask := func(configured, mode, token, challenge string) *httptest.ResponseRecorder {
		return get(preset.MetaChallenge(configured),
			url.Values{"hub.mode": {mode}, "hub.verify_token": {token}, "hub.challenge": {challenge}})
	}
	if w := ask("mine", "subscribe", "mine", "1158201444"); w.Code != 200 || w.Body.String() != "1158201444" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for _, tt := range []struct{ name, configured, mode, token, challenge string }{
		{"another token", "mine", "subscribe", "theirs", "1"},
		{"a prefix of the token", "mine", "subscribe", "min", "1"},
		{"no token", "mine", "subscribe", "", "1"},
		{"an endpoint without a token", "", "subscribe", "", "1"},
		{"another mode", "mine", "unsubscribe", "mine", "1"},
		{"markup", "mine", "subscribe", "mine", "<script>"},
	} {
		if w := ask(tt.configured, tt.mode, tt.token, tt.challenge); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s", tt.name, w.Code, w.Body)
		}
	}
}

// The unsigned calls by which senders look whether an endpoint is there, and calls
// that are none.
func TestSetup(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name                 string
		scheme               hmacverify.Scheme
		method, target, body string
		status               int
		want                 string
	}{
		{"Dropbox", preset.Dropbox(), "GET", "/?challenge=abc_1-2", "", 200, "abc_1-2"},
		{"Nylas", preset.Nylas(), "GET", "/?challenge=abc", "", 200, "abc"},
		{"Onfleet", preset.Onfleet(), "GET", "/?check=abc", "", 200, "abc"},
		{"markup", preset.Nylas(), "GET", "/?challenge=<script>", "", 401, ""},
		{"no question", preset.Nylas(), "GET", "/", "", 401, ""},
		{"Trello", preset.Trello(), "HEAD", "/", "", 200, ""},
		{"Mandrill", preset.Mandrill(), "HEAD", "/", "", 200, ""},
		{"WooCommerce", preset.WooCommerce(), "POST", "/", "webhook_id=7", 200, ""},
		{"an unsigned event of WooCommerce's", preset.WooCommerce(), "POST", "/", `{"id":7}`, 202, `{"id":7}`},
		{"a form with more in it", preset.WooCommerce(), "POST", "/", "webhook_id=7&id=8", 202, "webhook_id=7&id=8"},
		{"an unsigned event of Dropbox's", preset.Dropbox(), "POST", "/", "{}", 202, "{}"},
		{"a sender that asks nothing", preset.Stripe(), "HEAD", "/", "", 202, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusAccepted)
				io.Copy(w, r.Body)
			})
			w, r := httptest.NewRecorder(), httptest.NewRequest(tt.method, "https://example.com"+tt.target, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", form)
			tt.scheme.Name += "-eu" // as users do who have two
			preset.Setup(tt.scheme, next).ServeHTTP(w, r)
			if w.Code != tt.status || tt.status != 401 && w.Body.String() != tt.want {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.want)
			}
			if tt.want != "" && tt.status == 200 && w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Error("a browser could take the echo for a page")
			}
		})
	}
}

// What a signed question gets, and what is no question.
func TestSignedChallenges(t *testing.T) {
	t.Parallel()
	mac := hmac.New(sha256.New, []byte(testKey))
	mac.Write([]byte("abc"))
	smartcar := func(next http.Handler) http.Handler { return preset.SmartcarChallenge(testKey, next) }
	discord := preset.DiscordEvents()
	for _, tt := range []struct {
		name   string
		scheme hmacverify.Scheme
		wrap   func(http.Handler) http.Handler
		header http.Header
		body   string
		status int
		want   string
	}{
		{"Twitch", preset.Twitch(), preset.TwitchChallenge, nil,
			`{"challenge":"abc","subscription":{"status":"webhook_callback_verification_pending"}}`, 200, "abc"},
		{"an event of Twitch's", preset.Twitch(), preset.TwitchChallenge, nil, `{"subscription":{"status":"enabled"}}`, 202, ""},
		{"Front", preset.Front(), preset.FrontChallenge, http.Header{"X-Front-Challenge": {"abc"}}, `{"type":"sync"}`, 200, "abc"},
		{"an event of Front's under another's header", preset.Front(), preset.FrontChallenge, http.Header{"X-Front-Challenge": {"abc"}},
			`{"type":"message"}`, 202, ""},
		{"a PING of Discord's interactions", preset.Discord(), preset.DiscordPing, nil, `{"id":"1","type":1}`, 200, `{"type":1}`},
		{"an interaction", preset.Discord(), preset.DiscordPing, nil, `{"id":"1","type":2}`, 202, ""},
		{"a PING of Discord's events", discord, preset.DiscordPing, nil, `{"version":1,"type":0}`, 204, ""},
		{"an event of Discord's", discord, preset.DiscordPing, nil, `{"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}`, 202, ""},
		{"Smartcar", preset.Smartcar(), smartcar, nil, `{"eventType":"VERIFY","data":{"challenge":"abc"}}`, 200,
			fmt.Sprintf(`{"challenge":"%x"}`, mac.Sum(nil))},
		{"Smartcar's question for the signature of an event", preset.Smartcar(), smartcar, nil,
			`{"eventType":"VERIFY","data":{"challenge":"{\"eventId\":1}"}}`, 401, ""},
		{"an event of Smartcar's", preset.Smartcar(), smartcar, nil, `{"eventType":"VEHICLE_STATE"}`, 202, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			public, private := keyPair(tt.scheme)
			h := tt.header
			if id := tt.scheme.ID.Header; id != "" {
				h = http.Header{}
				h.Set(id, "1")
			}
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			r.Header = signed(t, tt.scheme, h, tt.body, private)
			w := httptest.NewRecorder()
			newVerifier(t, tt.scheme, testOptions(), public).Handler(tt.wrap(http.HandlerFunc(passed))).ServeHTTP(w, r)
			if w.Code != tt.status || tt.status != 401 && w.Body.String() != tt.want {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.want)
			}
			if w.Code == 204 && w.Header().Get("Content-Type") == "" {
				t.Error("Discord wants a Content-Type")
			}
			// Without the Verifier in front nothing is answered.
			w = httptest.NewRecorder()
			tt.wrap(unreachable(t)).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(tt.body)))
			if w.Code != http.StatusUnauthorized {
				t.Errorf("an unverified question: got %d", w.Code)
			}
		})
	}
}

func TestNotionHandshake(t *testing.T) {
	t.Parallel()
	stored := ""
	h := preset.NotionHandshake(func(_ *http.Request, token string) error {
		if stored != "" {
			return errors.New("has a key")
		}
		stored = token
		return nil
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		io.Copy(w, r.Body)
	}))
	for _, tt := range []struct {
		body   string
		status int
	}{
		{`{"verification_token":"secret_a b"}`, 401},
		{`{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}`, 200},
		{`{"verification_token":"secret_attacker"}`, 401},
		{`{"verification_token":"secret_x","id":"1"}`, 202},
		{`{"id":"1","type":"page.created"}`, 202},
		{``, 202},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(tt.body)))
		if w.Code != tt.status || tt.status == 202 && w.Body.String() != tt.body {
			t.Errorf("%s: got %d %s, want %d", tt.body, w.Code, w.Body, tt.status)
		}
	}
	if stored != "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl" {
		t.Errorf("stored %q", stored)
	}
}

// Tests of an endpoint are authentic and carry no event.
func TestPreset_Pings(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"intercom":  `{"type":"notification_event","id":null,"topic":"ping"}`,
		"line":      `{"destination":"U1","events":[]}`,
		"xero":      `{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}`,
		"slack":     `{"token":"t","type":"app_rate_limited","team_id":"T"}`,
		"buildkite": `{"event":"ping","service":{}}`,
	} {
		s, _ := preset.ByName(name)
		d := verify(t, s, signed(t, s, nil, body, testKey), body)
		if !d.Ping {
			t.Errorf("%s: %s is no ping", name, body)
		}
		event := strings.NewReplacer(`"ping"`, `"user.created"`, `[]`, `[{"webhookEventId":"1"}]`, "app_rate_limited", "event_callback").Replace(body)
		if d := verify(t, s, signed(t, s, nil, event, testKey), event); d.Ping {
			t.Errorf("%s: %s is a ping", name, event)
		}
	}
}

func TestAsanaHandshake(t *testing.T) {
	t.Parallel()
	stored := ""
	h := preset.AsanaHandshake(func(_ *http.Request, secret string) error {
		if stored != "" {
			return errors.New("has a key")
		}
		stored = secret
		return nil
	}, http.HandlerFunc(passed))
	shake := func(secrets ...string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
		r.Header["X-Hook-Secret"] = secrets
		h.ServeHTTP(w, r)
		return w
	}
	if w := shake("a", "b"); w.Code != http.StatusUnauthorized || stored != "" {
		t.Errorf("two keys: got %d", w.Code)
	}
	if w := shake("b537207f20cbfa02357cf448134da559"); w.Code != 200 || w.Header().Get("X-Hook-Secret") != stored {
		t.Errorf("got %d, stored %q", w.Code, stored)
	}
	if w := shake("attacker"); w.Code != http.StatusUnauthorized || w.Header().Get("X-Hook-Secret") != "" {
		t.Errorf("a second key: got %d", w.Code)
	}
	if w := shake(); w.Code != http.StatusAccepted {
		t.Errorf("an event: got %d", w.Code)
	}
}
