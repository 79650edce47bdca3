package preset

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/hookonce/hookonce/hmacverify"
)

// Before they send, some senders ask an endpoint to prove itself. Two of the
// questions are dangerous: Zoom and X want the HMAC, under the key that signs
// their events, of a text that the request chooses. An endpoint that signs any
// text signs forgeries: the HMAC of "v0:<time>:<body>" is Zoom's signature of that
// body. So both sign short tokens of letters, digits, "-" and "_" only, which no
// signed text of either can be, and Zoom's question must be signed by Zoom.

// maxToken is the longest challenge that is signed or echoed.
const maxToken = 128

// SlackChallenge answers Slack's url_verification and calls next for everything
// else. Put it inside the Verifier: verifier.Handler(SlackChallenge(next)). It
// refuses a request that was not verified.
func SlackChallenge(next http.Handler) http.Handler {
	return verified(func(w http.ResponseWriter, r *http.Request, d *hmacverify.Delivery) {
		if bodyString(d, "type") != "url_verification" {
			next.ServeHTTP(w, r)
			return
		}
		echo(w, bodyString(d, "challenge"))
	})
}

// ZoomChallenge answers Zoom's endpoint.url_validation with the HMAC of its
// plainToken, and calls next for everything else. secret is the Verifier's key.
// Put it inside the Verifier: verifier.Handler(ZoomChallenge(secret, next)). It
// refuses a request that was not verified, and a token that could be an event's
// signed text.
func ZoomChallenge(secret string, next http.Handler) http.Handler {
	return verified(func(w http.ResponseWriter, r *http.Request, d *hmacverify.Delivery) {
		if bodyString(d, "event") != "endpoint.url_validation" {
			next.ServeHTTP(w, r)
			return
		}
		token := bodyString(d, "payload", "plainToken")
		sum, ok := signToken(secret, token)
		if !ok {
			hmacverify.WriteError(w, hmacverify.ErrMalformed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"plainToken":"`+token+`","encryptedToken":"`+hex.EncodeToString(sum)+`"}`)
	})
}

// XChallenge answers X's CRC, a GET with crc_token. secret is the app's consumer
// secret.
//
// X does not sign its question, so every client gets an answer. It is useless
// against [X], which accepts JSON objects only: no token that this signs is one. A
// Scheme of your own under the same secret needs JSONObject too.
func XChallenge(secret string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum, ok := signToken(secret, r.URL.Query().Get("crc_token"))
		if !ok {
			hmacverify.WriteError(w, hmacverify.ErrMalformed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"response_token":"sha256=`+base64.StdEncoding.EncodeToString(sum)+`"}`)
	})
}

// MetaChallenge answers Meta's GET with hub.mode, hub.verify_token and
// hub.challenge: it echoes the challenge if the token is verifyToken, which is one
// that you chose, not the app secret. An empty one refuses all.
func MetaChallenge(verifyToken string) http.Handler {
	want := sha256.Sum256([]byte(verifyToken)) // equal lengths, to compare in constant time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		got := sha256.Sum256([]byte(q.Get("hub.verify_token")))
		if verifyToken == "" || q.Get("hub.mode") != "subscribe" || !hmac.Equal(got[:], want[:]) {
			hmacverify.WriteError(w, hmacverify.ErrMismatch)
			return
		}
		echoToken(w, q.Get("hub.challenge"))
	})
}

// Setup answers the unsigned requests with which some senders check that an endpoint
// exists, and passes all others to next. Put it outside the Verifier, and route all
// methods to it: Setup(scheme, endpoint.Handle(f)). It answers every client, because the
// answers contain no secret.
//
//   - Dropbox, Nylas and Onfleet send a GET with a text, which is echoed as plain text
//     that browsers do not render as a page.
//   - Trello and Mandrill send a HEAD, which gets a 200.
//   - WooCommerce sends a form that holds nothing but the number of the webhook, which
//     gets a 200.
//
// It goes by Sender.Title, since a changed scheme has a name of its own. For other
// senders it returns next.
func Setup(s hmacverify.Scheme, next http.Handler) http.Handler {
	switch s.Sender.Title {
	case "Dropbox", "Nylas":
		return echoQuery("challenge", next)
	case "Onfleet":
		return echoQuery("check", next)
	case "Trello", "Mandrill":
		return forMethod(http.MethodHead, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }, next)
	case "WooCommerce":
		return wooCommercePing(next)
	}
	return next
}

// shortBodies reads bodies that nothing authenticates, in limited time.
func shortBodies(longest int64) *hmacverify.BodyReader {
	bodies, err := hmacverify.NewBodyReader(&hmacverify.Options{MaxBody: longest})
	if err != nil {
		panic(err) // a mistake of this package
	}
	return bodies
}

func forMethod(method string, f http.HandlerFunc, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method {
			f(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func echoQuery(name string, next http.Handler) http.Handler {
	return forMethod(http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
		echoToken(w, r.URL.Query().Get(name))
	}, next)
}

// wooCommercePing looks into a body that is short enough to be a ping, and gives it
// back if it is none.
func wooCommercePing(next http.Handler) http.Handler {
	const prefix, longest = "webhook_id=", 32
	bodies := shortBodies(longest)
	return forMethod(http.MethodPost, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength <= int64(len(prefix)) || r.ContentLength > longest || r.Header.Get("X-WC-Webhook-Signature") != "" {
			next.ServeHTTP(w, r)
			return
		}
		body, err := bodies.Read(w, r)
		if err != nil {
			hmacverify.WriteError(w, err)
			return
		}
		id, ok := strings.CutPrefix(string(body), prefix)
		if ok && strings.Trim(id, "0123456789") == "" {
			w.WriteHeader(http.StatusOK)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	}, next)
}

// TwitchChallenge answers Twitch's webhook_callback_verification, and calls next for
// everything else. Put it inside the Verifier: verifier.Handler(TwitchChallenge(next)).
// It refuses a request that was not verified.
func TwitchChallenge(next http.Handler) http.Handler {
	return verified(func(w http.ResponseWriter, r *http.Request, d *hmacverify.Delivery) {
		if bodyString(d, "subscription", "status") != "webhook_callback_verification_pending" {
			next.ServeHTTP(w, r)
			return
		}
		echo(w, bodyString(d, "challenge"))
	})
}

// FrontChallenge answers the call by which Front checks an application's URL, and calls
// next for everything else. Put it inside the Verifier: verifier.Handler(FrontChallenge(next)).
// It refuses a request that was not verified.
func FrontChallenge(next http.Handler) http.Handler {
	return verified(func(w http.ResponseWriter, r *http.Request, d *hmacverify.Delivery) {
		if challenge := r.Header.Get("X-Front-Challenge"); challenge != "" && bodyString(d, "type") == "sync" {
			echoToken(w, challenge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// DiscordPing answers the PINGs of [Discord] and [DiscordEvents], and calls next for
// everything else. Put it inside the Verifier: verifier.Handler(DiscordPing(next)). It
// refuses a request that was not verified.
func DiscordPing(next http.Handler) http.Handler {
	return verified(func(w http.ResponseWriter, r *http.Request, d *hmacverify.Delivery) {
		var body struct {
			Type  int
			Event json.RawMessage
		}
		body.Type = -1
		_ = json.Unmarshal(d.Body, &body) // next may find more in it
		switch {
		case body.Type == 0:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNoContent)
		case body.Type == 1 && body.Event == nil: // an event has that type, too
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"type":1}`)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// SmartcarChallenge answers Smartcar's VERIFY with the HMAC of its challenge, and calls
// next for everything else. secret is the Verifier's key. Put it inside the Verifier:
// verifier.Handler(SmartcarChallenge(secret, next)). It refuses a request that was not
// verified, and a challenge that could be an event.
func SmartcarChallenge(secret string, next http.Handler) http.Handler {
	return verified(func(w http.ResponseWriter, r *http.Request, d *hmacverify.Delivery) {
		if !strings.EqualFold(bodyString(d, "eventType"), "VERIFY") {
			next.ServeHTTP(w, r)
			return
		}
		sum, ok := signToken(secret, bodyString(d, "data", "challenge"))
		if !ok {
			hmacverify.WriteError(w, hmacverify.ErrMalformed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"challenge":"`+hex.EncodeToString(sum)+`"}`)
	})
}

// NotionHandshake passes the token that Notion sends when a webhook is created, to
// accept, and calls next for everything else. Paste the token into Notion's page:
// it is the key of all deliveries. Put it outside the Verifier:
// NotionHandshake(accept, verifier.Handler(next)). accept must do what
// [AsanaHandshake] demands.
func NotionHandshake(accept func(r *http.Request, token string) error, next http.Handler) http.Handler {
	const longest = 1 << 10
	bodies := shortBodies(longest)
	return forMethod(http.MethodPost, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength <= 0 || r.ContentLength > longest {
			next.ServeHTTP(w, r)
			return
		}
		body, err := bodies.Read(w, r)
		if err != nil {
			hmacverify.WriteError(w, err)
			return
		}
		var handshake map[string]string
		if json.Unmarshal(body, &handshake) != nil || len(handshake) != 1 || handshake["verification_token"] == "" {
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
			return
		}
		if token := handshake["verification_token"]; !isToken(token) || accept(r, token) != nil {
			hmacverify.WriteError(w, hmacverify.ErrNoKey)
			return
		}
		w.WriteHeader(http.StatusOK)
	}, next)
}

// AsanaHandshake passes the key that Asana sends in X-Hook-Secret, when a webhook
// is created, to accept, and calls next for requests without one. Put it outside
// the Verifier: AsanaHandshake(accept, verifier.Handler(next)).
//
// # Who may set the key
//
// Nothing proves that the request comes from Asana, and a client that sets the key
// can sign events. So accept must store the key, and must return an error unless
// this very webhook is being created now and has no key yet. Make the URL of each
// webhook unguessable.
func AsanaHandshake(accept func(r *http.Request, secret string) error, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["X-Hook-Secret"]) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		secret := r.Header.Get("X-Hook-Secret")
		if len(r.Header["X-Hook-Secret"]) > 1 || !isToken(secret) || accept(r, secret) != nil {
			hmacverify.WriteError(w, hmacverify.ErrNoKey)
			return
		}
		w.Header().Set("X-Hook-Secret", secret)
		w.WriteHeader(http.StatusOK)
	})
}

// verified refuses requests without a Delivery: a helper in the wrong place must
// not become a way around the Verifier.
func verified(f func(http.ResponseWriter, *http.Request, *hmacverify.Delivery)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, ok := hmacverify.FromContext(r.Context())
		if !ok {
			hmacverify.WriteError(w, hmacverify.ErrMissing)
			return
		}
		f(w, r, d)
	})
}

// bodyString returns the string at path in the body, or "".
func bodyString(d *hmacverify.Delivery, path ...string) string {
	value := json.RawMessage(d.Body)
	for _, name := range path {
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) != nil {
			return ""
		}
		value = object[name]
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// signToken signs a token, and nothing that could be an event.
func signToken(secret, token string) ([]byte, bool) {
	if secret == "" || !isToken(token) {
		return nil, false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return mac.Sum(nil), true
}

func isToken(s string) bool {
	const alphabet = "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return s != "" && len(s) <= maxToken && strings.Trim(s, alphabet) == ""
}

func echoToken(w http.ResponseWriter, token string) {
	if !isToken(token) {
		hmacverify.WriteError(w, hmacverify.ErrMalformed)
		return
	}
	echo(w, token)
}

func echo(w http.ResponseWriter, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, s)
}
