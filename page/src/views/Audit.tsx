// The latest lines of the audit log, and whether its chain is whole.

import { useEffect, useState } from "preact/hooks";
import { counted, localTime } from "../data/text/lifetime.ts";
import { type CallRecord, type State, callerOf, recordsOf, textOf } from "../data/records.ts";
import type { AuditFilter, AuditPage } from "../link/link.ts";
import { Empty, Problem, Waiting } from "../parts/basics.tsx";
import { useOutcome, usePage } from "../parts/page.ts";
import { Ours, Theirs } from "../parts/Theirs.tsx";

const STATES: Record<State, string> = {
  ok: "Done",
  failed: "Failed",
  refused: "Refused",
  open: "No outcome",
  note: "Note",
};

/** Who types no more for so long has typed all. */
const TYPING_MS = 300;

const COLUMNS = ["Line", "Time", "What", "App", "Caller", "Answer", "Outcome"];

export function Audit() {
  const { link } = usePage();
  const [filter, set] = useState<AuditFilter>({});
  const { result: page, failure, again } = useOutcome<AuditPage>(
    () => link.audit!(filter),
    [JSON.stringify(filter)],
  );
  useEffect(() => link.listen((event) => event.kind === "audit" && again()), [link]);
  const records = page ? recordsOf(page.lines) : [];
  return (
    <main class="single wide">
      <div class="head">
        <h1>Audit</h1>
        {page && <Chain chain={page.chain} />}
      </div>
      <Filter filter={filter} set={set} />
      {failure && <Problem failure={failure} again={again} />}
      {!page && !failure && <Waiting>Reading the audit log…</Waiting>}
      {page && records.length === 0 && (
        <Empty title={Object.keys(filter).length ? "No line fits" : "Nothing is recorded yet"} />
      )}
      {records.length > 0 && <Records records={records} />}
      {page?.more && (
        <button type="button" onClick={() => set({ ...filter, before: page.lines[0]!.seq })}>
          Older lines
        </button>
      )}
      {filter.before !== undefined && (
        <button type="button" onClick={() => set(without(filter, "before"))}>
          Latest lines
        </button>
      )}
    </main>
  );
}

function Chain({ chain: { whole, lines, problems } }: { chain: AuditPage["chain"] }) {
  if (whole) return <p class="chain good">The chain of {counted(lines, "line")} is whole.</p>;
  return (
    <div class="notice danger" role="alert">
      <p>
        <strong>The log is not whole: lines are missing or changed.</strong>
      </p>
      <ul>
        {problems.map((problem) => (
          <li>
            <Theirs text={problem} />
          </li>
        ))}
      </ul>
    </div>
  );
}

const without = (filter: AuditFilter, name: keyof AuditFilter): AuditFilter => {
  const { [name]: _, ...rest } = filter;
  return rest;
};

interface FilterProps {
  filter: AuditFilter;
  set: (change: (now: AuditFilter) => AuditFilter) => void;
}

function Filter({ filter, set }: FilterProps) {
  const change = (name: "client_id" | "caller" | "outcome") => (value: string) =>
    set((now) => {
      const rest = without(without(now, name), "before");
      return value ? { ...rest, [name]: value } : rest;
    });
  return (
    <search class="filters open">
      <div class="more">
        <Words label="Client id of an app" value={filter.client_id ?? ""} change={change("client_id")} />
        <Words label="Caller" value={filter.caller ?? ""} change={change("caller")} />
        <label>
          <span>Outcome</span>
          <select value={filter.outcome ?? ""} onChange={(event) => change("outcome")(event.currentTarget.value)}>
            <option value="">Any</option>
            <option value="ok">Done</option>
            <option value="failed">Failed</option>
            <option value="refused">Refused</option>
            <option value="open">No outcome</option>
          </select>
        </label>
      </div>
    </search>
  );
}

interface WordsProps {
  label: string;
  value: string;
  change: (value: string) => void;
}

/** A field that filters once a person stops typing. */
function Words({ label, value, change }: WordsProps) {
  const [typed, type] = useState(value);
  useEffect(() => {
    if (typed.trim() === value) return;
    const timer = setTimeout(() => change(typed.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <label>
      <span>{label}</span>
      <input type="text" spellcheck={false} value={typed} onInput={(event) => type(event.currentTarget.value)} />
    </label>
  );
}

const Records = ({ records }: { records: CallRecord[] }) => (
  <div class="sideways" tabIndex={0} role="region" aria-label="Lines of the audit log">
    <table class="audit" role="table">
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map((column) => (
            <th role="columnheader" scope="col">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {records.map((record) => (
          <RecordRow key={record.seq} record={record} />
        ))}
      </tbody>
    </table>
  </div>
);

function RecordRow({ record }: { record: CallRecord }) {
  const { go, catalogue } = usePage();
  const { line, outcome, state, seq } = record;
  const clientId = line.arguments?.client_id;
  const name = catalogue.now.rows.find(({ app }) => app.client_id === clientId)?.app.client_name;
  const caller = callerOf(line);
  return (
    <tr role="row">
      <td role="cell" class="number">{seq}</td>
      <td role="cell">
        <time dateTime={line.time}>{localTime(line.time, true)}</time>
      </td>
      <th role="rowheader" scope="row">
        <Ours text={line.tool ?? line.event} />
        {line.count !== undefined && ` ×${textOf(line.count)}`}
      </th>
      <td role="cell">
        {typeof clientId === "string" && (
          <button type="button" class="link" onClick={() => go({ view: "apps", app: clientId })}>
            {name ? <Theirs text={name} limit={60} brief /> : <Ours text={clientId} />}
          </button>
        )}
        {typeof clientId === "string" && name && (
          <span class="small block id">
            <Ours text={clientId} />
          </span>
        )}
      </td>
      <td role="cell">
        {caller && <Theirs text={caller} limit={60} brief />}
        {textOf(line.software?.name) && (
          <span class="muted small block">
            in <Theirs text={textOf(line.software?.name)} limit={40} brief />
          </span>
        )}
      </td>
      <td role="cell">
        {line.answer ? (
          <Ours text={textOf(line.answer)} />
        ) : (
          line.tool && <span class="muted">Not asked</span>
        )}
      </td>
      <td role="cell">
        <span class={`state ${state}`}>{STATES[state]}</span>
        <Extra record={record} />
        {outcome?.may_have_taken_effect && <span class="small block">It may have taken effect.</span>}
      </td>
    </tr>
  );
}

function Extra({ record: { line, outcome } }: { record: CallRecord }) {
  const { error, revealed, delivered } = outcome ?? {};
  const words = [
    textOf(line.reason ?? error),
    revealed && `showed ${textOf(revealed)}`,
    delivered && `delivered ${textOf(delivered)}`,
  ].filter(Boolean);
  if (!words.length) return null;
  return (
    <span class="muted small block">
      <Theirs text={words.join(", ")} limit={120} brief />
    </span>
  );
}
