// The secrets of an app: masked until a press, and hidden again after 30 seconds.

import { useEffect, useRef, useState } from "preact/hooks";
import { offers } from "../data/actions.ts";
import { type App, isRotating } from "../data/apps.ts";
import { counted, localTime } from "../data/text/lifetime.ts";
import type { Failure, Secret, Which } from "../link/link.ts";
import { Problem } from "../parts/basics.tsx";
import { clearClipboard, copy } from "../parts/clipboard.ts";
import { carriedOut, usePage } from "../parts/page.ts";
import { Theirs } from "../parts/Theirs.tsx";

export const SHOWN_SECONDS = 30;

export function Secrets({ app }: { app: App }) {
  const { about, link } = usePage();
  if (!offers(about, link.reveals)) {
    return <p class="muted">This server shows no secrets.</p>;
  }
  return (
    <>
      <p class="muted small">
        A secret that is shown here does not enter the conversation with the model. Each time is a line
        in the audit log.
      </p>
      <OneSecret app={app} which="current" lastFour={app.client_secret_last_four} />
      {isRotating(app) && (
        <OneSecret app={app} which="next" lastFour={app.next_client_secret_last_four} />
      )}
    </>
  );
}

interface Props {
  app: App;
  which: Which;
  lastFour: string | undefined;
}

function OneSecret({ app, which, lastFour = "" }: Props) {
  const { link, ask, announce } = usePage();
  const [secret, hold] = useState<Secret | null>(null);
  const [isSeen, see] = useState(false);
  const [failure, fail] = useState<Failure | null>(null);
  const [busy, work] = useState(false);
  const label = which === "next" ? "Next secret" : "Current secret";
  const hide = () => {
    hold(null);
    see(false);
  };
  const left = useCountdown(secret !== null, () => {
    hide();
    announce("The secret is gone from the page.");
  });

  const get = async (): Promise<Secret | null> => {
    if (busy) return null; // a button that were disabled would lose the focus
    fail(null);
    work(true);
    const outcome = await carriedOut(ask, (answer) => link.revealSecret(app.client_id, which, answer));
    work(false);
    if ("result" in outcome) return outcome.result;
    fail(outcome.error);
    return null;
  };
  const reveal = async () => {
    const found = secret ?? (await get());
    if (!found) return;
    hold(found);
    see(true);
    announce(`The secret is shown for ${SHOWN_SECONDS} seconds.`);
  };
  const take = async () => {
    const found = secret ?? (await get());
    if (!found) return;
    // Browsers let only a page with the focus copy, and the question of a host has taken it.
    const isBlurred = !document.hasFocus();
    if (isBlurred) hold(found);
    announce(isBlurred ? "The secret is here. Press Copy once more." : await copied(found.value, announce));
  };

  return (
    <div class="secret-box">
      <p class="secret-head">
        <strong>{label}</strong>
        {secret && (
          <span class="muted" aria-hidden="true">
            {isSeen ? "hides" : "goes"} in {left} s
          </span>
        )}
      </p>
      <p class="secret-value">
        {secret && isSeen ? (
          <code class="value">{secret.value}</code>
        ) : (
          <code class="value masked">
            <span aria-hidden="true">{"•".repeat(20)}</span>
            <span class="unseen">masked, ends with </span>
            <Theirs text={lastFour} limit={12} brief />
          </code>
        )}
      </p>
      <p class="actions">
        <button type="button" aria-disabled={busy} onClick={() => (isSeen ? hide() : void reveal())}>
          {isSeen ? "Hide" : "Show"}
          <span class="unseen"> the {which} secret</span>
        </button>
        <button type="button" aria-disabled={busy} onClick={() => void take()}>
          Copy<span class="unseen"> the {which} secret</span>
        </button>
      </p>
      {secret?.stored_at && (
        <p class="muted small">
          Stored <time dateTime={secret.stored_at}>{localTime(secret.stored_at)}</time>
        </p>
      )}
      {secret?.note && <p class="small">{secret.note}</p>}
      {failure && <Problem failure={failure} />}
    </div>
  );
}

async function copied(value: string, announce: (text: string) => void): Promise<string> {
  if (!(await copy(value))) return "This place does not let the page copy. Show the secret, and select it.";
  clearClipboard(SHOWN_SECONDS, (cleared) =>
    announce(
      cleared
        ? "The clipboard is cleared."
        : "The browser does not let the page clear the clipboard: copy something else.",
    ),
  );
  return `Copied. The clipboard is cleared in ${counted(SHOWN_SECONDS, "second")}.`;
}

/** Seconds that are left while it runs. It ends early where the page is not seen any more. */
function useCountdown(running: boolean, end: () => void): number {
  const [left, count] = useState(SHOWN_SECONDS);
  const ending = useRef(end);
  ending.current = end;
  useEffect(() => {
    if (!running) return;
    const until = Date.now() + SHOWN_SECONDS * 1_000;
    count(SHOWN_SECONDS);
    const timer = setInterval(() => {
      const seconds = Math.ceil((until - Date.now()) / 1_000);
      if (seconds > 0) count(seconds);
      else ending.current();
    }, 250);
    const hidden = () => document.hidden && ending.current();
    document.addEventListener("visibilitychange", hidden);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", hidden);
    };
  }, [running]);
  return left;
}
