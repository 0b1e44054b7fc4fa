// The link to the local console, over HTTP to the page's own origin.

import { CHANNEL, type Said, clientIdIn } from "./channel.ts";
import {
  type About,
  type Answer,
  type Arguments,
  type AuditFilter,
  type AuditPage,
  ENDED,
  type Json,
  type Link,
  type LinkEvent,
  type Outcome,
  type Secret,
  UNREACHABLE,
  type WaitingCall,
  type Which,
  failed,
} from "./link.ts";

const START_AGAIN = "Run connected-apps-mcp console again, and open the link that it prints.";
const NO_ANSWER = failed(UNREACHABLE, "The console does not answer.", START_AGAIN);

/** The console refuses events where too many tabs listen: until another one is closed. */
const RETRY_MS = 5_000;

export class ConsoleLink implements Link {
  readonly reveals = "reveal_client_secret";
  private heard = new Set<(event: LinkEvent) => void>();
  private events: EventSource | null = null;
  private channel: BroadcastChannel | null = null;

  /** Logs in with the one-time token of the fragment, if there is one, and hides it. */
  async enter(): Promise<Outcome<null>> {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token) return { result: null };
    history.replaceState(null, "", location.pathname);
    return this.request("POST", "api/session", { token });
  }

  about(): Promise<Outcome<About>> {
    return this.request("GET", "api/about");
  }

  call<T>(tool: string, given: Arguments, answer?: Answer): Promise<Outcome<T>> {
    return this.request("POST", "api/call", { tool, arguments: given, ...answered(answer) });
  }

  revealSecret(clientId: string, which: Which, answer?: Answer): Promise<Outcome<Secret>> {
    return this.request("POST", "api/secret", { client_id: clientId, which, ...answered(answer) });
  }

  approvals(): Promise<Outcome<WaitingCall[]>> {
    return this.request("GET", "api/approvals");
  }

  decide(id: string, approve: boolean): Promise<Outcome<null>> {
    return this.request("POST", `api/approvals/${encodeURIComponent(id)}`, { approve });
  }

  audit(filter: AuditFilter): Promise<Outcome<AuditPage>> {
    const given = Object.entries(filter).map(([name, value]) => [name, String(value)]);
    return this.request("GET", `api/audit?${new URLSearchParams(given)}`);
  }

  listen(heard: (event: LinkEvent) => void): () => void {
    this.heard.add(heard);
    this.events ??= this.opened();
    this.channel ??= this.joined();
    return () => {
      this.heard.delete(heard);
      if (this.heard.size) return;
      this.events?.close();
      this.channel?.close();
      this.events = this.channel = null;
    };
  }

  private opened(): EventSource {
    const events = new EventSource("api/events");
    events.onmessage = (message) => this.tell(JSON.parse(message.data) as LinkEvent);
    events.onopen = () => this.tell({ kind: "reachable", failure: null });
    events.onerror = () => {
      if (events.readyState !== EventSource.CLOSED) this.tell({ kind: "reachable", failure: NO_ANSWER.error });
      else setTimeout(() => this.events === events && (this.events = this.opened()), RETRY_MS);
    };
    return events;
  }

  /** The channel of this origin, on which a link asks to see an app. */
  private joined(): BroadcastChannel {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = (message) => {
      const clientId = clientIdIn(message.data, "open");
      if (!clientId) return;
      const opened = () => channel.postMessage({ opened: clientId } satisfies Said);
      this.tell({ kind: "open", client_id: clientId, opened });
    };
    return channel;
  }

  private tell(event: LinkEvent): void {
    for (const heard of this.heard) heard(event);
  }

  /** The response to every request is an outcome. */
  private async request<T>(method: string, path: string, body?: Json): Promise<Outcome<T>> {
    try {
      const response = await fetch(path, {
        method,
        headers: {
          "X-Console": "1",
          ...(pressed() && { "X-Person": "1" }),
          ...(body && { "Content-Type": "application/json" }),
        },
        body: body ? JSON.stringify(body) : null,
        credentials: "same-origin",
        cache: "no-store",
      });
      if (response.status === 401) return failed(ENDED, "The console has ended.", START_AGAIN);
      return (await response.json()) as Outcome<T>;
    } catch {
      return NO_ANSWER;
    }
  }
}

/** Whether a press of the person may have led to what happens now. Where a browser does not say, it may. */
const pressed = () => (navigator.userActivation as UserActivation | undefined)?.isActive ?? true;

const answered = (answer?: Answer) => answer && { answer: { ...answer } };
