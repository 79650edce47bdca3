package main

import (
	"cmp"
	"slices"

	"github.com/hookonce/hookonce/hmacverify"
)

// presets are all functions of hmacverify that return a Scheme. A test keeps the
// list complete.
var presets = []func() hmacverify.Scheme{
	hmacverify.Adyen,
	hmacverify.AdyenStandard,
	hmacverify.Affirm,
	hmacverify.Airship,
	hmacverify.Airtable,
	hmacverify.Airwallex,
	hmacverify.Anthropic,
	hmacverify.Asana,
	hmacverify.AuthorizeNet,
	hmacverify.Bitbucket,
	hmacverify.Box,
	hmacverify.Brex,
	hmacverify.Buildkite,
	hmacverify.CalCom,
	hmacverify.Calendly,
	hmacverify.CheckoutCom,
	hmacverify.Checkr,
	hmacverify.CircleCI,
	hmacverify.Clerk,
	hmacverify.ClickUp,
	hmacverify.CloudflareStream,
	hmacverify.CoinbaseCommerce,
	hmacverify.Coinify,
	hmacverify.ConfigCat,
	hmacverify.Cronofy,
	hmacverify.CustomerIO,
	hmacverify.Deel,
	hmacverify.Didit,
	hmacverify.Discord,
	hmacverify.DocuSign,
	hmacverify.Doppler,
	hmacverify.Dropbox,
	hmacverify.Dub,
	hmacverify.Dwolla,
	hmacverify.Etsy,
	hmacverify.Finch,
	hmacverify.Front,
	hmacverify.Gemini,
	hmacverify.GitHub,
	hmacverify.GitLab,
	hmacverify.GoCardless,
	hmacverify.Heroku,
	hmacverify.HubSpot,
	hmacverify.IDenfy,
	hmacverify.IncidentIO,
	hmacverify.Increase,
	hmacverify.Intercom,
	hmacverify.Jira,
	hmacverify.Klaviyo,
	hmacverify.Knock,
	hmacverify.LaunchDarkly,
	hmacverify.LemonSqueezy,
	hmacverify.LINE,
	hmacverify.Linear,
	hmacverify.Lob,
	hmacverify.Loops,
	hmacverify.MailgunUnsignedBody,
	hmacverify.Mandrill,
	hmacverify.Meta,
	hmacverify.MongoDBAtlas,
	hmacverify.Mux,
	hmacverify.Notion,
	hmacverify.Nylas,
	hmacverify.Onfido,
	hmacverify.Onfleet,
	hmacverify.OpenAI,
	hmacverify.Paddle,
	hmacverify.PagerDuty,
	hmacverify.Paystack,
	hmacverify.Persona,
	hmacverify.Polar,
	hmacverify.QuickBooks,
	hmacverify.Razorpay,
	hmacverify.Recurly,
	hmacverify.Render,
	hmacverify.Replicate,
	hmacverify.Resend,
	hmacverify.Sanity,
	hmacverify.Sentry,
	hmacverify.Shippo,
	hmacverify.Shopify,
	hmacverify.Sinch,
	hmacverify.Slack,
	hmacverify.Square,
	hmacverify.Squarespace,
	hmacverify.StandardWebhooks,
	hmacverify.StandardWebhooksEd25519,
	hmacverify.Stripe,
	hmacverify.StripeIdentity,
	hmacverify.Stytch,
	hmacverify.Sumsub,
	hmacverify.Supabase,
	hmacverify.Svix,
	hmacverify.TabaPay,
	hmacverify.Tally,
	hmacverify.Telnyx,
	hmacverify.TikTok,
	hmacverify.Trello,
	hmacverify.Twilio,
	hmacverify.TwilioJSON,
	hmacverify.Twitch,
	hmacverify.Typeform,
	hmacverify.Vanta,
	hmacverify.Vercel,
	hmacverify.Veriff,
	hmacverify.Webflow,
	hmacverify.WooCommerce,
	hmacverify.WorkOS,
	hmacverify.Worldpay,
	hmacverify.X,
	hmacverify.Xero,
	hmacverify.XSignature256,
	hmacverify.XSignature256Timestamp,
	hmacverify.Zendesk,
	hmacverify.Zoom,
}

// schemes returns the scheme of each preset, sorted by name.
func schemes() []hmacverify.Scheme {
	all := make([]hmacverify.Scheme, len(presets))
	for i, preset := range presets {
		all[i] = preset()
	}
	slices.SortFunc(all, func(a, b hmacverify.Scheme) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// schemeNamed returns the scheme with that name.
func schemeNamed(name string) (hmacverify.Scheme, bool) {
	for _, preset := range presets {
		if s := preset(); s.Name == name {
			return s, true
		}
	}
	return hmacverify.Scheme{}, false
}
