// A change: its form, what it would do, the question, and what became of it.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ACTIONS, type Act, type Action } from "../../data/actions.ts";
import type { App, Changed } from "../../data/apps.ts";
import type { Arguments, Failure, ToolInfo } from "../../link/link.ts";
import { Waiting } from "../../parts/basics.tsx";
import { carriedOut, usePage } from "../../parts/page.ts";
import { Theirs } from "../../parts/Theirs.tsx";
import { Done } from "./Done.tsx";
import { Form, useForm } from "./Form.tsx";
import { Preview } from "./Preview.tsx";

type Stage =
  | { at: "form"; failure?: Failure }
  | { at: "checking" }
  | { at: "preview"; planned?: Changed; failure?: Failure }
  | { at: "sending"; planned?: Changed }
  | { at: "done"; result: Changed };

export function Change({ act, app }: { act: Act; app?: App }) {
  const { about } = usePage();
  const action = ACTIONS[act];
  const tool = about.tools.find(({ name }) => name === action.tool);
  const form = useForm(act, tool, app);
  const { stage, preview, send, edit } = useStages(action, tool, app, form);
  const top = useSightOf(stage);
  if (!tool) return <p>The server does not offer this.</p>;
  return (
    <div class="change" ref={top} tabIndex={-1}>
      {app && (
        <p class="app-name">
          {app.client_name ? <Theirs text={app.client_name} limit={120} /> : <em>No name</em>}
        </p>
      )}
      {stage.at === "form" && (
        <Form
          form={form}
          action={action}
          failure={stage.failure}
          preview={() => void preview()}
          changesNothing={act === "edit" && Object.keys(form.given).length === 0}
        />
      )}
      {stage.at === "checking" && <Waiting>Checking, without sending anything…</Waiting>}
      {(stage.at === "preview" || stage.at === "sending") && (
        <Preview
          action={action}
          planned={stage.planned}
          failure={stage.at === "preview" ? stage.failure : undefined}
          sending={stage.at === "sending"}
          send={() => void send()}
          {...(edit && { edit })}
        />
      )}
      {stage.at === "done" && <Done act={act} result={stage.result} />}
    </div>
  );
}

/** Where a change is, and the steps from there. */
function useStages(
  action: Action,
  tool: ToolInfo | undefined,
  app: App | undefined,
  form: ReturnType<typeof useForm>,
) {
  const { link, ask, announce, catalogue } = usePage();
  const hasForm = form.fields.length > 0 && !action.rare;
  const [stage, enter] = useState<Stage>({ at: hasForm ? "form" : "checking" });
  const given: Arguments = { ...(app && { client_id: app.client_id }), ...form.given };
  const parameters = tool?.inputSchema.properties;

  const preview = async () => {
    if (!parameters?.dry_run) return enter({ at: "preview" });
    enter({ at: "checking" });
    const outcome = await carriedOut(ask, (answer) =>
      link.call<Changed>(action.tool, { ...given, dry_run: true }, answer),
    );
    if ("result" in outcome) enter({ at: "preview", planned: outcome.result });
    else enter({ at: hasForm ? "form" : "preview", failure: outcome.error });
  };
  const send = async () => {
    const planned = stage.at === "preview" ? stage.planned : undefined;
    enter({ at: "sending", ...(planned && { planned }) });
    const unchanged = parameters?.if_unchanged && app?.version;
    const whole = { ...given, ...(unchanged && { if_unchanged: unchanged }) };
    const outcome = await carriedOut(ask, (answer) => link.call<Changed>(action.tool, whole, answer));
    if ("error" in outcome) {
      enter({ at: "preview", ...(planned && { planned }), failure: outcome.error });
      return;
    }
    announce(action.done);
    enter({ at: "done", result: outcome.result });
    if (outcome.result.app) catalogue.put(outcome.result.app.client_id, outcome.result.app);
    if (outcome.result.deleted) catalogue.put(outcome.result.client_id!, undefined);
    void catalogue.loadReview();
  };
  useEffect(() => {
    if (stage.at === "checking") void preview();
  }, []);

  const hasFailed = stage.at === "preview" && stage.failure !== undefined;
  const canEdit = hasForm || (form.fields.length > 0 && hasFailed);
  return { stage, preview, send, ...(canEdit && { edit: () => enter({ at: "form" }) }) };
}

/** Brings a new preview or result into sight. */
function useSightOf(stage: Stage) {
  const top = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (stage.at !== "preview" && stage.at !== "done") return;
    if (!("failure" in stage)) top.current?.scrollIntoView(); // a failure comes into sight itself
    top.current?.focus({ preventScroll: true });
  }, [stage.at]);
  return top;
}
