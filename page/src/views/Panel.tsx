// The panel beside the table: an app, or a change of it.

import { useEffect } from "preact/hooks";
import { ACTIONS } from "../data/actions.ts";
import type { App } from "../data/apps.ts";
import { Icon, Problem, Waiting } from "../parts/basics.tsx";
import { useFocus } from "../parts/focus.ts";
import { useOutcome, usePage } from "../parts/page.ts";
import { Change } from "./change/Change.tsx";
import { Detail } from "./Detail.tsx";

export function Panel() {
  const { link, catalogue, route, go } = usePage();
  const { app: clientId, act } = route;
  const heading = useFocus<HTMLHeadingElement>();
  const { result, failure, again } = useOutcome<{ app: App } | null>(
    async () => (clientId ? link.call("get_app", { client_id: clientId }) : { result: null }),
    [clientId],
  );
  const back = () => go(act && clientId ? { view: "apps", app: clientId } : { view: "apps" });
  useEffect(
    () =>
      link.listen((event) => {
        if (event.kind === "app" && event.client_id === clientId && !act) again();
      }),
    [clientId, act],
  );
  useEffect(() => {
    if (result) catalogue.put(result.app.client_id, { ...result.app });
  }, [result]);
  useEffect(() => {
    const gone = failure?.error === "connected_app_not_found" && clientId;
    if (gone) catalogue.put(clientId, undefined);
  }, [failure]);
  useEscape(back);

  return (
    <section class="panel" aria-labelledby="panel-title">
      <div class="panel-head">
        {act && clientId && (
          <button type="button" class="quiet square" aria-label="Back to the app" onClick={back}>
            <Icon name="back" />
          </button>
        )}
        <h1 id="panel-title" ref={heading} tabIndex={-1}>
          {act ? ACTIONS[act].title : "App"}
        </h1>
        <button
          type="button"
          class="quiet square"
          aria-label="Close"
          onClick={() => go({ view: "apps" })}
        >
          <Icon name="close" />
        </button>
      </div>
      <div class="panel-body">
        {failure && <Problem failure={failure} again={again} />}
        {result === undefined && !failure && <Waiting>Reading the app…</Waiting>}
        {act && result !== undefined && <Change act={act} {...(result && { app: result.app })} />}
        {!act && result && <Detail app={result.app} />}
      </div>
    </section>
  );
}

/** The Escape key goes back, unless a question is open or something is typed. */
function useEscape(back: () => void): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const typing = (event.target as HTMLElement).matches?.("input, textarea, select, dialog *");
      if (event.key === "Escape" && !typing && !document.querySelector("dialog[open]")) back();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  });
}
