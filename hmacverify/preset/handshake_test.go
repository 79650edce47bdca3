package preset_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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

func TestDropboxChallenge(t *testing.T) {
	t.Parallel()
	h := preset.DropboxChallenge()
	if w := get(h, url.Values{"challenge": {"abc_1-2"}}); w.Body.String() != "abc_1-2" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := get(h, url.Values{"challenge": {"<script>"}}); w.Code != http.StatusUnauthorized {
		t.Errorf("markup: got %d %s", w.Code, w.Body)
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
