package hmacverify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookonce/hookonce/hmacverify"
)

// captureLog makes slog.Default write to the buffer that it returns until the test
// ends. A test that calls it must not run in parallel with others.
func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

// Without an ErrorHandler a refusal is seen, once, and without anything secret.
func TestVerifier_HandlerLogsRefusals(t *testing.T) {
	const body = `{"id":"canary-body"}`
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}}
	unavailable := func(*http.Request) (hmacverify.Tenant, error) {
		return hmacverify.Tenant{}, errors.New("key store down")
	}
	nameless := func(*http.Request) (hmacverify.Tenant, error) {
		return hmacverify.Tenant{Keys: []string{"canary-key"}}, nil
	}
	fixed := newVerifier(t, s, &hmacverify.Options{MaxBody: 1000}, "canary-key")
	mac := signed(t, s, nil, body, "canary-key").Get("Sig")
	forged := flip(mac[:1]) + mac[1:]
	for _, tt := range []struct {
		name     string
		verifier *hmacverify.Verifier
		sig      string
		length   int64
		level    string
		reason   string
		status   int
	}{
		{"a missing signature is a warning", fixed, "", -1, "WARN", "hmacverify: signature, timestamp or signed header missing: Sig", 401},
		{"a malformed signature is a warning", fixed, "canary-header", -1, "WARN",
			"hmacverify: delivery malformed or ambiguous: no signature of the scheme's prefix, length and encoding in Sig", 401},
		{"a forged signature is a warning", fixed, forged, -1, "WARN", "hmacverify: signature does not match", 401},
		{"a body over the limit is a warning", fixed, mac, 1001, "WARN", "hmacverify: body too large: Content-Length 1001, limit 1000", 413},
		{"a key function that fails is an error", newVerifier(t, s, &hmacverify.Options{Keys: unavailable}), mac, -1, "ERROR",
			"hmacverify: Options.Keys: key store down", 503},
		{"a key function that cannot work is an error", newVerifier(t, s, &hmacverify.Options{Keys: nameless}), mac, -1, "ERROR",
			`hmacverify: configuration: scheme "acme": Tenant.Name: must be 1 to 128 bytes`, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := captureLog(t)
			r, _ := request(http.Header{"Sig": {tt.sig}}, strings.NewReader(body), tt.length)
			w := httptest.NewRecorder()
			tt.verifier.Handler(unreachable(t)).ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("got status %d, want %d", w.Code, tt.status)
			}
			var got map[string]string
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("want one entry, got %s", log)
			}
			want := map[string]string{"level": tt.level, "msg": "webhook refused", "scheme": "acme", "reason": tt.reason}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("log entry (-want +got):\n%s", diff)
			}
			for _, secret := range []string{"canary", mac, forged, r.RemoteAddr} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log shows %q: %s", secret, log)
				}
			}
		})
	}
	t.Run("a verified request is not logged", func(t *testing.T) {
		log := captureLog(t)
		r, _ := request(http.Header{"Sig": {mac}}, strings.NewReader(body), -1)
		fixed.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if log.Len() > 0 {
			t.Errorf("got %s", log)
		}
	})
}

// An ErrorHandler owns the response and the log.
func TestVerifier_ErrorHandler(t *testing.T) {
	log := captureLog(t)
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}}
	var reasons []error
	v := newVerifier(t, s, &hmacverify.Options{ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		reasons = append(reasons, err)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(hmacverify.Status(err))
		io.WriteString(w, "mine")
	}}, testKey)
	for _, tt := range []struct {
		name, method      string
		length            int64
		want              error
		status            int
		connection, allow string
	}{
		{"writes the response", "POST", 10, hmacverify.ErrMissing, 401, "", ""},
		{"finds the connection to be closed if a large body may still arrive", "POST", 1 << 20, hmacverify.ErrMissing, 401, "close", ""},
		{"finds the allowed method set", "PUT", 10, hmacverify.ErrMethod, 405, "", "POST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reasons = nil
			r, _ := request(http.Header{}, strings.NewReader(ruleBody), tt.length)
			r.Method = tt.method
			w := httptest.NewRecorder()
			v.Handler(unreachable(t)).ServeHTTP(w, r)
			if len(reasons) != 1 || !errors.Is(reasons[0], tt.want) {
				t.Errorf("got reasons %v, want %v", reasons, tt.want)
			}
			got := []any{w.Code, w.Body.String(), w.Header().Get("Content-Type"), w.Header().Get("Connection"), w.Header().Get("Allow")}
			want := []any{tt.status, "mine", "text/plain", tt.connection, tt.allow}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("status, body, Content-Type, Connection, Allow (-want +got):\n%s", diff)
			}
		})
	}
	if log.Len() > 0 {
		t.Errorf("the package logged too: %s", log)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	if got := hmacverify.Status(nil); got != 200 {
		t.Errorf("no error: got %d, want 200", got)
	}
	if got := hmacverify.Status(errors.New("other")); got != 503 {
		t.Errorf("an unknown error: got %d, want 503", got)
	}
	w := httptest.NewRecorder()
	if hmacverify.WriteError(w, nil); w.Code != 503 {
		t.Errorf("WriteError without an error: got %d, want 503, because no 2xx may come of it", w.Code)
	}
}
