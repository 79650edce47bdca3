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
  "@cord-sdk/server": {
    verify: (m) =>
      require("@cord-sdk/server").validateWebhookSignature(
        m.text, m.headers["x-cord-timestamp"], m.headers["x-cord-signature"], m.secret),
  },

  "@easypost/api": {
    verify: (m) => new (require("@easypost/api"))("key").Utils.validateWebhook(m.body, m.headers, m.secret),
  },

  "@kontent-ai/webhook-helper": {
    sign: (m) => ({ "x-kontent-ai-signature": require("@kontent-ai/webhook-helper").signatureHelper.getHashFromString(m.text, m.secret) }),
    verify: (m) =>
      require("@kontent-ai/webhook-helper").signatureHelper.isValidSignatureFromString(
        m.text, m.secret, m.headers["x-kontent-ai-signature"]),
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

  "@sanity/webhook": {
    sign: async (m) => ({
      "sanity-webhook-signature": await require("@sanity/webhook").encodeSignatureHeader(m.text, Date.now(), m.secret),
    }),
    verify: (m) => require("@sanity/webhook").isValidSignature(m.text, m.headers["sanity-webhook-signature"], m.secret),
  },

  "@seamapi/webhook": standard("@seamapi/webhook", "SeamWebhook"),

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

  "@workos-inc/node": {
    sign: async (m) => {
      const at = Date.now();
      return { "workos-signature": `t=${at}, v1=${await workos().computeSignature(at, JSON.parse(m.text), m.secret)}` };
    },
    verify: (m) =>
      workos().verifyHeader({ payload: JSON.parse(m.text), sigHeader: m.headers["workos-signature"], secret: m.secret }),
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

  "gocardless-nodejs": {
    verify: (m) => require("gocardless-nodejs/webhooks").verifySignature(m.body, m.secret, m.headers["webhook-signature"]),
  },

  imagekit: {
    verify: (m) => imagekit().verifyWebhookEvent(m.body, m.headers["x-ik-signature"], m.secret),
  },

  mailtrap: {
    verify: (m) => require("mailtrap").verifyWebhookSignature(m.body, m.headers["mailtrap-signature"], m.secret),
  },

  "modern-treasury": {
    sign: (m) => ({ "x-signature": treasury().getSignature(m.text, { key: m.secret }) }),
    verify: (m) => treasury().validateSignature(m.text, m.headers, { key: m.secret }),
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

  smartcar: {
    sign: (m) => ({ "sc-signature": require("smartcar").hashChallenge(m.secret, m.text) }),
    verify: (m) => require("smartcar").verifyPayload(m.secret, m.headers["sc-signature"], JSON.parse(m.text)),
  },

  standardwebhooks: signing("standardwebhooks", "Webhook", "webhook"),

  stripe: {
    sign: (m) => ({ "stripe-signature": stripe().generateTestHeaderString({ payload: m.text, secret: m.secret }) }),
    verify: (m) => stripe().signature.verifyHeader(m.body, m.headers["stripe-signature"], m.secret, 300),
  },

  svix: signing("svix", "Webhook", "svix"),
};

const stripe = () => new (require("stripe"))("key").webhooks;
const mux = () => new (require("@mux/mux-node"))({ tokenId: "id", tokenSecret: "key" }).webhooks;
const finch = () => new (require("@tryfinch/finch-api"))({ accessToken: "key" }).webhooks;
const workos = () => new (require("@workos-inc/node").WorkOS)("key").webhooks;
const treasury = () => new (require("modern-treasury"))({ apiKey: "key", organizationID: "id" }).webhooks;
const pusher = (m) => new (require("pusher"))({ appId: "id", key: "key", secret: m.secret });
const imagekit = () =>
  new (require("imagekit"))({ publicKey: "id", privateKey: "key", urlEndpoint: "https://ik.imagekit.io/id" });
