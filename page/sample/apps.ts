// Made-up apps: some for every case that a view shows, and as many more as are wanted.

import type { App, Finding, Severity } from "../src/data/apps.ts";

const id = (number: number) => `connected-app-test-${number.toString(16).padStart(8, "0")}-4c5d-4e6f-8a7b-9c0d1e2f3a4b`;

const SETTINGS = {
  status: "active",
  access_token_expiry_minutes: 60,
  full_access_allowed: false,
  bypass_consent_for_offline_access: false,
};

const SPECIAL: Partial<App>[] = [
  {
    client_name: "Reports",
    client_description: "Sends reports every night to those who subscribed to them.",
    client_type: "first_party",
    redirect_urls: ["https://reports.example/callback", "https://reports.example/staging/callback"],
    post_logout_redirect_urls: ["https://reports.example/goodbye"],
    logo_url: "https://reports.example/logo.svg",
    access_token_custom_audience: "https://api.example/reports",
    access_token_template_content: '{\n  "role": {{ user.trusted_metadata.role }},\n  "plan": "team"\n}',
    client_secret_last_four: "k3Xp",
    next_client_secret_last_four: "9wQa",
    deliveries: [
      { destination: "reports-staging", last_four: "9wQa", delivered_at: "2026-11-24T10:12:00+00:00" },
      { destination: "reports-live", last_four: "k3Xp", delivered_at: "2026-08-02T07:40:00+00:00" },
    ],
  },
  {
    client_name: "Calendar Sync",
    client_description: "Copies meetings into other calendars.",
    client_type: "third_party",
    redirect_urls: ["https://calendar.example/callback"],
    client_secret_last_four: "Zt71",
    deliveries: [
      { destination: "calendar", last_four: "Zt71", delivered_at: "2026-10-01T12:00:00+00:00" },
    ],
  },
  {
    client_name: "Notes CLI",
    client_description: "Takes notes in a terminal.",
    client_type: "first_party_public",
    redirect_urls: ["http://127.0.0.1/callback", "com.example.notes:/callback"],
    access_token_expiry_minutes: 1_500,
  },
  {
    client_name: "Kalendar Sync",
    client_type: "third_party",
    creation_method: "DCR",
    redirect_urls: ["https://login.calendar.example@evil.example/callback", "https://xn--clendar-4fg.example/cb"],
    client_secret_last_four: "aaaa",
  },
  {
    client_name: "P\u0430yroll",
    client_type: "third_party_public",
    creation_method: "CIMD",
    client_id_metadata_url: "https://p\u0430yroll.example/client.json",
    redirect_urls: ["https://p\u0430yroll.example/cb", "http://payroll.example/cb#done"],
    access_token_expiry_minutes: 525_600,
  },
  {
    client_name: "Back office",
    client_type: "first_party",
    redirect_urls: ["https://*.office.example/cb"],
    full_access_allowed: true,
    bypass_consent_for_offline_access: true,
    client_secret_last_four: "Qm2d",
  },
];

const QUALITIES = ["Amber", "Brisk", "Calm", "Daring", "Early", "Fair", "Gentle", "Humble", "Ideal"];
const PURPOSES = ["Billing", "Deploy", "Expenses", "Forms", "Garden", "Helpdesk", "Invoices"];
const TYPES = ["first_party", "third_party", "first_party_public", "third_party_public", "third_party"];

export function madeUp(count: number): App[] {
  return Array.from({ length: count }, (_, at) => {
    const special = SPECIAL[at];
    return { ...SETTINGS, version: `v${at}`, ...(special ?? generated(at)), client_id: id(at + 1) } as App;
  });
}

function generated(at: number): Partial<App> {
  const purpose = PURPOSES[Math.floor(at / QUALITIES.length) % PURPOSES.length]!;
  const type = TYPES[at % TYPES.length]!;
  const host = `${purpose}-${at}.example`.toLowerCase();
  const secret = !type.endsWith("_public");
  return {
    client_name: `${QUALITIES[at % QUALITIES.length]} ${purpose} ${at}`,
    client_type: type,
    redirect_urls: [`https://${host}/callback`, `https://staging.${host}/callback`].slice(0, 1 + (at % 2)),
    access_token_expiry_minutes: [60, 60, 30, 240][at % 4]!,
    ...(secret && { client_secret_last_four: (at * 7919 + 46_656).toString(36).slice(-4) }),
    ...(secret && at % 17 === 0 && { next_client_secret_last_four: (at * 104_729 + 46_656).toString(36).slice(-4) }),
  };
}

interface Rule {
  code: string;
  severity: Severity;
  fix: string;
  fact: (app: App) => string | undefined;
}

const url = (app: App, pattern: RegExp, says: string) => {
  const found = app.redirect_urls.find((each) => pattern.test(each));
  return found && `The redirect URL ${found} ${says}`;
};

const RULES: Rule[] = [
  {
    code: "http-redirect",
    severity: "high",
    fix: "Use https, with update_app.",
    fact: (app) => url(app, /^http:\/\/(?!127)/, "uses http to a host that is not loopback."),
  },
  {
    code: "mixed-script-host",
    severity: "high",
    fix: "Ask who owns the app. If nobody knows, use delete_app; else use update_app to remove the URL.",
    fact: (app) => url(app, /[\u0400-\u04ff]|xn--/, "has a host that mixes the scripts CYRILLIC and LATIN."),
  },
  {
    code: "user-info-in-url",
    severity: "high",
    fix: "Ask who owns the app. If nobody knows, use delete_app; else use update_app to remove the URL.",
    fact: (app) => url(app, /@/, "has text before the @: it leads to the host after it."),
  },
  {
    code: "wildcard-redirect",
    severity: "high",
    fix: "List the exact URLs with update_app.",
    fact: (app) => url(app, /\*/, "contains a wildcard."),
  },
  {
    code: "full-access",
    severity: "medium",
    fix: "If the app does not need it, turn it off with update_app.",
    fact: (app) => (app.full_access_allowed ? "Its tokens can be exchanged for a full session." : undefined),
  },
  {
    code: "long-token-lifetime",
    severity: "medium",
    fix: "Lower access_token_expiry_minutes with update_app.",
    fact: (app) =>
      app.access_token_expiry_minutes > 1_440
        ? `Access tokens live ${app.access_token_expiry_minutes} minutes.`
        : undefined,
  },
  {
    code: "imitated-name",
    severity: "medium",
    fix: "Find out who owns the app; rename it with update_app, or delete_app.",
    fact: (app) => (app.client_name === "Kalendar Sync" ? 'The name looks like that of "Calendar Sync".' : undefined),
  },
  {
    code: "open-rotation",
    severity: "low",
    fix: "Use complete_secret_rotation or cancel_secret_rotation.",
    fact: (app) => (app.next_client_secret_last_four ? "A rotation is under way: two secrets are valid." : undefined),
  },
  {
    code: "registered-by-stranger",
    severity: "info",
    fix: "Check that its name and redirects belong to one party; else use delete_app.",
    fact: (app) => (app.creation_method ? `It was registered by ${app.creation_method}.` : undefined),
  },
];

export const FIXES = Object.fromEntries(RULES.map(({ code, fix }) => [code, fix]));

export function findingsIn(apps: App[]): Finding[] {
  return RULES.flatMap(({ code, severity, fact }) =>
    apps.flatMap((app) => {
      const found = fact(app);
      const { client_id, client_name = "" } = app;
      return found ? [{ code, severity, client_id, client_name, fact: found }] : [];
    }),
  );
}
