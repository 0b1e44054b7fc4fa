// A change: its form, what it would do, the question, and what became of it.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { ACTIONS, type Act, type Action } from "../data/actions.ts";
import { type App, type Changed, TYPES } from "../data/apps.ts";
import { type Field, type Values, argumentsOf, fieldsOf, problemOf, startOf } from "../data/fields.ts";
import type { Arguments, Failure, ToolInfo } from "../link/link.ts";
import { Problem, Waiting } from "../parts/basics.tsx";
import { Difference } from "../parts/Difference.tsx";
import { onEnter } from "../parts/enter.ts";
import { carriedOut, usePage } from "../parts/page.ts";
import { Ours, Theirs } from "../parts/Theirs.tsx";
import { Url } from "../parts/Url.tsx";
import { FormField } from "./FormField.tsx";
import { LastFour } from "./Rotation.tsx";

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

function useForm(act: Act, tool: ToolInfo | undefined, app: App | undefined) {
  const { about } = usePage();
  const fields = useMemo(() => (tool ? fieldsOf(tool) : []), [tool]);
  const starts = useMemo(
    () => Object.fromEntries(fields.map((field) => [field.name, startOf(field, startingFrom(act, app))])),
    [fields],
  );
  const [values, set] = useState<Values>(starts);
  const [tried, tryIt] = useState(false);
  const problems = Object.fromEntries(
    fields.flatMap((field) => {
      const problem = problemOf(field, values[field.name]!);
      return problem ? [[field.name, problem]] : [];
    }),
  );
  const given = argumentsOf(fields, values, withoutArguments(act, fields, starts));
  return { fields, values, set, problems, given, tried, tryIt, destinations: about.destinations ?? [] };
}

/** What the fields come to where the call leaves them out: as the app has them, or by the schema. */
function withoutArguments(act: Act, fields: Field[], starts: Values): Values {
  if (act === "edit" || act === "clone") return starts;
  return Object.fromEntries(fields.map((field) => [field.name, startOf(field)]));
}

/** A clone needs another name; the other changes start from the app as it is. */
function startingFrom(act: Act, app: App | undefined): object | undefined {
  if (act === "clone") return { ...app, client_name: "" };
  if (act === "deliver") return { which: app?.next_client_secret_last_four ? "next" : "current" };
  return app;
}

interface FormProps {
  form: ReturnType<typeof useForm>;
  action: Action;
  failure: Failure | undefined;
  preview: () => void;
  changesNothing: boolean;
}

function Form({ form, action, failure, preview, changesNothing }: FormProps) {
  const { fields, values, set, problems, tried, tryIt, destinations } = form;
  const check = () => {
    if (changesNothing) return;
    tryIt(true);
    const [first] = Object.keys(problems);
    if (first) document.getElementById(`field-${first}`)?.focus();
    else preview();
  };
  const inputs = fields.map((field) => (
    <FormField
      key={field.name}
      field={field}
      value={values[field.name]!}
      problem={tried ? problems[field.name] : undefined}
      choices={field.name === "destination" ? destinations : []}
      change={(value) => set({ ...values, [field.name]: value })}
    />
  ));
  return (
    <form onKeyDown={onEnter(check)}>
      <p class="muted">{action.intro}</p>
      {failure && <Problem failure={failure} />}
      {inputs}
      <p class="actions sticky">
        <button type="button" class="primary" disabled={changesNothing} onClick={check}>
          See what it does
        </button>
        {changesNothing && <span class="muted">Nothing is changed yet.</span>}
      </p>
    </form>
  );
}

interface PreviewProps {
  action: Action;
  planned: Changed | undefined;
  failure: Failure | undefined;
  sending: boolean;
  send: () => void;
  edit?: () => void;
}

function Preview({ action, planned, failure, sending, send, edit }: PreviewProps) {
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

/** What is deleted, so that nobody deletes another app. */
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

function Done({ act, result }: { act: Act; result: Changed }) {
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
