// Signs and verifies with the packages in sdks.cjs, over HTTP.
//
//   node server.cjs CONFIGURATION
//
// CONFIGURATION is an object that has, for each package, secret and url. The server
// prints its address.
//
//   POST /verify/PACKAGE  is a delivery: 200 if the package accepts it, else 401
//   POST /sign/PACKAGE    signs the body, delivers it to the URL in the header
//                         deliver-to, and answers as that does. With the header
//                         altered, what is delivered differs in a byte.

const http = require("node:http");
const sdks = require("./sdks.cjs");

const configuration = JSON.parse(process.argv[2]);

async function verify(sdk, message) {
  try {
    // A function that returns nothing says no by throwing.
    return (await sdk.verify(message)) === false ? [401, "refused"] : [200, "accepted"];
  } catch (e) {
    return [401, String(e)];
  }
}

async function sign(sdk, message) {
  let headers;
  try {
    headers = await sdk.sign(message);
  } catch (e) {
    return [400, String(e)];
  }
  const body = message.headers.altered ? alter(message.body) : message.body;
  const response = await fetch(message.headers["deliver-to"], {
    method: "POST",
    headers: { "content-type": message.headers["content-type"], ...headers },
    body,
  });
  return [response.status, await response.text()];
}

// alter changes the byte of a text that bodies have, so that JSON stays JSON.
function alter(body) {
  if (body.length === 0) return Buffer.from(" ");
  const altered = Buffer.from(body);
  altered.write("O", body.indexOf("original"));
  return altered;
}

async function answer(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const [, action, name] = request.url.match(/^\/(\w+)\/(.+)$/);
  const message = { body, text: body.toString(), headers: request.headers, ...configuration[name] };
  const [status, text] = await { sign, verify }[action](sdks[name], message);
  response.writeHead(status).end(text);
}

const server = http.createServer((request, response) =>
  answer(request, response).catch((e) => response.writeHead(500).end(e.stack)),
);
// Loading a package can take seconds, in which no connection may end for being idle.
server.keepAliveTimeout = server.requestTimeout = server.headersTimeout = 0;
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.on("end", () => process.exit()).resume(); // the test has ended
