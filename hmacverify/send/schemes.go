package main

import (
	"cmp"
	"slices"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// presets are all functions of preset that return a Scheme. A test keeps the list
// complete.
var presets = []func() hmacverify.Scheme{
	preset.Adyen,
	preset.AdyenStandard,
	preset.Affirm,
	preset.Airship,
	preset.Airtable,
	preset.Airwallex,
	preset.Anthropic,
	preset.Asana,
	preset.AuthorizeNet,
	preset.Bitbucket,
	preset.Box,
	preset.Brex,
	preset.Buildkite,
	preset.CalCom,
	preset.Calendly,
	preset.CheckoutCom,
	preset.Checkr,
	preset.CircleCI,
	preset.Clerk,
	preset.ClickUp,
	preset.CloudflareStream,
	preset.CoinbaseCommerce,
	preset.Coinify,
	preset.ConfigCat,
	preset.Cronofy,
	preset.CustomerIO,
	preset.Deel,
	preset.Didit,
	preset.Discord,
	preset.DocuSign,
	preset.Doppler,
	preset.Dropbox,
	preset.Dub,
	preset.Dwolla,
	preset.Etsy,
	preset.Finch,
	preset.Front,
	preset.Gemini,
	preset.GitHub,
	preset.GitLab,
	preset.GoCardless,
	preset.Heroku,
	preset.HubSpot,
	preset.IDenfy,
	preset.IncidentIO,
	preset.Increase,
	preset.Intercom,
	preset.Jira,
	preset.Klaviyo,
	preset.Knock,
	preset.LaunchDarkly,
	preset.LemonSqueezy,
	preset.LINE,
	preset.Linear,
	preset.Lob,
	preset.Loops,
	preset.MailgunUnsignedBody,
	preset.Mandrill,
	preset.Meta,
	preset.MongoDBAtlas,
	preset.Mux,
	preset.Notion,
	preset.Nylas,
	preset.Onfido,
	preset.Onfleet,
	preset.OpenAI,
	preset.Paddle,
	preset.PagerDuty,
	preset.Paystack,
	preset.Persona,
	preset.Polar,
	preset.QuickBooks,
	preset.Razorpay,
	preset.Recurly,
	preset.Render,
	preset.Replicate,
	preset.Resend,
	preset.Sanity,
	preset.Sentry,
	preset.Shippo,
	preset.Shopify,
	preset.Sinch,
	preset.Slack,
	preset.Square,
	preset.Squarespace,
	preset.StandardWebhooks,
	preset.StandardWebhooksEd25519,
	preset.Stripe,
	preset.StripeIdentity,
	preset.Stytch,
	preset.Sumsub,
	preset.Supabase,
	preset.Svix,
	preset.TabaPay,
	preset.Tally,
	preset.Telnyx,
	preset.TikTok,
	preset.Trello,
	preset.Twilio,
	preset.TwilioJSON,
	preset.Twitch,
	preset.Typeform,
	preset.Vanta,
	preset.Vercel,
	preset.Veriff,
	preset.Webflow,
	preset.WooCommerce,
	preset.WorkOS,
	preset.Worldpay,
	preset.X,
	preset.Xero,
	preset.XSignature256,
	preset.XSignature256Timestamp,
	preset.Zendesk,
	preset.Zoom,
}

// schemes returns the scheme of each preset, sorted by name.
func schemes() []hmacverify.Scheme {
	all := make([]hmacverify.Scheme, len(presets))
	for i, scheme := range presets {
		all[i] = scheme()
	}
	slices.SortFunc(all, func(a, b hmacverify.Scheme) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// schemeNamed returns the scheme with that name.
func schemeNamed(name string) (hmacverify.Scheme, bool) {
	for _, scheme := range presets {
		if s := scheme(); s.Name == name {
			return s, true
		}
	}
	return hmacverify.Scheme{}, false
}
