// The form of a change, from the schema of its tool.

import { useMemo, useState } from "preact/hooks";
import type { Act, Action } from "../../data/actions.ts";
import type { App } from "../../data/apps.ts";
import { type Field, type Values, argumentsOf, fieldsOf, problemOf, startOf } from "../../data/fields.ts";
import type { Failure, ToolInfo } from "../../link/link.ts";
import { Problem } from "../../parts/basics.tsx";
import { onEnter } from "../../parts/enter.ts";
import { usePage } from "../../parts/page.ts";
import { FormField } from "./FormField.tsx";

export function useForm(act: Act, tool: ToolInfo | undefined, app: App | undefined) {
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

export function Form({ form, action, failure, preview, changesNothing }: FormProps) {
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
