// The apps and the findings of the project, as far as they are here.

import type { Failure, Link } from "../link/link.ts";
import type { App, Finding, FoundApps, ReviewedApps } from "./apps.ts";
import { Store } from "./store.ts";
import { type Row, rowOf } from "./table.ts";

const PAGE = { detail: "full", limit: 1_000, max_bytes: 300_000 } as const;

export type Progress = "loading" | "ready" | "failed";

export interface Project {
  rows: readonly Row[];
  progress: Progress;
  total?: number;
  failure?: Failure;
  review?: ReviewedApps;
  reviewFailure?: Failure;
  findings: ReadonlyMap<string, readonly Finding[]>;
}

const EMPTY: Project = { rows: [], progress: "loading", findings: new Map() };

export class Catalogue extends Store<Project> {
  private run = 0;

  constructor(private link: Link) {
    super(EMPTY);
  }

  async load(): Promise<void> {
    await Promise.all([this.loadApps(), this.loadReview()]);
  }

  /** Reads all apps, page by page. A later load ends this one. What is there stays until all are read. */
  async loadApps(): Promise<void> {
    const run = ++this.run;
    const rows: Row[] = [];
    const isFirst = this.now.rows.length === 0;
    let cursor: string | undefined;
    this.set({ progress: "loading" });
    do {
      const given = { ...PAGE, ...(cursor && { cursor }) };
      const outcome = await this.link.call<FoundApps>("search_apps", given);
      if (run !== this.run) return;
      if (!("result" in outcome)) {
        if ("error" in outcome) this.set({ progress: "failed", failure: outcome.error });
        return;
      }
      const { apps, next_cursor, total } = outcome.result;
      for (const app of apps) rows.push(rowOf(app));
      cursor = next_cursor;
      if (isFirst) this.set({ rows: [...rows], ...(total !== undefined && { total }) });
    } while (cursor);
    this.set({ rows, total: rows.length, progress: "ready" }, "failure");
  }

  async loadReview(): Promise<void> {
    const outcome = await this.link.call<ReviewedApps>("review_apps", { max_bytes: 300_000 });
    if ("error" in outcome) this.set({ reviewFailure: outcome.error });
    if (!("result" in outcome)) return;
    const review = outcome.result;
    this.set({ review, findings: byApp(review.findings) }, "reviewFailure");
  }

  /** Takes in an app as it is now; without it where there is none any more. */
  put(clientId: string, app: App | undefined): void {
    const { rows } = this.now;
    const at = rows.findIndex((row) => row.app.client_id === clientId);
    const changed = [...rows];
    if (app && at >= 0) changed[at] = rowOf(app);
    else if (app) changed.unshift(rowOf(app));
    else if (at >= 0) changed.splice(at, 1);
    this.set({ rows: changed, total: changed.length });
  }
}

function byApp(findings: readonly Finding[]): Map<string, Finding[]> {
  const found = new Map<string, Finding[]>();
  for (const finding of findings) {
    const own = found.get(finding.client_id);
    if (own) own.push(finding);
    else found.set(finding.client_id, [finding]);
  }
  return found;
}
