package sample_test

import (
	"fmt"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/hmacverify/sample"
)

// An event of GitHub, as it would send it.
func ExampleEvent() {
	github := preset.GitHub()
	secret := sample.Secret(github)
	signer, err := hmacverify.NewSigner(github, nil, secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	header, body := sample.Event(github, "72d3162e", "", time.Now())
	if err := signer.Sign(header, body); err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := hmacverify.New(github, nil, sample.Public(secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := verifier.Verify(header, body)
	fmt.Println(d.EventType(), d.ID, err)
	// Output: push 72d3162e <nil>
}
