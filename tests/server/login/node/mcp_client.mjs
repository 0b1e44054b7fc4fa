// The official TypeScript client, as its documentation shows a client that logs in.
//
// It takes the URL of the server and the era. Each line on its input is {"list": true} or
// {"call": NAME, "arguments": {...}}; it prints {"result": ...} or {"error": TEXT}. Before, it may
// print {"open": URL}, for the browser of a person, and wait for a line with what comes back.

import { argv, stdin, stdout } from "node:process";
import { createInterface } from "node:readline";

import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";

const [url, era] = argv.slice(2);
const REDIRECT = "http://127.0.0.1:8765/callback";

const lines = createInterface({ input: stdin })[Symbol.asyncIterator]();
const print = (message) => stdout.write(`${JSON.stringify(message)}\n`);

const kept = {};
const person = {
  redirectUrl: REDIRECT,
  clientMetadata: {
    client_name: "Tests",
    redirect_uris: [REDIRECT],
    grant_types: ["authorization_code", "refresh_token"],
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  discoveryState: () => kept.discovery,
  saveDiscoveryState: (discovery) => void (kept.discovery = discovery),
  redirectToAuthorization: (page) => void print({ open: page.href }),
};

let client, transport;

async function connect() {
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: person });
  client = new Client(
    { name: "tests", version: "1" },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: era } },
  );
  client.setRequestHandler("elicitation/create", () => ({
    action: "accept",
    content: { confirm: true },
  }));
  await client.connect(transport);
}

async function loggedIn(act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    const { value } = await lines.next();
    await transport.finishAuth(new URLSearchParams(JSON.parse(value)));
    return act();
  }
}

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const wanted = JSON.parse(line.value);
  try {
    if (!client) await loggedIn(connect);
    const result = wanted.list
      ? await client.listTools()
      : await loggedIn(() => client.callTool({ name: wanted.call, arguments: wanted.arguments }));
    print({ result, tokens: kept.tokens, version: client.getNegotiatedProtocolVersion() });
  } catch (error) {
    print({ error: String(error) });
  }
}
await client?.close();
