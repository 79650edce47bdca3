// How each package signs and verifies. A message has
//
//   body, text  the raw body, as a Buffer and as a string
//   headers     of the request, in lower case
//   secret, url the endpoint's
//
// sign returns headers. verify returns false or throws if the package refuses the
// delivery. Packages are loaded when they are first used.

const seconds = () => Math.floor(Date.now() / 1000);

// standard verifies by a class like that of Standard Webhooks.
const standard = (name, type) => ({
  verify: (m) => new (require(name)[type])(m.secret).verify(m.text, m.headers),
});

// signing adds a sign with such a class.
const signing = (name, type, prefix) => ({
  ...standard(name, type),
  sign: (m) => ({
    [`${prefix}-id`]: "msg_1",
    [`${prefix}-timestamp`]: String(seconds()),
    [`${prefix}-signature`]: new (require(name)[type])(m.secret).sign("msg_1", new Date(), m.text),
  }),
});

module.exports = {
  "@adyen/api-library": {
    sign: (m) => ({ hmacsignature: adyen().calculateHmacSignature(m.text, m.secret) }),
    verify: (m) => adyen().validateHMACSignature(m.secret, m.headers.hmacsignature, m.text),
  },

  "@anthropic-ai/sdk": {
    verify: (m) => new (require("@anthropic-ai/sdk"))({ apiKey: "key" }).beta.webhooks.unwrap(m.text, { headers: m.headers, key: m.secret }),
  },

  "@clerk/backend": {
    verify: (m) =>
      require("@clerk/backend/webhooks").verifyWebhook(
        new Request("https://example.com", { method: "POST", headers: m.headers, body: m.body }), { signingSecret: m.secret }),
  },

  "@contentful/node-apps-toolkit": {
    sign: (m) => require("@contentful/node-apps-toolkit").signRequest(m.secret, canonical(m, {}), Date.now()),
    verify: (m) => require("@contentful/node-apps-toolkit").verifyRequest(m.secret, canonical(m, m.headers)),
  },

  "@cord-sdk/server": {
    verify: (m) =>
      require("@cord-sdk/server").validateWebhookSignature(
        m.text, m.headers["x-cord-timestamp"], m.headers["x-cord-signature"], m.secret),
  },

  "@easypost/api": {
    verify: (m) => new (require("@easypost/api"))("key").Utils.validateWebhook(m.body, m.headers, m.secret),
  },

  "@elevenlabs/elevenlabs-js": {
    verify: (m) =>
      new (require("@elevenlabs/elevenlabs-js").ElevenLabsClient)({ apiKey: "key" }).webhooks.constructEvent(
        m.text, m.headers["elevenlabs-signature"], m.secret),
  },

  "@hookdeck/sdk": {
    verify: async (m) =>
      (await require("@hookdeck/sdk/webhooks/helpers").verifyWebhookSignature({
        headers: m.headers, rawBody: m.text, signingSecret: m.secret })).isValidSignature,
  },

  "@hubspot/api-client": {
    sign: (m) => {
      const timestamp = Date.now();
      return {
        "x-hubspot-request-timestamp": String(timestamp),
        "x-hubspot-signature-v3": require("@hubspot/api-client").Signature.getSignature("POST", "v3", hubspot(m, timestamp)),
      };
    },
    verify: (m) =>
      require("@hubspot/api-client").Signature.isValid({
        ...hubspot(m, Number(m.headers["x-hubspot-request-timestamp"])),
        signatureVersion: "v3", signature: m.headers["x-hubspot-signature-v3"] }),
  },

  "@kontent-ai/webhook-helper": {
    sign: (m) => ({ "x-kontent-ai-signature": require("@kontent-ai/webhook-helper").signatureHelper.getHashFromString(m.text, m.secret) }),
    verify: (m) =>
      require("@kontent-ai/webhook-helper").signatureHelper.isValidSignatureFromString(
        m.text, m.secret, m.headers["x-kontent-ai-signature"]),
  },

  "@line/bot-sdk": {
    verify: (m) => require("@line/bot-sdk").validateSignature(m.body, m.secret, m.headers["x-line-signature"]),
  },

  "@linear/sdk": {
    verify: (m) => new (require("@linear/sdk/webhooks").LinearWebhookClient)(m.secret).verify(m.body, m.headers["linear-signature"]),
  },

  "@liveblocks/node": {
    verify: (m) => new (require("@liveblocks/node").WebhookHandler)(m.secret).verifyRequest({ headers: m.headers, rawBody: m.text }),
  },

  "@mux/mux-node": {
    sign: async (m) => {
      const at = seconds();
      return { "mux-signature": `t=${at},v1=${await mux().computeSignature(`${at}.${m.text}`, m.secret)}` };
    },
    verify: (m) => mux().verifySignature(m.text, m.headers, m.secret),
  },

  "@nangohq/node": {
    verify: (m) =>
      new (require("@nangohq/node").Nango)({ secretKey: "key", webhookSigningKey: m.secret })
        .verifyIncomingWebhookRequest(m.text, m.headers),
  },

  "@notionhq/client": {
    sign: async (m) => ({
      "x-notion-signature": await require("@notionhq/client").signWebhookPayload({ body: m.text, verificationToken: m.secret }),
    }),
    verify: (m) =>
      require("@notionhq/client").verifyWebhookSignature({
        body: m.text, signature: m.headers["x-notion-signature"], verificationToken: m.secret }),
  },

  "@octokit/webhooks-methods": {
    sign: async (m) => ({ "x-hub-signature-256": await (await import("@octokit/webhooks-methods")).sign(m.secret, m.text) }),
    verify: async (m) =>
      (await import("@octokit/webhooks-methods")).verify(m.secret, m.text, m.headers["x-hub-signature-256"]),
  },

  "@onfido/api": {
    verify: (m) => new (require("@onfido/api").WebhookEventVerifier)(m.secret).readPayload(m.body, m.headers["x-sha2-signature"]),
  },

  "@paddle/paddle-node-sdk": {
    verify: (m) =>
      new (require("@paddle/paddle-node-sdk").Paddle)("key").webhooks.isSignatureValid(
        m.text, m.secret, m.headers["paddle-signature"]),
  },

  "@polar-sh/sdk": {
    verify: (m) => {
      const { validateEvent, WebhookVerificationError } = require("@polar-sh/sdk/webhooks");
      try {
        validateEvent(m.text, m.headers, m.secret);
      } catch (e) {
        if (e instanceof WebhookVerificationError) throw e; // else only the event is none of Polar's
      }
    },
  },

  "@sanity/webhook": {
    sign: async (m) => ({
      "sanity-webhook-signature": await require("@sanity/webhook").encodeSignatureHeader(m.text, Date.now(), m.secret),
    }),
    verify: (m) => require("@sanity/webhook").isValidSignature(m.text, m.headers["sanity-webhook-signature"], m.secret),
  },

  "@seamapi/webhook": standard("@seamapi/webhook", "SeamWebhook"),

  "@shopify/shopify-api": {
    verify: async (m) => {
      const rawRequest = { method: "POST", url: "/", headers: m.headers };
      return (await shopify(m).webhooks.validate({ rawBody: m.text, rawRequest, rawResponse: {} })).valid;
    },
  },

  "@slack/bolt": {
    verify: (m) =>
      require("@slack/bolt/dist/receivers/verify-request").verifySlackRequest({
        signingSecret: m.secret, body: m.text,
        headers: {
          "x-slack-signature": m.headers["x-slack-signature"],
          "x-slack-request-timestamp": Number(m.headers["x-slack-request-timestamp"]),
        } }),
  },

  "@slack/events-api": {
    verify: (m) =>
      require("@slack/events-api").verifyRequestSignature({
        signingSecret: m.secret, body: m.text,
        requestSignature: m.headers["x-slack-signature"],
        requestTimestamp: Number(m.headers["x-slack-request-timestamp"]) }),
  },

  "@tryfinch/finch-api": {
    sign: (m) => {
      const at = seconds(), f = finch();
      return {
        "finch-event-id": "msg_1",
        "finch-timestamp": String(at),
        "finch-signature": f.signPayload(m.text, { eventId: "msg_1", timestamp: new Date(at * 1000), secret: f.parseSecret(m.secret) }),
      };
    },
    verify: (m) => finch().verifySignature(m.text, m.headers, m.secret),
  },

  "@whop/sdk": {
    verify: (m) =>
      new (require("@whop/sdk"))({ apiKey: "key" }).webhooks.unwrap(m.text, { headers: m.headers, key: Buffer.from(m.secret).toString("base64") }),
  },

  "@workos-inc/node": {
    sign: async (m) => {
      const at = Date.now();
      return { "workos-signature": `t=${at}, v1=${await workos().computeSignature(at, JSON.parse(m.text), m.secret)}` };
    },
    verify: (m) =>
      workos().verifyHeader({ payload: JSON.parse(m.text), sigHeader: m.headers["workos-signature"], secret: m.secret }),
  },

  "box-node-sdk": {
    verify: (m) => require("box-node-sdk/managers/webhooks").WebhooksManager.validateMessage(m.text, m.headers, m.secret),
  },

  "cashfree-pg": {
    verify: (m) => {
      const { Cashfree, CFEnvironment } = require("cashfree-pg");
      new Cashfree(CFEnvironment.SANDBOX, "id", m.secret).PGVerifyWebhookSignature(
        m.headers["x-webhook-signature"], m.text, m.headers["x-webhook-timestamp"]);
    },
  },

  "coinbase-commerce-node": {
    sign: (m) => ({ "x-cc-webhook-signature": require("coinbase-commerce-node").Webhook.computeSignature(m.text, m.secret) }),
    verify: (m) =>
      require("coinbase-commerce-node").Webhook.verifySigHeader(m.text, m.headers["x-cc-webhook-signature"], m.secret),
  },

  "crisp-api": {
    verify: (m) => {
      const crisp = new (require("crisp-api").Crisp)();
      crisp._loopback = {}; // as if events came by webhooks
      return crisp.verifyHook(m.secret, JSON.parse(m.text), m.headers["x-crisp-request-timestamp"], m.headers["x-crisp-signature"]);
    },
  },

  cronofy: {
    verify: (m) =>
      new (require("cronofy"))({ client_secret: m.secret }).hmacValid({ hmac: m.headers["cronofy-hmac-sha256"], body: m.text }),
  },

  "discord-interactions": {
    verify: (m) =>
      require("discord-interactions").verifyKey(
        m.body, m.headers["x-signature-ed25519"], m.headers["x-signature-timestamp"], m.secret),
  },

  dodopayments: {
    verify: (m) => new (require("dodopayments"))({ bearerToken: "key" }).webhooks.unwrap(m.text, { headers: m.headers, key: m.secret }),
  },

  "gocardless-nodejs": {
    verify: (m) => require("gocardless-nodejs/webhooks").verifySignature(m.body, m.secret, m.headers["webhook-signature"]),
  },

  imagekit: {
    verify: (m) => imagekit().verifyWebhookEvent(m.body, m.headers["x-ik-signature"], m.secret),
  },

  lithic: {
    verify: (m) => new (require("lithic"))({ apiKey: "key" }).webhooks.verifySignature(m.text, m.headers, m.secret),
  },

  mailtrap: {
    verify: (m) => require("mailtrap").verifyWebhookSignature(m.body, m.headers["mailtrap-signature"], m.secret),
  },

  "modern-treasury": {
    sign: (m) => ({ "x-signature": treasury().getSignature(m.text, { key: m.secret }) }),
    verify: (m) => treasury().validateSignature(m.text, m.headers, { key: m.secret }),
  },

  openai: {
    verify: (m) => new (require("openai"))({ apiKey: "key" }).webhooks.verifySignature(m.text, m.headers, m.secret),
  },

  "orb-billing": {
    sign: (m) => {
      const timestamp = new Date().toISOString().replace("Z", "000"), o = orb();
      return {
        "x-orb-timestamp": timestamp,
        "x-orb-signature": o.signPayload(m.text, { timestamp, secret: o.parseSecret(m.secret) }),
      };
    },
    verify: (m) => orb().verifySignature(m.text, m.headers, m.secret),
  },

  pusher: {
    sign: (m) => ({ "x-pusher-key": "key", "x-pusher-signature": pusher(m).config.token.sign(m.text) }),
    verify: (m) => pusher(m).webhook({ headers: m.headers, rawBody: m.text }).isValid(),
  },

  razorpay: {
    verify: (m) => require("razorpay").validateWebhookSignature(m.text, m.headers["x-razorpay-signature"], m.secret),
  },

  replicate: {
    verify: (m) => require("replicate").validateWebhook({ headers: m.headers, body: m.text }, m.secret),
  },

  resend: {
    verify: (m) =>
      new (require("resend").Resend)("key").webhooks.verify({
        payload: m.text, webhookSecret: m.secret,
        headers: { id: m.headers["svix-id"], timestamp: m.headers["svix-timestamp"], signature: m.headers["svix-signature"] } }),
  },

  "retell-sdk": {
    sign: async (m) => ({ "x-retell-signature": await require("retell-sdk").sign(m.text, m.secret) }),
    verify: (m) => require("retell-sdk").verify(m.text, m.secret, m.headers["x-retell-signature"]),
  },

  smartcar: {
    sign: (m) => ({ "sc-signature": require("smartcar").hashChallenge(m.secret, m.text) }),
    verify: (m) => require("smartcar").verifyPayload(m.secret, m.headers["sc-signature"], JSON.parse(m.text)),
  },

  square: {
    verify: (m) =>
      require("square").WebhooksHelper.verifySignature({
        requestBody: m.text, signatureKey: m.secret, notificationUrl: m.url,
        signatureHeader: m.headers["x-square-hmacsha256-signature"] }),
  },

  standardwebhooks: signing("standardwebhooks", "Webhook", "webhook"),

  stripe: {
    sign: (m) => ({ "stripe-signature": stripe().generateTestHeaderString({ payload: m.text, secret: m.secret }) }),
    verify: (m) => stripe().signature.verifyHeader(m.body, m.headers["stripe-signature"], m.secret, 300),
  },

  svix: signing("svix", "Webhook", "svix"),

  telnyx: {
    verify: (m) => new (require("telnyx"))({ apiKey: "key" }).webhooks.unwrap(m.text, { headers: m.headers, key: m.secret }),
  },

  "terra-api": {
    verify: (m) => require("terra-api").verifyTerraWebhookSignature(m.text, m.headers["terra-signature"], m.secret),
  },

  twilio: {
    sign: (m) => ({ "x-twilio-signature": require("twilio").getExpectedTwilioSignature(m.secret, m.url, form(m)) }),
    verify: (m) => require("twilio").validateRequest(m.secret, m.headers["x-twilio-signature"], m.url, form(m)),
  },

  "twilio-json": {
    sign: (m) => ({ "x-twilio-signature": require("twilio").getExpectedTwilioSignature(m.secret, withHash(m), {}) }),
    verify: (m) => require("twilio").validateRequestWithBody(m.secret, m.headers["x-twilio-signature"], withHash(m), m.text),
  },

  "viber-bot": {
    verify: (m) =>
      new (require("viber-bot/lib/message/message-validator"))({ debug: () => {} }, m.secret).validateMessage(
        m.headers["x-viber-content-signature"], m.body),
  },

  "webflow-api": {
    verify: (m) =>
      new (require("webflow-api").WebflowClient)({ accessToken: "key" }).webhooks.verifySignature({
        headers: m.headers, body: m.text, secret: m.secret }),
  },
};

const adyen = () => new (require("@adyen/api-library").hmacValidator)();
const shopify = (m) => {
  require("@shopify/shopify-api/adapters/node");
  const { shopifyApi, ApiVersion } = require("@shopify/shopify-api");
  return shopifyApi({
    apiKey: "key", apiSecretKey: m.secret, hostName: "example.com", isEmbeddedApp: true,
    apiVersion: Object.values(ApiVersion)[0], logger: { log: () => {} } });
};
const orb = () => new (require("orb-billing"))({ apiKey: "key" }).webhooks;
const hubspot = (m, timestamp) => ({ clientSecret: m.secret, requestBody: m.text, url: m.url, method: "POST", timestamp });
const form = (m) => Object.fromEntries(new URLSearchParams(m.text));
const withHash = (m) => `${m.url}&bodySHA256=${require("twilio/lib/webhooks/webhooks").getExpectedBodyHash(m.text)}`;

const canonical = (m, headers) => ({ method: "POST", path: m.url.slice(new URL(m.url).origin.length), headers, body: m.text });
const stripe = () => new (require("stripe"))("key").webhooks;
const mux = () => new (require("@mux/mux-node"))({ tokenId: "id", tokenSecret: "key" }).webhooks;
const finch = () => new (require("@tryfinch/finch-api"))({ accessToken: "key" }).webhooks;
const workos = () => new (require("@workos-inc/node").WorkOS)("key").webhooks;
const treasury = () => new (require("modern-treasury"))({ apiKey: "key", organizationID: "id" }).webhooks;
const pusher = (m) => new (require("pusher"))({ appId: "id", key: "key", secret: m.secret });
const imagekit = () =>
  new (require("imagekit"))({ publicKey: "id", privateKey: "key", urlEndpoint: "https://ik.imagekit.io/id" });
