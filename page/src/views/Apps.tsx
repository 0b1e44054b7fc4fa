// All apps: a table to search, filter and sort, beside the panel of the app that is chosen.

import { useMemo, useState } from "preact/hooks";
import { isPossible } from "../data/actions.ts";
import { SEVERITIES, TYPES } from "../data/apps.ts";
import { type Project } from "../data/catalogue.ts";
import { counted } from "../data/text/lifetime.ts";
import { type Filters, NO_FILTERS, type Order, shownRows } from "../data/table.ts";
import { Empty, Icon, Problem, Waiting } from "../parts/basics.tsx";
import { usePage, useStore } from "../parts/page.ts";
import { AppTable } from "./AppTable.tsx";
import { Panel } from "./Panel.tsx";

export function Apps() {
  const { about, catalogue, table, route, go } = usePage();
  const project = useStore(catalogue);
  const { filters, order } = useStore(table);
  const filter = (next: Filters) => table.set({ filters: next });
  const sort = (next: Order) => table.set({ order: next });
  const rows = useMemo(
    () => shownRows(project.rows, filters, order, project.findings),
    [project.rows, project.findings, filters, order],
  );
  const isOpen = route.app !== undefined || route.act === "create";

  return (
    <div class={isOpen ? "apps open" : "apps"}>
      <section class="list" aria-label="Apps">
        <div class="head">
          <h1>Apps</h1>
          <Count project={project} shown={rows.length} filtered={isFiltered(filters)} />
          {isPossible(about, "create") && (
            <button type="button" class="primary" onClick={() => go({ view: "apps", act: "create" })}>
              <Icon name="plus" />
              New app
            </button>
          )}
        </div>
        <FilterBar project={project} filters={filters} filter={filter} />
        {project.failure && (
          <Problem failure={project.failure} again={() => void catalogue.loadApps()} />
        )}
        {rows.length > 0 && <AppTable rows={rows} findings={project.findings} order={order} sort={sort} />}
        {rows.length === 0 && (
          <NoRows project={project} filters={filters} clear={() => filter(NO_FILTERS)} />
        )}
      </section>
      {isOpen && <Panel key={`${route.app} ${route.act}`} />}
    </div>
  );
}

const isFiltered = (filters: Filters) => Object.values(filters).some(Boolean);

function Count({ project, shown, filtered }: { project: Project; shown: number; filtered: boolean }) {
  const { rows, total, progress } = project;
  const all = Math.max(total ?? 0, rows.length);
  const said = filtered
    ? `${shown.toLocaleString("en")} of ${counted(rows.length, "app")}`
    : counted(rows.length, "app");
  return (
    <p class="muted counted" role="status">
      {rows.length > 0 && said}
      {progress === "loading" && rows.length > 0 && ` here, of ${all.toLocaleString("en")}; more are coming`}
    </p>
  );
}

interface BarProps {
  project: Project;
  filters: Filters;
  filter: (filters: Filters) => void;
}

function FilterBar({ project, filters, filter }: BarProps) {
  const set = (name: keyof Filters) => (event: Event) =>
    filter({ ...filters, [name]: (event.target as HTMLInputElement).value });
  const others = [filters.type, filters.host, filters.rotation, filters.findings].filter(Boolean);
  const [isOpen, open] = useState(others.length > 0);
  const codes = Object.keys(project.review?.counts ?? {});
  return (
    <search class={isOpen ? "filters open" : "filters"}>
      <label class="search">
        <span class="unseen">Search apps</span>
        <Icon name="search" />
        <input
          type="search"
          placeholder="Name, description, id or URL"
          value={filters.words}
          onInput={set("words")}
          maxLength={200}
        />
      </label>
      <button type="button" class="toggle" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
        <Icon name="filter" />
        Filters{others.length > 0 && ` (${others.length})`}
      </button>
      <div class="more">
        <Choice label="Type" value={filters.type} change={set("type")} choices={Object.entries(TYPES)} />
        <label>
          <span>Redirect host</span>
          <input type="text" value={filters.host} onInput={set("host")} placeholder="Any" spellcheck={false} />
        </label>
        <Choice
          label="Rotation"
          value={filters.rotation}
          change={set("rotation")}
          choices={[
            ["yes", "Under way"],
            ["no", "Not under way"],
          ]}
        />
        <Choice
          label="Findings"
          value={filters.findings}
          change={set("findings")}
          choices={[
            ["any", "With findings"],
            ["none", "Without findings"],
            ...SEVERITIES.map((each): [string, string] => [each, `With ${each}`]),
            ...codes.map((code): [string, string] => [code, code]),
          ]}
        />
        {isFiltered(filters) && (
          <button type="button" class="quiet" onClick={() => filter(NO_FILTERS)}>
            Clear
          </button>
        )}
      </div>
    </search>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  change: (event: Event) => void;
  choices: [value: string, label: string][];
}

const Choice = ({ label, value, change, choices }: ChoiceProps) => (
  <label>
    <span>{label}</span>
    <select value={value} onChange={change}>
      <option value="">Any</option>
      {choices.map(([each, said]) => (
        <option value={each}>{said}</option>
      ))}
    </select>
  </label>
);

function NoRows({ project, filters, clear }: { project: Project; filters: Filters; clear: () => void }) {
  if (project.progress === "loading") return <Waiting>Reading the apps…</Waiting>;
  if (project.progress === "failed") return null;
  if (!isFiltered(filters)) {
    return <Empty title="This project has no apps yet">An app is an OAuth client of the project.</Empty>;
  }
  return (
    <div class="empty">
      <h2>No app fits</h2>
      <p>None of the {counted(project.rows.length, "app")} fits the search and the filters.</p>
      <button type="button" onClick={clear}>
        Clear the search and the filters
      </button>
    </div>
  );
}
