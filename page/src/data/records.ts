// The calls of the audit log: an intent and its outcome are one record.

import type { AuditLine } from "../link/link.ts";

export type State = "ok" | "failed" | "refused" | "open" | "note";

export interface CallRecord {
  seq: number;
  line: AuditLine;
  outcome?: AuditLine;
  state: State;
}

/** The records of some lines, the latest first. */
export function recordsOf(lines: readonly AuditLine[]): CallRecord[] {
  const outcomes = new Map<string, AuditLine>();
  const intents = new Set<string>();
  for (const line of lines) {
    if (line.event === "outcome" && line.entry) outcomes.set(line.entry, line);
    if (line.event === "intent" && line.entry) intents.add(line.entry);
  }
  return lines
    .filter(({ event, entry }) => event !== "outcome" || !intents.has(entry ?? ""))
    .map((line) => recordOf(line, outcomes.get(line.entry ?? "")))
    .sort((a, b) => b.seq - a.seq);
}

function recordOf(line: AuditLine, outcome?: AuditLine): CallRecord {
  const state = stateOf(line, outcome);
  return { seq: line.seq, line, state, ...(outcome && { outcome }) };
}

function stateOf(line: AuditLine, outcome?: AuditLine): State {
  if (line.event === "refusal" || line.event === "refusals") return "refused";
  if (line.event !== "intent" && line.event !== "outcome") return "note";
  if (!outcome) return "open";
  return outcome.ok ? "ok" : "failed";
}

/** Who called, in a few words. */
export function callerOf({ caller = {} }: AuditLine): string {
  const { user, subject, client_id } = caller;
  return textOf(user) || [subject, client_id].map(textOf).filter(Boolean).join(", ");
}

/** What a field of a line says. */
export const textOf = (field: unknown): string =>
  typeof field === "string" ? field : (JSON.stringify(field) ?? "");
