// What a change does: each field, before and after.

import type { Change } from "../data/apps.ts";
import { difference } from "../data/diff.ts";
import { labelOf } from "../data/fields.ts";
import { lifetime } from "../data/text/lifetime.ts";
import type { Json } from "../link/link.ts";
import { Theirs } from "./Theirs.tsx";
import { Url } from "./Url.tsx";

export function Difference({ changes }: { changes: Record<string, Change> }) {
  return (
    <dl class="difference">
      {Object.entries(changes).map(([name, change]) => (
        <>
          <dt>{labelOf(name)}</dt>
          <dd>
            <OneChange name={name} change={change} />
          </dd>
        </>
      ))}
    </dl>
  );
}

const SIGNS = { added: "+", removed: "−", same: "" };
const WORDS = { added: "Added", removed: "Removed", same: "Unchanged" };

function OneChange({ name, change }: { name: string; change: Change }) {
  const isUrl = /_urls?$/.test(name);
  const isOurs = typeof change.after === "boolean" || typeof change.after === "number";
  return (
    <>
      <ul class="diff">
        {linesOf(name, change).map(({ kind, text }) => (
          <li class={kind}>
            <span class="sign" aria-hidden="true">
              {SIGNS[kind]}
            </span>
            <span class="unseen">{WORDS[kind]}: </span>
            <div>
              {isUrl ? <Url url={text} bare={kind !== "added"} /> : isOurs ? text : <Theirs text={text} />}
            </div>
          </li>
        ))}
      </ul>
      {change.cut && <p class="muted small">The server does not show these values whole.</p>}
    </>
  );
}

function linesOf(name: string, { before, after, added, removed }: Change) {
  const was = removed ?? entriesOf(name, before);
  const now = added ?? entriesOf(name, after);
  return difference(was, now);
}

/** A value as lines: a list is a line for each entry, nothing is no line. */
function entriesOf(name: string, value: Json | undefined): string[] {
  if (value === undefined || value === null || value === "") return [];
  if (Array.isArray(value)) return value.map(String);
  if (typeof value === "boolean") return [value ? "Yes" : "No"];
  if (typeof value === "number") return [inWords(name, value)];
  return String(value).split("\n");
}

const inWords = (name: string, value: number) =>
  name.endsWith("_minutes") ? `${value.toLocaleString("en")} minutes (${lifetime(value)})` : String(value);
