package preset_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// A preset that is named in configuration.
func ExampleByName() {
	scheme, ok := preset.ByName("paddle")
	if !ok {
		fmt.Println("no such preset")
		return
	}
	fmt.Println(scheme.Sender.Title, "waits for", scheme.Sender.Waits)
	// Output: Paddle Billing waits for 5s
}

// The senders that lose an event if it fails once.
func ExampleAll() {
	for _, scheme := range preset.All() {
		if scheme.Sender.Retries == hmacverify.RetriesNone {
			fmt.Println(scheme.Sender.Title)
		}
	}
	// Output:
	// Affirm
	// Discord interactions
	// ElevenLabs
	// Front's rules
	// Gitea
	// GitHub
	// Gogs
	// Infisical
	// WooCommerce
}

// Slack's commands are signed like its events, and differ in what else they are.
func Example_change() {
	scheme := preset.Slack()
	scheme.Name = "slack-commands"
	scheme.ID, scheme.Identity = hmacverify.Field{}, hmacverify.BodyDigest
	scheme.Sender.Duplicate = hmacverify.Replay

	verifier, err := hmacverify.New(scheme, nil, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		delivery, _ := hmacverify.FromContext(r.Context())
		fmt.Println(delivery.Scheme, "is verified")
	}))

	const body = "command=%2Fdeploy&trigger_id=13345224609.738474920"
	r := httptest.NewRequest("POST", "/slack/commands", strings.NewReader(body))
	signer, err := hmacverify.NewSigner(scheme, nil, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := signer.Sign(r.Header, []byte(body)); err != nil {
		fmt.Println(err)
		return
	}
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: slack-commands is verified
}
