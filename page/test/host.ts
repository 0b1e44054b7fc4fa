// A host for the tests, on the official client and the official host side of the extension, in front
// of a real server. `ask` calls a tool as a model would, and shows the page where the tool names it.
// What the server and the page say is recorded in `heard`. Nothing of it is in the page.

import { Client, type JSONRPCMessage, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  AppBridge,
  PostMessageTransport,
  RESOURCE_MIME_TYPE,
  buildAllowAttribute,
  getToolUiResourceUri,
  isToolVisibilityAppOnly,
} from "@modelcontextprotocol/ext-apps/app-bridge";

type Arguments = Record<string, unknown>;

/** The policy that the extension's specification asks of a host for a page that names no origin. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'none'",
].join("; ");

const HELLO = { name: "a host", version: "1" };
const MODES = ["inline" as const, "fullscreen" as const];
const heard: unknown[] = [];
const dialog = document.querySelector("dialog")!;
const wanted = new URLSearchParams(location.search);

const client = new Client(HELLO, {
  capabilities: {
    ...(wanted.get("asks") !== "no" && { elicitation: { form: {} } }),
    extensions: { "io.modelcontextprotocol/ui": { mimeTypes: [RESOURCE_MIME_TYPE] } },
  },
  versionNegotiation: { mode: wanted.get("era") === "legacy" ? "legacy" : "auto" },
});

/** A person answers the questions of the server in the host, not in the page. */
if (wanted.get("asks") !== "no") client.setRequestHandler("elicitation/create", async ({ params }) => {
  dialog.querySelector("p")!.textContent = params.message;
  dialog.showModal();
  const pressed = await new Promise<string>((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue);
  });
  return pressed === "yes" ? { action: "accept", content: { confirm: true } } : { action: "decline" };
});

const transport = new StreamableHTTPClientTransport(new URL("mcp", location.href));
await client.connect(transport);
const received = transport.onmessage;
transport.onmessage = (message: JSONRPCMessage) => {
  heard.push(message);
  received?.(message);
};
window.addEventListener("message", ({ data }) => heard.push(data));

const { tools } = await client.listTools();

async function ask(name: string, given: Arguments = {}): Promise<unknown> {
  const result = await client.callTool({ name, arguments: given });
  const tool = tools.find((each) => each.name === name)!;
  const uri = getToolUiResourceUri(tool);
  if (uri) await show(uri, given, result);
  return result;
}

async function show(uri: string, given: Arguments, result: Awaited<ReturnType<typeof client.callTool>>) {
  const [content] = (await client.readResource({ uri })).contents;
  if (content?.mimeType !== RESOURCE_MIME_TYPE || !("text" in content)) throw new Error("no page");
  const { permissions } = content._meta!.ui as { permissions: object };

  document.querySelector("iframe")?.remove();
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.allow = buildAllowAttribute(permissions);
  document.body.append(frame);

  const bridge = new AppBridge(
    client,
    HELLO,
    { serverTools: {}, message: { text: {} } },
    { hostContext: { theme: "dark", displayMode: "inline", availableDisplayModes: MODES } },
  );
  bridge.onmessage = async () => ({});
  bridge.onsizechange = ({ height }) => {
    frame.style.height = `${height}px`;
  };
  bridge.onrequestdisplaymode = async ({ mode }) => {
    frame.className = mode;
    return { mode };
  };
  bridge.oninitialized = () => {
    void bridge.sendToolInput({ arguments: given });
    void bridge.sendToolResult(result as Parameters<typeof bridge.sendToolResult>[0]);
  };
  await bridge.connect(new PostMessageTransport(frame.contentWindow!, frame.contentWindow!));
  const policy = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
  frame.srcdoc = content.text.replace("<head>", `<head>${policy}`);
  Object.assign(window, { bridge });
}

const forModel = tools.filter((tool) => !isToolVisibilityAppOnly(tool));
Object.assign(window, { heard, ask, era: client.getNegotiatedProtocolVersion(), tools, forModel });
