// A link to made-up apps, for tests and for developing. It answers as the tools do.

import type { App, Change, Changed } from "../src/data/apps.ts";
import { isConfidential, isRotating } from "../src/data/apps.ts";
import {
  type About,
  type Answer,
  type Arguments,
  type AuditFilter,
  type AuditLine,
  type AuditPage,
  type Json,
  type Link,
  type LinkEvent,
  type Outcome,
  type Question,
  type Secret,
  type ToolInfo,
  UNREACHABLE,
  type WaitingCall,
  type Which,
  failed,
} from "../src/link/link.ts";
import { FIXES, findingsIn, madeUp } from "./apps.ts";
import TOOLS from "./tools.json" with { type: "json" };

/** What a test may give: in `window.sample`, before the page starts. */
export interface Sample {
  apps?: App[];
  count?: number;
  /** Milliseconds before each answer. */
  delay?: number;
  /** Names of calls that fail. */
  failing?: string[];
  /** Calls that never end. */
  hanging?: string[];
  environment?: About["environment"];
  secret?: string;
  without?: string[];
  waiting?: Partial<WaitingCall>[];
  lines?: AuditLine[];
  problems?: string[];
}

const PAGE = 500;
const ORGANIZATION = {
  active_members: [
    { member_id: "member-test-7f3a", scopes: ["openid", "profile", "calendar.read"] },
    { member_id: "member-test-91c2", scopes: ["openid", "offline_access"] },
  ],
};

type Made = Record<string, unknown>;

export class SampleLink implements Link {
  readonly reveals = "reveal_client_secret";
  private apps: Map<string, App>;
  private heard = new Set<(event: LinkEvent) => void>();
  private asked = new Map<string, string>();
  private waiting: WaitingCall[];
  private lines: AuditLine[];
  readonly calls: { tool: string; arguments: Arguments; answer?: Answer }[] = [];
  readonly said: string[] = [];

  constructor(private sample: Sample = {}) {
    const apps = sample.apps ?? madeUp(sample.count ?? 40);
    this.apps = new Map(apps.map((app) => [app.client_id, app]));
    this.waiting = waitingCalls(apps, sample.waiting);
    this.lines = sample.lines ?? auditLines(apps);
  }

  async about(): Promise<Outcome<About>> {
    return this.answered("about", () => ({
      project_id: "project-test-2f6c81d4-7a3e-4d5b-9c11-5f0e8a7b6c3d",
      environment: this.sample.environment ?? "test",
      version: "0.1.0",
      tools: (TOOLS as ToolInfo[]).filter(({ name }) => !this.sample.without?.includes(name)),
      destinations: ["reports-staging", "reports-live", "calendar"],
    }));
  }

  async call<T>(tool: string, given: Arguments, answer?: Answer): Promise<Outcome<T>> {
    this.calls.push({ tool, arguments: given, ...(answer && { answer }) });
    const carryOut = this.tools[tool];
    if (!carryOut) return failed("InvalidRequest", `There is no tool ${tool}.`);
    if (typeof given.client_id === "string" && !this.apps.has(given.client_id)) {
      return failed("connected_app_not_found", "The service found no such app.");
    }
    return this.answered(tool, () => carryOut(given, answer) as Outcome<T> | T);
  }

  async revealSecret(clientId: string, which: Which, answer?: Answer): Promise<Outcome<Secret>> {
    return this.answered("secret", () => {
      const app = this.app({ client_id: clientId });
      const question = this.question(
        "secret",
        ["Show a client secret of this app in the page?", ...facts(app), "Everybody who sees this screen will know it."],
        answer,
      );
      if (question) return question;
      const last = which === "next" ? app.next_client_secret_last_four : app.client_secret_last_four;
      if (last === "aaaa") {
        return failed("NotStored", "No secret of this app is stored here.", "Use start_secret_rotation to get a new one.");
      }
      const value = this.sample.secret ?? `sample-secret-not-a-real-one-0123456789abcdef${last}`;
      return { result: { value, stored_at: "2026-10-01T12:00:00+00:00" } };
    });
  }

  listen(heard: (event: LinkEvent) => void): () => void {
    this.heard.add(heard);
    return () => this.heard.delete(heard);
  }

  async approvals(): Promise<Outcome<WaitingCall[]>> {
    return this.answered("approvals", () => ({ result: [...this.waiting] }));
  }

  async decide(id: string, _approve: boolean): Promise<Outcome<null>> {
    return this.answered("decide", () => {
      this.waiting = this.waiting.filter((call) => call.id !== id);
      this.tell({ kind: "approvals" });
      return { result: null };
    });
  }

  async audit(filter: AuditFilter): Promise<Outcome<AuditPage>> {
    return this.answered("audit", () => {
      const problems = this.sample.problems ?? [];
      const lines = this.lines.filter((line) => matches(line, filter, this.lines));
      return { lines, more: false, chain: { whole: !problems.length, lines: this.lines.length, problems } };
    });
  }

  async say(text: string): Promise<void> {
    this.said.push(text);
  }

  tell(event: LinkEvent): void {
    for (const heard of this.heard) heard(event);
  }

  /** Lets another call wait, as an agent would. */
  wait(call: Partial<WaitingCall>): void {
    this.waiting = [...this.waiting, ...waitingCalls([...this.apps.values()], [call])];
    this.tell({ kind: "approvals" });
  }

  set failing(names: string[]) {
    this.sample.failing = names;
  }

  private async answered<T>(name: string, answer: () => Outcome<T> | T): Promise<Outcome<T>> {
    const { delay = 0, failing = [], hanging = [] } = this.sample;
    if (hanging.includes(name)) return new Promise(() => {});
    if (delay) await new Promise((resolve) => setTimeout(resolve, delay));
    if (failing.includes("everything")) {
      return failed(UNREACHABLE, "The console does not answer.", "Run connected-apps-mcp console again.");
    }
    if (failing.includes(name)) {
      return failed("NoAnswer", "The service did not answer in time.", "Wait a moment, then try again.");
    }
    const found = answer() as Outcome<T> | T;
    const isOutcome = found && typeof found === "object" && ("result" in found || "error" in found || "question" in found);
    return isOutcome ? (found as Outcome<T>) : { result: found as T };
  }

  private app({ client_id }: Arguments): App {
    return this.apps.get(client_id as string)!;
  }

  private put(app: App): App {
    const kept = { ...app, version: `${app.version ?? "v"}+` };
    this.apps.set(app.client_id, kept);
    this.tell({ kind: "app", client_id: app.client_id });
    return kept;
  }

  /** A question, until it is answered with yes; an error after no. */
  private question(tool: string, lines: string[], answer?: Answer): { question: Question } | ReturnType<typeof failed> | undefined {
    const text = lines.join("\n");
    if (!answer) {
      const id = `question-${this.asked.size + 1}`;
      this.asked.set(id, tool);
      return { question: { id, text } };
    }
    if (this.asked.get(answer.answer) !== tool) return failed("InvalidRequest", "This answer is not for this call.");
    return answer.confirm ? undefined : failed("NotConfirmed", "The user declined; nothing was changed.");
  }

  private tools: Record<string, (given: Arguments, answer?: Answer) => Made | Outcome<unknown>> = {
    search_apps: ({ cursor, limit }) => {
      const all = [...this.apps.values()];
      const from = Number(cursor ?? 0);
      const to = from + Math.min(Number(limit ?? PAGE), PAGE);
      const more = to < all.length;
      const apps = all.slice(from, to).map(({ deliveries, ...app }) => app);
      return { apps, scanned: apps.length, total: all.length, stopped: more ? "limit" : "end", ...(more && { next_cursor: String(to) }) };
    },
    get_app: (given) => ({ app: this.app(given) }),
    review_apps: () => {
      const findings = findingsIn([...this.apps.values()]);
      const counts: Record<string, number> = {};
      for (const { code } of findings) counts[code] = (counts[code] ?? 0) + 1;
      return { findings, fixes: FIXES, counts, not_told: 0, scanned: this.apps.size, total: this.apps.size, stopped: "end" };
    },
    create_app: ({ dry_run, ...body }) => {
      if (dry_run) return { would_send: { method: "POST", path: "/v1/connected_apps/clients", body } };
      const app = this.put({ ...madeUp(7)[6]!, client_id: `connected-app-test-new-${this.apps.size}`, redirect_urls: [], ...body } as App);
      return { app, client_secret: isConfidential(app) ? { last_four: "n3wS", kept_in: "keyring", note: "It is stored in the keyring of this computer." } : undefined };
    },
    clone_app: ({ client_id, dry_run, ...given }) => {
      const { deliveries, client_secret_last_four, next_client_secret_last_four, ...settings } = this.app({ client_id: client_id! });
      return this.tools.create_app!({ ...(settings as unknown as Arguments), ...given, dry_run: dry_run ?? false });
    },
    update_app: ({ client_id, dry_run, if_unchanged, ...body }, answer) => {
      const before = this.app({ client_id: client_id! });
      if (if_unchanged && if_unchanged !== before.version) {
        return failed("Conflict", "The app has changed since you read it; nothing was sent.", "Read it again.");
      }
      const changes = changesOf(before, body);
      if (dry_run) return { client_id, changes, would_send: { method: "PUT", path: `/v1/connected_apps/clients/${client_id}`, body } };
      const question = body.redirect_urls || body.full_access_allowed
        ? this.question("update_app", ["Change this app although it will be less protected?", ...facts(before), ...risks(changes), "Whoever controls an added host can receive its users' sign-ins; what is removed stops working at once."], answer)
        : undefined;
      if (question) return question;
      const after = this.put({ ...before, ...(body as Partial<App>) });
      return { client_id, changes, version: after.version };
    },
    delete_app: ({ client_id, dry_run }, answer) => {
      const former = this.app({ client_id: client_id! });
      if (dry_run) return { client_id, deleted: false, former, would_send: { method: "DELETE", path: `/v1/connected_apps/clients/${client_id}` } };
      const question = this.question("delete_app", ["Delete this app? This cannot be undone.", ...facts(former), "Its client id and secrets stop working at once and cannot be restored; tokens already issued may stay valid until they expire."], answer);
      if (question) return question;
      this.apps.delete(client_id as string);
      this.tell({ kind: "app", client_id: client_id as string });
      return { client_id, deleted: true, former };
    },
    start_secret_rotation: (given) => {
      const app = this.put({ ...this.app(given), next_client_secret_last_four: "nXt1" });
      return { ...rotation(app), next_client_secret: { last_four: "nXt1", kept_in: "keyring", note: "It is stored in the keyring of this computer." } };
    },
    complete_secret_rotation: (given, answer) => {
      const app = this.app(given);
      if (app.next_client_secret_last_four === "9wQa" && !given.force) {
        return failed("InvalidRequest", "Nothing was changed: no known secret may be left. The service does not accept it.", "Force it only where the user confirms that the app works with the next secret.");
      }
      const question = this.question("complete_secret_rotation", ["Complete the rotation of this app's client secret?", ...facts(app), `Secret that ends: …${app.client_secret_last_four}`, `Secret that stays: …${app.next_client_secret_last_four}`, "Whatever still uses the secret that ends stops working at once."], answer);
      if (question) return question;
      const { next_client_secret_last_four, ...kept } = app;
      return rotation(this.put({ ...kept, client_secret_last_four: next_client_secret_last_four! }));
    },
    cancel_secret_rotation: (given) => {
      const { next_client_secret_last_four, ...kept } = this.app(given);
      return rotation(this.put(kept));
    },
    check_client_secret: (given) => {
      const app = this.app(given);
      const checked = (last_four: string | undefined) => ({ state: "alive", why: "The service accepted it.", last_four });
      return {
        client_id: app.client_id,
        current: checked(app.client_secret_last_four),
        ...(isRotating(app) && { next: checked(app.next_client_secret_last_four) }),
        next_step: "The stored secret works: there is nothing to do.",
      };
    },
    deliver_client_secret: ({ client_id, which = "current", destination, dry_run }, answer) => {
      const app = this.app({ client_id: client_id! });
      const last_four = which === "next" ? app.next_client_secret_last_four : app.client_secret_last_four;
      if (dry_run) return { client_id, which, last_four, destination, delivered: false };
      const question = this.question("deliver_client_secret", ["Deliver a client secret of this app?", ...facts(app), `Destination: ${destination}`, `Secret: …${last_four}`, "It replaces what the destination has, and everybody who reads the destination can act as the app."], answer);
      if (question) return question;
      const delivery = { destination: String(destination), last_four: last_four!, delivered_at: new Date().toISOString() };
      const others = (app.deliveries ?? []).filter((each) => each.destination !== destination);
      this.put({ ...app, deliveries: [delivery, ...others] });
      return { client_id, which, last_four, destination, delivered: true };
    },
    get_organization_app: (given) => ({ app: this.app(given), ...ORGANIZATION }),
  };
}

function rotation(app: App): Changed & Made {
  const under = isRotating(app);
  return {
    client_id: app.client_id,
    state: under ? "rotating" : "not_rotating",
    client_secret_last_four: app.client_secret_last_four,
    next_client_secret_last_four: app.next_client_secret_last_four,
    next_step: under ? "Both secrets work now. Put the next one wherever the app runs, then use complete_secret_rotation; or drop it with cancel_secret_rotation." : "To replace the secret, use start_secret_rotation.",
  };
}

function changesOf(before: App, body: Arguments): Record<string, Change> {
  const was = before as unknown as Record<string, Json | undefined>;
  const changed = Object.entries(body).filter(([name, after]) => JSON.stringify(was[name]) !== JSON.stringify(after));
  return Object.fromEntries(changed.map(([name, after]) => [name, { ...(was[name] !== undefined && { before: was[name]! }), after }]));
}

function facts(app: App): string[] {
  const hosts = [...new Set(app.redirect_urls.map((each) => each.replace(/^[a-z.]+:\/*([^/]*).*$/s, "$1")))].slice(0, 10);
  return [
    "Project: project-test-2f6c81d4-7a3e-4d5b-9c11-5f0e8a7b6c3d (test)",
    `App: ${JSON.stringify((app.client_name ?? "").slice(0, 200))}`,
    `Type: ${app.client_type}`,
    `Client id: ${app.client_id}`,
    `Redirect hosts: ${hosts.join(", ").slice(0, 1_500) || "none"}`,
  ].map((line) => line.replaceAll(/\s+/g, " "));
}

function risks(changes: Record<string, Change>): string[] {
  const found: string[] = [];
  const { redirect_urls, full_access_allowed } = changes;
  const before = (redirect_urls?.before as string[] | undefined) ?? [];
  const after = (redirect_urls?.after as string[] | undefined) ?? [];
  for (const each of after) if (!before.includes(each)) found.push(`Redirect host added: ${each}`);
  for (const each of before) if (!after.includes(each)) found.push(`Redirect URL removed: ${each}`);
  if (full_access_allowed) found.push("Full access is turned on: no → yes");
  return found;
}

function waitingCalls(apps: App[], given?: Partial<WaitingCall>[]): WaitingCall[] {
  const [first, second] = apps;
  const now = Date.now();
  const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString();
  const made: Partial<WaitingCall>[] = given ?? [
    {
      id: "call-1",
      tool: "update_app",
      arguments: { client_id: first?.client_id ?? "", redirect_urls: [...(first?.redirect_urls ?? []), "https://reports.test.example/callback"] },
      question: !first ? "" : ["Change this app although it will be less protected?", ...facts(first), "Redirect host added: reports.test.example", "Whoever controls an added host can receive its users' sign-ins; what is removed stops working at once."].join("\n"),
    },
    {
      id: "call-2",
      tool: "delete_app",
      arguments: { client_id: second?.client_id ?? "" },
      question: !second ? "" : ["Delete this app? This cannot be undone.", ...facts(second), "Its client id and secrets stop working at once and cannot be restored; tokens already issued may stay valid until they expire."].join("\n"),
    },
  ];
  return made.map((call, number) => ({
    id: `call-of-${now}-${number}`,
    tool: "delete_app",
    arguments: {},
    caller: { user: "ops" },
    question: "Go on?\nApp: none\nIt cannot be undone.",
    since: at(-2 - number),
    until: at(8 - number),
    ...call,
  } as WaitingCall));
}

function auditLines(apps: App[]): AuditLine[] {
  const [first, second, third] = apps.map((app) => app.client_id);
  const call = (seq: number, minutes: number, tool: string, client_id: string | undefined, intent: Partial<AuditLine>, outcome?: Partial<AuditLine>): AuditLine[] => {
    const time = (seconds: number) => new Date(Date.UTC(2026, 10, 26, 9, minutes, seconds)).toISOString();
    const entry = `1655ca437f937220-${seq}`;
    const line = { seq, time: time(7), event: "intent", entry, tool, caller: { user: "ops" }, software: { name: "claude-code", version: "2.1" }, arguments: client_id ? { client_id } : {}, ...intent };
    return outcome ? [line, { seq: seq + 1, time: time(8), event: "outcome", entry, tool, duration_ms: 286, ...outcome }] : [line];
  };
  return [
    { seq: 1, time: "2026-11-26T08:58:00.000Z", event: "opened" },
    ...call(2, 1, "create_app", undefined, { arguments: { client_type: "third_party", client_name: "Calendar Sync" } }, { ok: true }),
    ...call(4, 5, "update_app", second, { answer: "accept" }, { ok: true }),
    ...call(6, 9, "delete_app", third, { event: "refusal", reason: "the person declined", answer: "decline" }),
    ...call(7, 12, "start_secret_rotation", first, {}, { ok: true }),
    ...call(9, 14, "deliver_client_secret", first, { answer: "accept" }, { ok: true, delivered: "…9wQa" }),
    ...call(11, 20, "reveal_client_secret", first, { answer: "approve", software: { name: "console" } }, { ok: true, revealed: "…9wQa" }),
    ...call(13, 31, "update_app", first, { caller: { subject: "ada", client_id: "agent-7" } }, { ok: false, error: "NoAnswer", may_have_taken_effect: true }),
    ...call(15, 33, "complete_secret_rotation", first, { answer: "accept" }),
  ];
}

function matches(line: AuditLine, filter: AuditFilter, lines: AuditLine[]): boolean {
  const intent = lines.find(({ entry, event }) => event !== "outcome" && entry && entry === line.entry) ?? line;
  if (filter.client_id && intent.arguments?.client_id !== filter.client_id) return false;
  if (filter.caller && !JSON.stringify(intent.caller ?? {}).includes(filter.caller)) return false;
  if (!filter.outcome) return true;
  const outcome = lines.find(({ entry, event }) => event === "outcome" && entry && entry === line.entry);
  const state = intent.event === "refusal" ? "refused" : outcome ? (outcome.ok ? "ok" : "failed") : "open";
  return filter.outcome === state && intent.event !== "opened";
}
