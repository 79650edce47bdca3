// Sends webhooks with the official library of Standard Webhooks, and prints the
// status of each answer.
//
//   node sender.cjs URL SECRET

const { Webhook } = require("standardwebhooks");

const [url, secret] = process.argv.slice(2);

async function send({ id, at = new Date(), key = secret, body, sent = body }) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": new Webhook(key).sign(id, at, body),
    },
    body: sent,
  });
  return `${response.status} ${response.headers.get("idempotency-status") ?? ""}`.trim();
}

async function main() {
  const body = JSON.stringify({ type: "user.created", data: { name: "Zoë 🦊" } });
  const anHourAgo = new Date(Date.now() - 3600 * 1000);
  const another = "whsec_" + Buffer.from("a secret that nobody has").toString("base64");
  const answers = {
    "the first delivery": await send({ id: "msg_1", body }),
    "a retry, signed again": await send({ id: "msg_1", body, at: new Date(Date.now() - 1000) }),
    "another event": await send({ id: "msg_2", body }),
    "an altered body": await send({ id: "msg_3", body, sent: body + " " }),
    "another secret": await send({ id: "msg_3", body, key: another }),
    "an hour ago": await send({ id: "msg_3", body, at: anHourAgo }),
  };
  console.log(JSON.stringify(answers));
}

main();
