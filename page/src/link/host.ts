// The link to the host of an MCP App: the extension io.modelcontextprotocol/ui over postMessage.
//
// The official library needs three times the bytes that the whole page may have. The tests speak
// with its host side, so both agree.

import { type KeyPair, decrypted, newKeyPair } from "../data/sealed.ts";
import {
  type About,
  type Answer,
  type Arguments,
  type DisplayMode,
  type Failure,
  type Link,
  type LinkEvent,
  type Outcome,
  type Secret,
  UNREACHABLE,
  type Which,
  failed,
} from "./link.ts";

export const PROTOCOL_VERSION = "2026-01-26";

const MODES: DisplayMode[] = ["inline", "fullscreen"];

/** The tool that answers with a secret that only this page can decrypt. */
export const SEALED_SECRET = "reveal_client_secret_to_page";

interface Message {
  jsonrpc: "2.0";
  id?: number | string;
  method?: string;
  params?: any;
  result?: any;
  error?: RequestError;
}

interface RequestError {
  code: number;
  message: string;
  data?: unknown;
}

interface ToolResult {
  content?: { type: string; text?: string }[];
  structuredContent?: unknown;
  isError?: boolean;
}

export class HostLink implements Link {
  readonly reveals = SEALED_SECRET;
  private heard = new Set<(event: LinkEvent) => void>();
  private waiting = new Map<number, (message: Message) => void>();
  private last = 0;
  /** Of presses that no secret has come for yet: a person approves a call with the same arguments. */
  private keys = new Map<string, KeyPair>();
  private given: Arguments = {};
  /** What the conversation is about. It may come before somebody listens. */
  private begun: LinkEvent | null = null;
  say?: (text: string) => Promise<void>;
  display?: (mode: DisplayMode) => Promise<void>;

  constructor(private host: Window = window.parent) {
    window.addEventListener("message", (event) => {
      if (event.source === this.host) this.receive(event.data as Message);
    });
  }

  async enter(): Promise<Outcome<null>> {
    const { result, error } = await this.request("ui/initialize", {
      appInfo: { name: "connected-apps", version: "1" },
      appCapabilities: { availableDisplayModes: MODES },
      protocolVersion: PROTOCOL_VERSION,
    });
    if (error) return failed(UNREACHABLE, "The host refused the page.", error.message);
    const context = result.hostContext ?? {};
    this.adopt(context);
    if (result.hostCapabilities?.message) this.say = (text) => this.saying(text);
    const has = (mode: string) => context.availableDisplayModes?.includes(mode);
    if (MODES.every(has)) this.display = (mode) => this.displaying(mode);
    this.notify("ui/notifications/initialized", {});
    this.reportSize();
    return { result: null };
  }

  /** The server writes this into the page when it hands the page out. */
  async about(): Promise<Outcome<About>> {
    const about = JSON.parse(document.getElementById("about")?.textContent ?? "null");
    return about ? { result: about } : failed("no_about", "The server did not describe itself.");
  }

  async call<T>(tool: string, given: Arguments, _answer?: Answer): Promise<Outcome<T>> {
    const { result, error } = await this.request("tools/call", { name: tool, arguments: given });
    if (error) return { error: failureOf(error) };
    return outcomeOf<T>(result as ToolResult);
  }

  async revealSecret(clientId: string, which: Which): Promise<Outcome<Secret>> {
    const wanted = `${which} ${clientId}`;
    let keys: KeyPair;
    try {
      keys = this.keys.get(wanted) ?? (await newKeyPair());
    } catch {
      return failed(
        "no_webcrypto",
        "This host gives the page no means to decrypt a secret.",
        "Run connected-apps-mcp console, and show the secret there.",
      );
    }
    this.keys.set(wanted, keys);
    const given = { client_id: clientId, which, public_key: keys.publicKey };
    const outcome = await this.call<{ ciphertext: string } & Secret>(SEALED_SECRET, given);
    if (!("result" in outcome)) return outcome;
    this.keys.delete(wanted);
    const { ciphertext, ...more } = outcome.result;
    try {
      return { result: { ...more, value: await decrypted(keys, ciphertext) } };
    } catch {
      return failed("not_decrypted", "What came is not a secret for this page.");
    }
  }

  listen(heard: (event: LinkEvent) => void): () => void {
    this.heard.add(heard);
    if (this.begun) heard(this.begun);
    return () => this.heard.delete(heard);
  }

  private async saying(text: string): Promise<void> {
    await this.request("ui/message", { role: "user", content: [{ type: "text", text }] });
  }

  /** The host may have its reasons to stay with another mode. */
  private async displaying(mode: DisplayMode): Promise<void> {
    const { result } = await this.request("ui/request-display-mode", { mode });
    this.adopt({ displayMode: result?.mode });
  }

  private receive(message: Message): void {
    if (message?.jsonrpc !== "2.0") return;
    if (message.method === undefined) {
      const id = message.id as number;
      this.waiting.get(id)?.(message);
      this.waiting.delete(id);
    } else if (message.id === undefined) this.notified(message.method, message.params ?? {});
    else this.answer(message);
  }

  private notified(method: string, params: any): void {
    if (method === "ui/notifications/host-context-changed") this.adopt(params);
    if (method === "ui/notifications/tool-input") this.given = params.arguments ?? {};
    if (method === "ui/notifications/tool-result") {
      const outcome = outcomeOf<unknown>(params as ToolResult);
      if (!("result" in outcome)) return;
      this.begun = { kind: "shown", arguments: this.given, result: outcome.result };
      this.tell(this.begun);
    }
  }

  /** The host asks for little: whether the page is there, and that it ends. */
  private answer({ id, method }: Message): void {
    const known = method === "ping" || method === "ui/resource-teardown";
    const error = { code: -32601, message: "The page has no such method." };
    this.post(known ? { jsonrpc: "2.0", id: id!, result: {} } : { jsonrpc: "2.0", id: id!, error });
  }

  private adopt(context: any): void {
    const { theme, displayMode } = context;
    const { dataset } = document.documentElement;
    if (theme === "light" || theme === "dark") dataset.theme = theme;
    if (MODES.includes(displayMode)) {
      dataset.display = displayMode;
      this.tell({ kind: "display", mode: displayMode });
    }
  }

  private reportSize(): void {
    const report = () => {
      const height = Math.ceil(document.body.getBoundingClientRect().height);
      this.notify("ui/notifications/size-changed", { height });
    };
    new ResizeObserver(report).observe(document.body);
  }

  private tell(event: LinkEvent): void {
    for (const heard of this.heard) heard(event);
  }

  private request(method: string, params: object): Promise<Message> {
    const id = ++this.last;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.post({ jsonrpc: "2.0", id, method, params });
    });
  }

  private notify(method: string, params: object): void {
    this.post({ jsonrpc: "2.0", method, params });
  }

  private post(message: Message): void {
    this.host.postMessage(message, "*");
  }
}

/** An error of the server says more in its data; one of the host has data of its own, or none. */
function failureOf({ code, message, data }: RequestError): Failure {
  const said = data as Failure | undefined;
  return said?.message ? said : { error: String(code), message };
}

/** A result of a tool, as hosts pass it on: some only its text. */
export function outcomeOf<T>(result: ToolResult): Outcome<T> {
  const text = result.content?.find((block) => block.type === "text")?.text;
  const value = result.structuredContent ?? read(text);
  if (result.isError) {
    const failure = value as Failure | undefined;
    return failure?.message ? { error: failure } : failed("error", text ?? "The call failed.");
  }
  return { result: value as T };
}

function read(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}
