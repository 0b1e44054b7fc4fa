// What a change would do, before it is sent.

import type { Action } from "../../data/actions.ts";
import { type App, type Changed, TYPES } from "../../data/apps.ts";
import type { Arguments, Failure } from "../../link/link.ts";
import { Problem } from "../../parts/basics.tsx";
import { Difference } from "../../parts/Difference.tsx";
import { Ours, Theirs } from "../../parts/Theirs.tsx";
import { Url } from "../../parts/Url.tsx";
import { LastFour } from "../Rotation.tsx";

interface PreviewProps {
  action: Action;
  planned: Changed | undefined;
  failure: Failure | undefined;
  sending: boolean;
  send: () => void;
  edit?: () => void;
}

export function Preview({ action, planned, failure, sending, send, edit }: PreviewProps) {
  const isNothing = planned?.changes && !planned.would_send;
  return (
    <div class="preview">
      <h2>{isNothing ? "Nothing to do" : "This will happen"}</h2>
      {planned?.note && <p>{planned.note}</p>}
      {planned?.changes && <Difference changes={planned.changes} />}
      {!planned?.changes && planned?.would_send?.body && (
        <Difference changes={asChanges(planned.would_send.body)} />
      )}
      {!planned?.changes && !planned?.would_send?.body && <p>{action.intro}</p>}
      {planned?.former && <Former app={planned.former} />}
      {planned?.destination && <Delivered planned={planned} />}
      {planned?.would_send && <Request request={planned.would_send} />}
      {failure && <Problem failure={failure} />}
      <p class="actions sticky">
        {edit && (
          <button type="button" onClick={edit} disabled={sending}>
            Back to the form
          </button>
        )}
        {!isNothing && (
          <button
            type="button"
            class={action.dangerous ? "danger solid" : "primary"}
            onClick={send}
            disabled={sending}
          >
            {sending ? "Sending…" : action.verb}
          </button>
        )}
      </p>
    </div>
  );
}

/** What is deleted: a person sees whether it is the right app. */
const Former = ({ app }: { app: App }) => (
  <dl class="settings">
    <dt>Type</dt>
    <dd>{TYPES[app.client_type] ?? <Theirs text={app.client_type} limit={40} />}</dd>
    <dt>Client id</dt>
    <dd>
      <Ours text={app.client_id} />
    </dd>
    <dt>Redirect URLs</dt>
    <dd>
      <ul class="urls">
        {app.redirect_urls.map((url) => (
          <li>
            <Url url={url} bare />
          </li>
        ))}
      </ul>
    </dd>
  </dl>
);

const Delivered = ({ planned: { which, last_four, destination = "" } }: { planned: Changed }) => (
  <dl class="settings">
    <dt>Secret</dt>
    <dd>
      {which}, <LastFour text={last_four} />
    </dd>
    <dt>Destination</dt>
    <dd>
      <Ours text={destination} />
    </dd>
  </dl>
);

const asChanges = (body: Arguments) =>
  Object.fromEntries(Object.entries(body).map(([name, after]) => [name, { after }]));

function Request({ request }: { request: NonNullable<Changed["would_send"]> }) {
  const { method, path, body, cut } = request;
  return (
    <details>
      <summary>The request to the service</summary>
      <p>
        <code>{method}</code> <Theirs text={path} />
      </p>
      {body && <Theirs text={JSON.stringify(body, null, 2)} limit={2_000} lines />}
      {cut && <p class="muted small">Not shown whole: {cut.join(", ")}.</p>}
    </details>
  );
}
