// A certified OpenID provider, for clients with credentials of their own. Their secret is "secret".
// Clients with "opaque" in their id get opaque tokens; others get JWTs, for any resource.
//
// It prints {"url": ...}, and answers each line on its input with {}:
// {"do": "rotate"}: sign with the key that was published ahead, publish another one, and withdraw
//     what signed before the last one.
// {"do": "replace"}: sign with a key that was never published, and withdraw all others.
// {"do": "fail"}, {"do": "recover"}: answer each request with 500, or as before.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";

import Provider from "oidc-provider";

const SCOPES = "apps:read apps:write apps:delete";
const NUMBERS = [...Array(16).keys()];
const CLIENTS = ["server", ...NUMBERS.flatMap((n) => [`jwt-${n}`, `opaque-${n}`])];
const TWELVE_HOURS = 12 * 3600;

const print = (message) => stdout.write(`${JSON.stringify(message)}\n`);

let made = 0;
function newKey() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${++made}` };
}

// Outlives a provider. What it keeps never expires while a test runs.
const stored = new Map();
const storage = (model) => ({
  upsert: async (id, payload) => void stored.set(`${model} ${id}`, payload),
  find: async (id) => stored.get(`${model} ${id}`),
  destroy: async (id) => void stored.delete(`${model} ${id}`),
});

function clientOf(id) {
  return {
    client_id: id,
    client_secret: "secret",
    grant_types: ["client_credentials"],
    id_token_signed_response_alg: "ES256",
    response_types: [],
    redirect_uris: [],
    scope: SCOPES,
  };
}

function providerWith(keys) {
  const provider = new Provider(url, {
    adapter: storage,
    jwks: { keys },
    clients: CLIENTS.map(clientOf),
    scopes: SCOPES.split(" "),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource, client) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenTTL: TWELVE_HOURS,
          accessTokenFormat: client.clientId.includes("opaque") ? "opaque" : "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
    ttl: { ClientCredentials: TWELVE_HOURS },
  });
  return provider.callback();
}

const server = createServer((request, response) => answer(request, response));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}`;

const failing = (_request, response) => response.writeHead(500).end();
let signing = newKey();
let next = newKey();
let answer;
let healthy;

function publish(...keys) {
  answer = healthy = providerWith(keys);
}

const does = {
  rotate() {
    const before = signing;
    signing = next;
    next = newKey();
    publish(signing, next, before);
  },
  replace() {
    signing = newKey();
    next = newKey();
    publish(signing);
  },
  fail: () => (answer = failing),
  recover: () => (answer = healthy),
};

publish(signing, next);
print({ url });
for await (const line of createInterface({ input: stdin })) {
  does[JSON.parse(line).do]();
  print({});
}
server.close();
server.closeAllConnections();
