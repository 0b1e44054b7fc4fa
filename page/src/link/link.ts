// How the page reaches the tools. The views know this interface, and not the place they are in.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Arguments = Record<string, Json>;
export type Which = "current" | "next";

/** What a place says about itself and its tools. */
export interface About {
  project_id: string;
  environment: "sandbox" | "test" | "live";
  version: string;
  tools: ToolInfo[];
  /** Names of the destinations of the policy. */
  destinations?: string[];
}

export interface ToolInfo {
  name: string;
  title?: string;
  description?: string;
  inputSchema: Schema;
}

export interface Schema {
  type?: string;
  description?: string;
  enum?: string[];
  default?: Json;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
}

/** How a call ended: with a result, an error, or a question that a person has to answer first. */
export type Outcome<T> = { result: T } | { error: Failure } | { question: Question };

/** An error, with the fields that the tools give it. */
export interface Failure {
  error: string;
  message: string;
  hint?: string;
  may_have_taken_effect?: boolean;
  retry_may_help?: boolean;
  request_id?: string;
}

export interface Question {
  id: string;
  /** The act, a fact per line, and the consequence. */
  text: string;
}

/** The answer of a person to a question. It goes with the same call, made again. */
export interface Answer {
  answer: string;
  confirm: boolean;
}

export interface Secret {
  value: string;
  stored_at?: string;
  note?: string;
}

/** A call that waits for the approval of a person. */
export interface WaitingCall {
  id: string;
  tool: string;
  arguments: Arguments;
  caller: Record<string, string>;
  question: string;
  since: string;
  until: string;
}

export interface AuditFilter {
  client_id?: string;
  caller?: string;
  outcome?: "ok" | "failed" | "refused" | "open";
  /** Only lines before this number. */
  before?: number;
}

/** A line of the audit log, as the log has it. A long text is no text there, but a part and its digest. */
export interface AuditLine {
  seq: number;
  time: string;
  event: string;
  entry?: string;
  tool?: string;
  arguments?: Arguments;
  caller?: Record<string, unknown>;
  software?: Record<string, unknown>;
  answer?: unknown;
  reason?: unknown;
  count?: unknown;
  ok?: boolean;
  error?: unknown;
  may_have_taken_effect?: boolean;
  revealed?: unknown;
  delivered?: unknown;
  duration_ms?: number;
}

export interface AuditPage {
  lines: AuditLine[];
  more: boolean;
  /** Whether the chain of lines is whole, and what is wrong where it is not. */
  chain: { whole: boolean; lines: number; problems: string[] };
}

/** What happens without the page. */
export type LinkEvent =
  | { kind: "app"; client_id: string }
  /** There are apps that the page does not know. */
  | { kind: "apps" }
  | { kind: "approvals" }
  | { kind: "audit" }
  | { kind: "reachable"; failure: Failure | null }
  | { kind: "display"; mode: DisplayMode }
  /** A link in the browser asks to see an app. The view that shows it says so. */
  | { kind: "open"; client_id: string; opened: () => void }
  | ({ kind: "shown" } & Shown);

/** A call of the conversation, with which the page opens. Hosts need not say which tool it was. */
export interface Shown {
  arguments: Arguments;
  result: unknown;
}

/** Within the conversation, or in place of it. */
export type DisplayMode = "inline" | "fullscreen";

export interface Link {
  /** The tool that has to be on for secrets to be shown here. */
  readonly reveals: string;
  about(): Promise<Outcome<About>>;
  call<T>(tool: string, given: Arguments, answer?: Answer): Promise<Outcome<T>>;
  revealSecret(clientId: string, which: Which, answer?: Answer): Promise<Outcome<Secret>>;
  /** Calls `heard` for each event. Returns how to stop. */
  listen(heard: (event: LinkEvent) => void): () => void;
  approvals?(): Promise<Outcome<WaitingCall[]>>;
  decide?(id: string, approve: boolean): Promise<Outcome<null>>;
  audit?(filter: AuditFilter): Promise<Outcome<AuditPage>>;
  /** Says something in the conversation. */
  say?(text: string): Promise<void>;
  /** Asks the place to show the page so; there where it can show it in both ways. */
  display?(mode: DisplayMode): Promise<void>;
}

export const UNREACHABLE = "unreachable";
export const ENDED = "session_ended";

export function failed(error: string, message: string, hint?: string): { error: Failure } {
  return { error: { error, message, ...(hint && { hint }) } };
}
