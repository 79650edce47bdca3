package hmacverify

// GitHub signs the body in X-Hub-Signature-256, hex after "sha256=".
func GitHub() Scheme {
	return Scheme{
		Name:      "github",
		Signature: []string{"X-Hub-Signature-256"},
		Prefix:    "sha256=",
		ID:        Field{Header: "X-GitHub-Delivery"},
		Type:      Field{Header: "X-GitHub-Event"},
		Identity:  BodyDigest,
	}
}

// Stripe signs "<timestamp>.<body>".
func Stripe() Scheme {
	return Scheme{
		Name:      "stripe",
		Signature: []string{"Stripe-Signature"},
		List:      List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: Timestamp{ListKey: "t"},
		ID:        Field{JSON: "id"},
		Type:      Field{JSON: "type"},
		Identity:  SignedID,
	}
}

// Slack signs "v0:<timestamp>:<body>".
func Slack() Scheme {
	return Scheme{
		Name:      "slack",
		Signature: []string{"X-Slack-Signature"},
		Prefix:    "v0=",
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: Timestamp{Header: "X-Slack-Request-Timestamp"},
		ID:        Field{JSON: "event_id"},
		Type:      Field{JSON: "event.type"},
		Identity:  SignedID,
	}
}

// Shopify signs the body in base64.
func Shopify() Scheme {
	return Scheme{
		Name:      "shopify",
		Signature: []string{"X-Shopify-Hmac-Sha256"},
		Encoding:  Base64,
		ID:        Field{Header: "X-Shopify-Webhook-Id"},
		Type:      Field{Header: "X-Shopify-Topic"},
		Identity:  BodyDigest,
	}
}
