// What became of a change.

import { useState } from "preact/hooks";
import { ACTIONS, type Act } from "../../data/actions.ts";
import type { Changed } from "../../data/apps.ts";
import { Difference } from "../../parts/Difference.tsx";
import { usePage } from "../../parts/page.ts";

export function Done({ act, result }: { act: Act; result: Changed }) {
  const { go, link } = usePage();
  const [said, say] = useState(false);
  const action = ACTIONS[act];
  const clientId = result.app?.client_id ?? result.client_id;
  const secret = result.client_secret ?? result.next_client_secret;
  const tell = async () => {
    say(true);
    await link.say?.(`I did this in the page: ${action.verb.toLowerCase()} (${clientId}).`);
  };
  return (
    <div class="finished">
      <div class="notice good">
        <p>
          <strong>{action.done}</strong>
        </p>
        {result.note && <p>{result.note}</p>}
        {secret && <p>{secret.note}</p>}
      </div>
      {result.changes && <Difference changes={result.changes} />}
      {result.next_step && <p class="muted">{result.next_step}</p>}
      <p class="actions">
        {clientId && !result.deleted && (
          <button type="button" class="primary" onClick={() => go({ view: "apps", app: clientId })}>
            Show the app
          </button>
        )}
        {link.say && (
          <button type="button" disabled={said} onClick={() => void tell()}>
            {said ? "Said" : "Say it in the conversation"}
          </button>
        )}
        <button type="button" onClick={() => go({ view: "apps" })}>
          Close
        </button>
      </p>
    </div>
  );
}
