// A host for the tests, on the official host side of the extension. Nothing of it is in the page.

import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const frame = document.querySelector("iframe")!;
const state = { calls: [] as unknown[], messages: [] as unknown[], sizes: [] as unknown[] };
const answers = (window as any).answers as Record<string, any>;
const bridge = new AppBridge(
  null,
  { name: "a host", version: "1" },
  { serverTools: {}, message: {}, openLinks: {} },
  { hostContext: { theme: "dark", displayMode: "inline" } },
);

bridge.oncalltool = async (params: any) => {
  state.calls.push(params);
  const answer = answers[params.name];
  if (params.name === "reveal_client_secret_to_page") return sealed(params.arguments.public_key, answer);
  if (answer?.thrown) throw Object.assign(new Error(answer.thrown), { data: { status: 502 } });
  return answer ?? { content: [{ type: "text", text: "{}" }] };
};
bridge.onmessage = async (params: any) => {
  state.messages.push(params);
  return {};
};
bridge.onsizechange = (params: any) => void state.sizes.push(params);
bridge.oninitialized = () => {
  (window as any).ready = true;
  bridge.sendToolInput({ arguments: (window as any).input ?? {} });
  bridge.sendToolResult((window as any).result ?? { content: [] });
};

/** What the server would do: encrypt for the key of the page. */
async function sealed(publicKey: string, secret: string) {
  const spki = Uint8Array.from(atob(publicKey), (char) => char.charCodeAt(0));
  const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("spki", spki, algorithm, false, ["encrypt"]);
  const bytes = await crypto.subtle.encrypt(algorithm, key, new TextEncoder().encode(secret));
  const ciphertext = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  const result = { client_id: "app", which: "current", ciphertext };
  return { content: [{ type: "text", text: JSON.stringify(result) }], structuredContent: result };
}

Object.assign(window, { state, bridge });
const transport = new PostMessageTransport(frame.contentWindow!, frame.contentWindow!);
await bridge.connect(transport);
frame.srcdoc = (window as any).page;
