// The calls that wait for a person, each with its question and its difference.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Changed } from "../data/apps.ts";
import { labelOf } from "../data/fields.ts";
import { localTime } from "../data/text/lifetime.ts";
import { type Failure, type Link, type WaitingCall } from "../link/link.ts";
import { Empty, Problem, Waiting } from "../parts/basics.tsx";
import { Difference } from "../parts/Difference.tsx";
import { useOutcome, usePage } from "../parts/page.ts";
import { QuestionText } from "../parts/Question.tsx";
import { Theirs } from "../parts/Theirs.tsx";

export function useWaiting(link: Link) {
  const found = useOutcome<WaitingCall[]>(async () => (await link.approvals?.()) ?? { result: [] }, []);
  useEffect(() => link.listen((event) => event.kind === "approvals" && found.again()), [link]);
  return found;
}

export function Approvals({ waiting }: { waiting: ReturnType<typeof useWaiting> }) {
  const { result: calls, failure, again } = waiting;
  const heading = useRef<HTMLHeadingElement>(null);
  return (
    <main class="single">
      <div class="head">
        <h1 ref={heading} tabIndex={-1}>
          Approvals
        </h1>
        <p class="muted">
          Calls of agents that wait for a person. An approval counts once, for this call and the unchanged app.
        </p>
      </div>
      {failure && <Problem failure={failure} again={again} />}
      {!calls && !failure && <Waiting>Reading the calls that wait…</Waiting>}
      {calls?.length === 0 && (
        <Empty title="No call waits">A call that needs a person appears here by itself.</Empty>
      )}
      <ul class="calls" aria-live="polite">
        {calls?.map((call) => (
          <li key={call.id}>
            <Call call={call} decided={() => heading.current?.focus()} />
          </li>
        ))}
      </ul>
    </main>
  );
}

function Call({ call, decided }: { call: WaitingCall; decided: () => void }) {
  const { link, announce } = usePage();
  const [busy, work] = useState(false);
  const [failure, fail] = useState<Failure | null>(null);
  const titleId = `call-${call.id}`;
  const decide = (approve: boolean) => async () => {
    work(true);
    const outcome = await link.decide!(call.id, approve);
    work(false);
    if ("error" in outcome) return fail(outcome.error);
    decided();
    announce(approve ? "The call is approved." : "The call is declined.");
  };
  return (
    <article class="call" aria-labelledby={titleId}>
      <p class="by muted small">
        <code>{call.tool}</code> called by <Caller caller={call.caller} />
        on <time dateTime={call.since}>{localTime(call.since)}</time>, waits until{" "}
        <time dateTime={call.until}>{localTime(call.until)}</time>
      </p>
      <QuestionText text={call.question} titleId={titleId} />
      <Planned call={call} />
      <details>
        <summary>The arguments of the call</summary>
        <Theirs text={JSON.stringify(call.arguments, null, 2)} limit={2_000} lines />
      </details>
      {failure && <Problem failure={failure} />}
      <p class="actions">
        <button type="button" disabled={busy} onClick={() => void decide(false)()}>
          Decline
        </button>
        <button type="button" class="danger solid" disabled={busy} onClick={() => void decide(true)()}>
          Approve once
        </button>
      </p>
    </article>
  );
}

const Caller = ({ caller }: { caller: Record<string, string> }) => (
  <>
    {Object.entries(caller).map(([name, value]) => (
      <span class="caller">
        {labelOf(name).toLowerCase()} <Theirs text={value} limit={80} brief />{" "}
      </span>
    ))}
  </>
);

const WITH_DIFFERENCE = new Set(["update_app"]);

/** The difference, by a dry run of the same call. */
function Planned({ call }: { call: WaitingCall }) {
  const { link } = usePage();
  const { result } = useOutcome<Changed | null>(
    async () =>
      WITH_DIFFERENCE.has(call.tool)
        ? link.call(call.tool, { ...call.arguments, dry_run: true })
        : { result: null },
    [call.id],
  );
  return result?.changes ? <Difference changes={result.changes} /> : null;
}
