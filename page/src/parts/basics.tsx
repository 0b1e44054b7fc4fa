// Small parts that many views use.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Finding, Severity } from "../data/apps.ts";
import { SEVERITIES, worst } from "../data/apps.ts";
import type { Failure } from "../link/link.ts";
import { Ours, Theirs } from "./Theirs.tsx";

const SHAPES: Record<Severity, string> = {
  high: "M6 .8 11.6 11H.4z",
  medium: "M6 .4 11.6 6 6 11.6.4 6z",
  low: "M1.5 1.5h9v9h-9z",
  info: "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1z",
};

/** A severity, by its shape, its colour and its word. */
export const Severe = ({ severity, count }: { severity: Severity; count?: number }) => (
  <span class={`severe ${severity}`}>
    <svg viewBox="0 0 12 12" aria-hidden="true">
      <path d={SHAPES[severity]} />
    </svg>
    {severity}
    {count !== undefined && count > 1 && <span class="count"> +{count - 1}</span>}
  </span>
);

export function FindingsMark({ findings }: { findings: readonly Finding[] }) {
  const severity = worst(findings);
  if (!severity) return <span class="muted none">–<span class="unseen">no findings</span></span>;
  return <Severe severity={severity} count={findings.length} />;
}

export const severitiesOf = (findings: readonly Finding[]) =>
  SEVERITIES.map((severity) => ({
    severity,
    findings: findings.filter((each) => each.severity === severity),
  }));

/** An error, with what to do about it. The message may quote strangers. */
export function Problem({ failure, again }: { failure: Failure; again?: () => void }) {
  const notice = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => notice.current?.scrollIntoView({ block: "nearest" }), [failure]);
  const isNo = failure.error === "NotConfirmed"; // the person said so: nothing went wrong
  return (
    <div class={isNo ? "notice" : "notice danger"} role="alert" ref={notice}>
      <p>
        {!isNo && <strong>It did not work. </strong>}
        <Theirs text={failure.message} limit={500} />
      </p>
      {failure.hint && <p>{failure.hint}</p>}
      {failure.may_have_taken_effect && (
        <p>
          <strong>The service may have carried it out all the same.</strong> Look before you try again.
        </p>
      )}
      <p class="muted small">
        <Ours text={failure.error} /> {failure.request_id && <Ours text={failure.request_id} />}
      </p>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export const Notice = ({ children, kind = "note" }: { children: ComponentChildren; kind?: string }) => (
  <div class={`notice ${kind}`}>{children}</div>
);

/** A place where something will be. */
export const Waiting = ({ children }: { children: ComponentChildren }) => (
  <p class="waiting" role="status">
    <span class="spinner" aria-hidden="true" />
    {children}
  </p>
);

export const Empty = ({ title, children }: { title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <h2>{title}</h2>
    {children && <p>{children}</p>}
  </div>
);

const ICONS = {
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.4 10.4 14 14",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  back: "M9.5 3 4.5 8l5 5",
  plus: "M8 3v10M3 8h10",
  up: "M4 9.5 8 5.5l4 4",
  down: "M4 6.5l4 4 4-4",
  check: "M3.5 8.5l3 3 6-7",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
} as const;

export const Icon = ({ name }: { name: keyof typeof ICONS }) => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    <path d={ICONS[name]} />
  </svg>
);
