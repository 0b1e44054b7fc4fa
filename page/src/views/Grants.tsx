// Who authorised an app. The service tells it of one organization at a time.

import { useState } from "preact/hooks";
import { offers } from "../data/actions.ts";
import type { App } from "../data/apps.ts";
import type { Failure } from "../link/link.ts";
import { Problem } from "../parts/basics.tsx";
import { onEnter } from "../parts/enter.ts";
import { carriedOut, usePage } from "../parts/page.ts";
import { Theirs } from "../parts/Theirs.tsx";

interface Member {
  member_id: string;
  scopes: string[];
}

export function Grants({ app }: { app: App }) {
  const { about, link, ask } = usePage();
  const [organization, choose] = useState("");
  const [members, show] = useState<Member[] | null>(null);
  const [failure, fail] = useState<Failure | null>(null);
  if (!offers(about, "get_organization_app")) return null;

  const wanted = organization.trim();
  const look = async () => {
    if (!wanted) return;
    const given = { organization_id: wanted, client_id: app.client_id };
    const outcome = await carriedOut(ask, (answer) =>
      link.call<{ active_members: Member[] }>("get_organization_app", given, answer),
    );
    show("result" in outcome ? outcome.result.active_members : null);
    fail("error" in outcome ? outcome.error : null);
  };

  return (
    <section class="part">
      <h2>Who authorised it</h2>
      <form class="inline" onKeyDown={onEnter(() => void look())}>
        <label>
          <span>Organization, by its id or slug</span>
          <input
            type="text"
            maxLength={255}
            spellcheck={false}
            value={organization}
            onInput={(event) => choose(event.currentTarget.value)}
          />
        </label>
        <button type="button" disabled={!wanted} onClick={() => void look()}>
          Look
        </button>
      </form>
      {failure && <Problem failure={failure} />}
      <div role="status">{members && <Members members={members} />}</div>
    </section>
  );
}

function Members({ members }: { members: Member[] }) {
  if (!members.length) return <p class="muted">No member of it has authorised this app.</p>;
  return (
    <ul class="members">
      {members.map(({ member_id, scopes }) => (
        <li>
          <Theirs text={member_id} limit={80} />
          <span class="scopes">
            {scopes.map((scope) => (
              <Theirs text={scope} limit={60} brief />
            ))}
          </span>
        </li>
      ))}
    </ul>
  );
}
