// Which rows the table shows, and in which order.

import {
  type App,
  type Finding,
  SEVERITIES,
  TYPES,
  isRotating,
  placesOf,
  worst,
} from "./apps.ts";

/** An app, with what the table compares. */
export interface Row {
  app: App;
  places: string[];
  haystack: string;
}

export type Column = "name" | "type" | "redirects" | "lifetime" | "findings";

export interface Order {
  by: Column;
  descending: boolean;
}

export interface Filters {
  words: string;
  type: string;
  host: string;
  rotation: "" | "yes" | "no";
  findings: string;
}

export const NO_FILTERS: Filters = { words: "", type: "", host: "", rotation: "", findings: "" };

export type FindingsByApp = ReadonlyMap<string, readonly Finding[]>;

export function rowOf(app: App): Row {
  const texts = [app.client_name, app.client_description, app.client_id, ...app.redirect_urls];
  const haystack = texts.join("\n").toLowerCase();
  return { app, places: placesOf(app), haystack };
}

export function shownRows(
  rows: readonly Row[],
  filters: Filters,
  order: Order,
  findings: FindingsByApp,
): Row[] {
  const words = filters.words.toLowerCase().split(/\s+/).filter(Boolean);
  const host = filters.host.trim().toLowerCase();
  const found = rows.filter(
    ({ app, places, haystack }) =>
      words.every((word) => haystack.includes(word)) &&
      (!filters.type || app.client_type === filters.type) &&
      (!host || places.some((place) => isWithin(place, host))) &&
      (!filters.rotation || isRotating(app) === (filters.rotation === "yes")) &&
      hasFindings(findings.get(app.client_id) ?? [], filters.findings),
  );
  return sorted(found, order, findings);
}

/** A host, a subdomain of it, or the start of either as it is typed. */
function isWithin(place: string, host: string): boolean {
  return place.startsWith(host) || place.includes(`.${host}`);
}

function hasFindings(findings: readonly Finding[], wanted: string): boolean {
  if (!wanted) return true;
  if (wanted === "none") return findings.length === 0;
  if (wanted === "any") return findings.length > 0;
  return findings.some(({ severity, code }) => severity === wanted || code === wanted);
}

const COLLATOR = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function sorted(rows: Row[], { by, descending }: Order, findings: FindingsByApp): Row[] {
  const sign = descending ? -1 : 1;
  const name = ({ app }: Row) => app.client_name ?? "";
  const byName = (a: Row, b: Row) => COLLATOR.compare(name(a), name(b));
  const severity = new Map(
    rows.map((row) => [row, rank(findings.get(row.app.client_id) ?? [])] as const),
  );
  const compare: Record<Column, (a: Row, b: Row) => number> = {
    name: byName,
    type: (a, b) => COLLATOR.compare(typeName(a), typeName(b)),
    redirects: (a, b) => COLLATOR.compare(a.places[0] ?? "", b.places[0] ?? ""),
    lifetime: (a, b) => a.app.access_token_expiry_minutes - b.app.access_token_expiry_minutes,
    findings: (a, b) => severity.get(a)! - severity.get(b)!,
  };
  return rows.sort((a, b) => sign * compare[by](a, b) || byName(a, b));
}

const typeName = ({ app }: Row) => TYPES[app.client_type] ?? app.client_type;

function rank(findings: readonly Finding[]): number {
  const found = worst(findings);
  return found ? SEVERITIES.indexOf(found) - findings.length / 1_000 : SEVERITIES.length;
}
