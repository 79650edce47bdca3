package preset

import (
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

// Before they send, some senders ask an endpoint to prove itself. These
// helpers answer them. Two of the questions are dangerous: Zoom and X want the
// HMAC, under the key that signs their events, of a text that the asker
// chooses. An endpoint that signs whatever it is asked to signs forgeries: the
// HMAC of "v0:<time>:<body>" is Zoom's signature of that body. So both sign
// short tokens of letters, digits, "-" and "_" only, which no signed text of
// either can be, and Zoom's question must be signed by Zoom.

// maxToken is the longest challenge that is signed or echoed.
const maxToken = 128

// SlackChallenge answers Slack's url_verification and passes everything else
// on to next. It belongs inside: verifier.Handler(SlackChallenge(next)). A
// request that no Verifier has passed is refused.
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
// plainToken under secret, the same that the Verifier has, and passes
// everything else on to next. It belongs inside:
// verifier.Handler(ZoomChallenge(secret, next)). A request that no Verifier
// has passed is refused, and so is a token that could be more than a token.
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

// XChallenge answers X's CRC, a GET with crc_token, under the app's consumer
// secret. X does not sign its question, so this answers anybody; what it
// answers is of no use against [X], which accepts JSON objects only, and no
// token that this signs is one. A Scheme of your own under the same secret
// needs JSONObject too.
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
// hub.challenge: if the token is verifyToken, it echoes the challenge. The
// token is one that you chose, not the app secret. An empty one refuses all.
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

// DropboxChallenge echoes the challenge of Dropbox's GET. It is no secret, so
// anybody is answered, as text that no browser takes for a page.
func DropboxChallenge() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		echoToken(w, r.URL.Query().Get("challenge"))
	})
}

// AsanaHandshake accepts the key that Asana sends in X-Hook-Secret when a
// webhook is made, and passes requests without it on to next. It belongs
// outside: AsanaHandshake(accept, verifier.Handler(next)).
//
// Nothing proves that the request comes from Asana: whoever may set the key
// may sign. accept must therefore return an error unless this very webhook is
// being created just now and has no key yet, and store the key if it has none;
// make the URL of each webhook unguessable.
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

// verified refuses requests without a hmacverify.Delivery: a helper that stands in the
// wrong place must not become a way around the Verifier.
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

// bodyString returns the string at path in the body, or nothing.
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

// signToken signs a token, and nothing that could be more than that.
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
