// Package hmacverify verifies incoming webhooks: that the sender signed exactly the
// bytes that arrived, and recently. How a sender signs is data. Package
// hmacverify/preset has more than a hundred senders; describe any other with a
// [Scheme].
//
//	verifier, err := hmacverify.New(preset.Stripe(), nil, secret)
//	if err != nil {
//		log.Fatal(err)
//	}
//	mux.Handle("POST /webhooks/stripe", verifier.Handler(events))
//
// The events handler receives only verified requests. It reads the body as usual,
// or takes the [Delivery] from the context:
//
//	d, _ := hmacverify.FromContext(r.Context())
//	id, err := d.IdempotencyID()
//
// All other requests get a 401 that does not say what was wrong. The reason is
// logged with log/slog, or passed to Options.ErrorHandler.
//
// # Verifying
//
// [Verifier.Handler] is middleware. [Verifier.Check] verifies a request and leaves
// the response to you, with [Status] and [WriteError]. [Verifier.Verify] takes
// headers and a body, for queues and functions without net/http. All three run the
// same steps.
//
// # Schemes
//
// A [Scheme] says which headers carry the signature, with which hash and over which
// bytes, and where timestamp, event ID and type are. If there is no preset for a
// sender, write one from its documentation:
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
// How the sender behaves is data too, see [Sender]: how large its bodies are and
// for how long it retries. The body limit and the tolerance of the timestamp follow
// from it. Some senders ask an endpoint to prove itself before they deliver;
// handlers that answer such handshakes are in hmacverify/preset.
//
// # Identity
//
// A valid signature proves who sent a delivery, not that it is new. Most delivery
// IDs, such as X-GitHub-Delivery, are not signed: an attacker who captures a
// delivery can send it again under another ID, with the same valid signature.
// [Delivery.IdempotencyID] therefore returns only what the signature covers, and an
// error if nothing suitable is covered. A scheme is one of three kinds: [SignedID],
// [BodyDigest] or [NoIdentity].
//
// # Keys
//
// Give [New] several keys, newest first, while you rotate; Delivery.Key says which
// one matched. For an endpoint that many senders share, Options.Keys returns the
// keys for a request. A key is decoded as the scheme says and never by guess.
//
// # Storing deliveries
//
// [Delivery.Stored] returns what a store needs to process a delivery later, without
// its signature. [Stored.RestoreUnverified] turns that into the delivery again; its
// name says that nothing is verified a second time.
//
// # Testing
//
// A test is the sender: a [Signer] signs as the scheme does, and
// [Signer.NewRequest] returns a request that the endpoint accepts. Package
// hmacverify/sample makes up secrets and events of any scheme, and idempotency/hooktest
// delivers them. The command hmacverify/explain says why a delivery that you have
// captured, perhaps with hmacverify/send, is refused.
package hmacverify
