// The table of apps. Only the rows that can be seen are in the document.

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { TYPES, isConfidential, isRotating } from "../data/apps.ts";
import { lifetime } from "../data/text/lifetime.ts";
import type { Column, FindingsByApp, Order, Row } from "../data/table.ts";
import { FindingsMark, Icon } from "../parts/basics.tsx";
import { usePage } from "../parts/page.ts";
import { Theirs } from "../parts/Theirs.tsx";
import { type Windowed, useWindow } from "../parts/windowed.ts";

interface Props {
  rows: readonly Row[];
  findings: FindingsByApp;
  order: Order;
  sort: (order: Order) => void;
}

const COLUMNS: [Column | null, string, string][] = [
  ["name", "Name", "name"],
  ["type", "Type", "type"],
  ["redirects", "Redirects to", "redirects"],
  ["lifetime", "Tokens live", "lifetime"],
  [null, "Secret", "secret"],
  ["findings", "Findings", "findings"],
];

export function AppTable({ rows, findings, order, sort }: Props) {
  const { route } = usePage();
  const scroller = useRef<HTMLDivElement>(null);
  const seen = useWindow(scroller, rows.length);
  const { stop, moveTo, onKeyDown, onFocusIn } = useKeys(scroller, rows.length, seen);
  const shown = useRef(route.app);
  useEffect(() => scroller.current?.scrollTo(0, 0), [order, rows.length === 0]);

  // A person who closes an app is back at its row.
  useEffect(() => {
    const at = rows.findIndex(({ app }) => app.client_id === shown.current);
    if (!route.app && at >= 0) moveTo(at);
    shown.current = route.app;
  }, [route.app]);

  return (
    <div class="scroller" ref={scroller} onKeyDown={onKeyDown} onFocusIn={onFocusIn}>
      <table role="table" class="app-table" aria-rowcount={rows.length + 1}>
        <caption class="unseen">
          Apps. The arrow keys move from app to app, and Enter shows one.
        </caption>
        <thead role="rowgroup">
          <tr role="row" aria-rowindex={1}>
            {COLUMNS.map(([column, label, name]) => (
              <Heading column={column} label={label} name={name} order={order} sort={sort} />
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          <Spacer height={seen.before} />
          {rows.slice(seen.first, seen.end).map((row, at) => (
            <AppRow
              key={row.app.client_id}
              row={row}
              index={seen.first + at}
              stop={stop === seen.first + at}
              chosen={route.app === row.app.client_id}
              findings={findings}
            />
          ))}
          <Spacer height={seen.after} />
        </tbody>
      </table>
    </div>
  );
}

const Spacer = ({ height }: { height: number }) =>
  height > 0 ? <tr class="spacer" aria-hidden="true" style={{ height: `${height}px` }} /> : null;

interface HeadingProps {
  column: Column | null;
  label: string;
  name: string;
  order: Order;
  sort: (order: Order) => void;
}

function Heading({ column, label, name, order, sort }: HeadingProps) {
  if (!column) {
    return (
      <th role="columnheader" scope="col" class={name}>
        {label}
      </th>
    );
  }
  const isBy = order.by === column;
  const direction = order.descending ? "descending" : "ascending";
  return (
    <th role="columnheader" scope="col" class={name} aria-sort={isBy ? direction : "none"}>
      <button
        type="button"
        onClick={() => sort({ by: column, descending: isBy && !order.descending })}
      >
        {label}
        {isBy && <Icon name={order.descending ? "down" : "up"} />}
      </button>
    </th>
  );
}

interface RowProps {
  row: Row;
  index: number;
  /** Whether the Tab key stops at this row. */
  stop: boolean;
  chosen: boolean;
  findings: FindingsByApp;
}

function AppRow({ row: { app, places }, index, stop, chosen, findings }: RowProps) {
  const { go } = usePage();
  const type = TYPES[app.client_type];
  return (
    <tr role="row" class={chosen ? "measure chosen" : "measure"} aria-rowindex={index + 2}>
      <th role="rowheader" scope="row" class="name">
        <button
          type="button"
          data-row={index}
          tabIndex={stop ? 0 : -1}
          aria-current={chosen || undefined}
          onClick={() => go({ view: "apps", app: app.client_id })}
        >
          {app.client_name ? <Theirs text={app.client_name} limit={80} brief /> : <em>No name</em>}
        </button>
      </th>
      <td role="cell" class="type">
        {type ?? <Theirs text={app.client_type} limit={30} brief />}
      </td>
      <td role="cell" class="redirects">
        {places[0] ? <Theirs text={places[0]} limit={60} brief /> : <span class="muted">Nowhere</span>}
        {places.length > 1 && <span class="muted"> +{places.length - 1}</span>}
      </td>
      <td role="cell" class="lifetime">
        {lifetime(app.access_token_expiry_minutes)}
      </td>
      <td role="cell" class="secret">
        {isRotating(app) ? (
          <span class="rotating">Rotating</span>
        ) : isConfidential(app) ? (
          "One"
        ) : (
          <span class="muted">None</span>
        )}
      </td>
      <td role="cell" class="findings">
        <FindingsMark findings={findings.get(app.client_id) ?? []} />
      </td>
    </tr>
  );
}

/** The Tab key stops at one row; the arrow keys move from row to row, also to those not shown yet. */
function useKeys(scroller: RefObject<HTMLElement | null>, count: number, seen: Windowed) {
  const [active, activate] = useState(0);
  const wanted = useRef<number | null>(null);
  const isShown = active >= seen.first && active < seen.end;
  const firstSeen = Math.min(count - 1, Math.ceil((scroller.current?.scrollTop ?? 0) / seen.rowHeight));

  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-row="${wanted.current}"]`);
    if (!row) return;
    wanted.current = null;
    row.focus({ preventScroll: true });
  });

  const moveTo = (index: number) => {
    wanted.current = index;
    activate(index);
    const element = scroller.current!;
    const head = element.querySelector("thead")!.clientHeight;
    const top = index * seen.rowHeight;
    const bottom = top + seen.rowHeight + head - element.clientHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop) element.scrollTop = bottom;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const at = (event.target as HTMLElement).dataset.row;
    if (at === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = stepOf(event.key, seen, scroller.current!);
    if (step === undefined) return;
    event.preventDefault();
    const from = wanted.current ?? Number(at); // a key may come before the last one has its row
    moveTo(Math.max(0, Math.min(count - 1, from + step)));
  };
  const onFocusIn = (event: FocusEvent) => {
    const at = (event.target as HTMLElement).dataset.row;
    if (at !== undefined) activate(Number(at));
  };
  return { stop: isShown ? active : firstSeen, moveTo, onKeyDown, onFocusIn };
}

function stepOf(key: string, { rowHeight }: Windowed, scroller: HTMLElement): number | undefined {
  const page = Math.max(1, Math.floor(scroller.clientHeight / rowHeight) - 2);
  const steps: Record<string, number> = {
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: page,
    PageUp: -page,
    Home: -Infinity,
    End: Infinity,
  };
  return steps[key];
}
