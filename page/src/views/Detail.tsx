// Every setting of an app.

import type { ComponentChildren } from "preact";
import { ACTIONS, type Act, isPossible } from "../data/actions.ts";
import { type App, TYPES, isConfidential } from "../data/apps.ts";
import { lifetime } from "../data/text/lifetime.ts";
import { Notice, Severe } from "../parts/basics.tsx";
import { usePage, useStore } from "../parts/page.ts";
import { Ours, Theirs } from "../parts/Theirs.tsx";
import { Url } from "../parts/Url.tsx";
import { Grants } from "./Grants.tsx";
import { Rotation } from "./Rotation.tsx";
import { Secrets } from "./Secrets.tsx";

export function Detail({ app }: { app: App }) {
  return (
    <article class="detail">
      <header>
        <p class="app-name">{app.client_name ? <Theirs text={app.client_name} /> : <em>No name</em>}</p>
        <p class="tags">
          <span class="tag">{TYPES[app.client_type] ?? <Theirs text={app.client_type} limit={40} />}</span>
          <span class="tag">
            <Ours text={app.status} />
          </span>
          {app.creation_method && (
            <span class="tag">
              Registered by <Theirs text={app.creation_method} limit={40} brief />
            </span>
          )}
        </p>
        {app.client_description && (
          <p>
            <Theirs text={app.client_description} lines />
          </p>
        )}
        <Actions acts={["edit", "clone", "delete"]} app={app} />
      </header>
      {app.cut && (
        <Notice>
          <p>The server does not show these whole: {app.cut.join(", ")}.</p>
        </Notice>
      )}
      <Findings clientId={app.client_id} />
      <Urls title="Redirect URLs" urls={app.redirect_urls} none="No user can authorize this app." />
      <Urls title="Post-logout redirect URLs" urls={app.post_logout_redirect_urls ?? []} />
      {isConfidential(app) && (
        <>
          <Section title="Rotation">
            <Rotation app={app} />
            <Actions acts={["start", "deliver", "complete", "cancel"]} app={app} />
          </Section>
          <Section title="Secrets">
            <Secrets app={app} />
          </Section>
        </>
      )}
      <Tokens app={app} />
      <Grants app={app} />
      <Origin app={app} />
    </article>
  );
}

export function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="part">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Actions({ acts, app }: { acts: Act[]; app: App }) {
  const { about, go } = usePage();
  const possible = acts.filter((act) => isPossible(about, act, app));
  if (!possible.length) return null;
  return (
    <p class="actions">
      {possible.map((act) => (
        <button
          type="button"
          class={ACTIONS[act].dangerous ? "danger" : ""}
          onClick={() => go({ view: "apps", app: app.client_id, act })}
        >
          {ACTIONS[act].label}
        </button>
      ))}
    </p>
  );
}

function Findings({ clientId }: { clientId: string }) {
  const { catalogue } = usePage();
  const { findings, review } = useStore(catalogue);
  const own = findings.get(clientId) ?? [];
  if (!own.length) return null;
  return (
    <Section title="Findings">
      <ul class="findings-of-app">
        {own.map(({ code, severity, fact }) => (
          <li>
            <p>
              <Severe severity={severity} /> <code>{code}</code>
            </p>
            <p>
              <Theirs text={fact} limit={600} />
            </p>
            {review?.fixes[code] && <p class="muted small">{review.fixes[code]}</p>}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Urls({ title, urls, none }: { title: string; urls: string[]; none?: string }) {
  if (!urls.length && !none) return null;
  return (
    <Section title={title}>
      {urls.length ? (
        <ul class="urls">
          {urls.map((url) => (
            <li>
              <Url url={url} />
            </li>
          ))}
        </ul>
      ) : (
        <p class="muted">{none}</p>
      )}
    </Section>
  );
}

function Tokens({ app }: { app: App }) {
  const minutes = app.access_token_expiry_minutes;
  return (
    <Section title="Tokens">
      <dl class="settings">
        <dt>Access tokens live</dt>
        <dd>
          {lifetime(minutes)} <span class="muted">({minutes.toLocaleString("en")} minutes)</span>
        </dd>
        <Setting label="Audience" text={app.access_token_custom_audience} />
        <dt>Full access</dt>
        <dd>{app.full_access_allowed ? "Yes: tokens can be exchanged for a full session" : "No"}</dd>
        <dt>Consent for offline access</dt>
        <dd>{app.bypass_consent_for_offline_access ? "Bypassed: users are not asked" : "Users are asked"}</dd>
        <Setting label="Claims of access tokens" text={app.access_token_template_content} lines />
        <Setting label="Claims of ID tokens" text={app.id_token_template_content} lines />
      </dl>
    </Section>
  );
}

function Origin({ app }: { app: App }) {
  return (
    <Section title="Identity">
      <dl class="settings">
        <dt>Client id</dt>
        <dd>
          <Ours text={app.client_id} />
        </dd>
        {app.logo_url && (
          <>
            <dt>Logo</dt>
            <dd>
              <Url url={app.logo_url} />
            </dd>
          </>
        )}
        {app.client_id_metadata_url && (
          <>
            <dt>Metadata document</dt>
            <dd>
              <Url url={app.client_id_metadata_url} />
            </dd>
          </>
        )}
        {app.version && (
          <>
            <dt>Version</dt>
            <dd>
              <Ours text={app.version} />
            </dd>
          </>
        )}
      </dl>
    </Section>
  );
}

function Setting({ label, text, lines }: { label: string; text: string | undefined; lines?: boolean }) {
  if (!text) return null;
  return (
    <>
      <dt>{label}</dt>
      <dd>
        <Theirs text={text} {...(lines && { lines })} limit={lines ? 2_000 : 300} />
      </dd>
    </>
  );
}
