// The apps and findings, as the tools give them.

import type { Json } from "../link/link.ts";
import { placeOf } from "./text/urls.ts";

export type ClientType = "first_party" | "first_party_public" | "third_party" | "third_party_public";

export interface App {
  client_id: string;
  client_name?: string;
  client_type: string;
  status: string;
  version?: string;
  client_description?: string;
  creation_method?: string;
  redirect_urls: string[];
  post_logout_redirect_urls?: string[];
  access_token_expiry_minutes: number;
  access_token_custom_audience?: string;
  access_token_template_content?: string;
  id_token_template_content?: string;
  full_access_allowed: boolean;
  bypass_consent_for_offline_access: boolean;
  logo_url?: string;
  client_id_metadata_url?: string;
  client_secret_last_four?: string;
  next_client_secret_last_four?: string;
  deliveries?: Delivery[];
  cut?: string[];
}

export interface Delivery {
  destination: string;
  last_four: string;
  delivered_at: string;
}

export interface FoundApps {
  apps: App[];
  scanned: number;
  total?: number;
  stopped: string;
  next_cursor?: string;
  note?: string;
}

export const SEVERITIES = ["high", "medium", "low", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Finding {
  code: string;
  severity: Severity;
  client_id: string;
  client_name: string;
  fact: string;
}

export interface ReviewedApps {
  findings: Finding[];
  fixes: Record<string, string>;
  counts: Record<string, number>;
  not_told: number;
  scanned: number;
  total?: number;
  stopped: string;
  note?: string;
}

export interface Change {
  before?: Json;
  after?: Json;
  cut?: boolean;
  added?: string[];
  removed?: string[];
}

/** What a change returns, or would return: the fields of all tools that change an app. */
export interface Changed {
  client_id?: string;
  app?: App;
  former?: App;
  deleted?: boolean;
  delivered?: boolean;
  destination?: string;
  which?: string;
  last_four?: string;
  state?: string;
  next_step?: string;
  note?: string;
  client_secret?: NewSecret;
  next_client_secret?: NewSecret;
  changes?: Record<string, Change>;
  would_send?: { method: string; path: string; body?: Record<string, Json>; cut?: string[] };
}

export interface NewSecret {
  last_four?: string;
  kept_in?: string;
  note: string;
}

export const TYPES: Record<string, string> = {
  first_party: "First party",
  first_party_public: "First party, public",
  third_party: "Third party",
  third_party_public: "Third party, public",
};

export const isConfidential = (app: App) => !app.client_type.endsWith("_public");
export const isRotating = (app: App) => app.next_client_secret_last_four !== undefined;

/** The places that the redirect URLs of an app lead to, each once. */
export function placesOf(app: App): string[] {
  return [...new Set(app.redirect_urls.map(placeOf))];
}

/** The most severe of some findings. */
export function worst(findings: readonly Finding[]): Severity | undefined {
  return SEVERITIES.find((severity) => findings.some((each) => each.severity === severity));
}
