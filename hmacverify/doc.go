// Package hmacverify verifies webhooks: that a request was signed by whoever
// has the key, over exactly the bytes that arrived, and not long ago. It knows
// how more than a hundred senders sign, and can be told how others do.
//
//	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
//	if err != nil {
//		log.Fatal(err)
//	}
//	mux.Handle("POST /webhooks", verifier.Handler(events))
//
// The events handler sees verified requests only. It reads the body as usual,
// or takes the [Delivery] from the context:
//
//	d, _ := hmacverify.FromContext(r.Context())
//	id, err := d.IdempotencyID()
//
// # Schemes
//
// A [Scheme] is data: which header, which hash, which bytes. Presets are
// functions that return one: [GitHub], [Stripe], [Slack], [Shopify],
// [StandardWebhooks] and many more, by field in the preset files. If yours is
// missing, write it from the provider's page:
//
//	acme := hmacverify.Scheme{
//		Name:      "acme",
//		Signature: []string{"Acme-Signature"},
//		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
//		Signed:    "{timestamp}.{body}",
//		Timestamp: hmacverify.Timestamp{ListKey: "t"},
//		ID:        hmacverify.Field{JSON: "id"},
//		Identity:  hmacverify.SignedID,
//	}
//
// # Three layers
//
// [Verifier.Verify] takes headers and a body and touches nothing else.
// [Verifier.Check] reads a request and puts its body back. [Verifier.Handler]
// is middleware. Each is a few lines on top of the one before. [Signer] is the
// other side, for senders and tests.
//
// # Which event is it?
//
// A valid signature says who sent a delivery, not that it is new. Most of what
// identifies one, such as X-GitHub-Delivery, is not signed: whoever captures a
// delivery can send it again under another ID, and the signature holds.
// [Delivery.IdempotencyID] therefore returns only what the signature covers,
// and an error where nothing suitable is covered. Each preset says which of
// three kinds it is: [SignedID], [BodyDigest] or [NoIdentity].
//
// # Keys
//
// Give [New] more than one key, newest first, while you rotate. For endpoints
// that many senders share, Options.Keys finds the keys by request. Keys are
// decoded as the scheme says, never by guess, and an empty one is an error.
//
// # What clients are told
//
// 401, whatever was wrong with the signature; 413 for a body over the limit.
// The reason goes to Options.OnError.
package hmacverify
