// A field of a form, by its control.

import { TYPES } from "../../data/apps.ts";
import type { Field, Value } from "../../data/fields.ts";
import { lifetime } from "../../data/text/lifetime.ts";
import { Url } from "../../parts/Url.tsx";

interface Props {
  field: Field;
  value: Value;
  problem: string | undefined;
  /** Values to choose from, besides any other. */
  choices: readonly string[];
  change: (value: Value) => void;
}

export function FormField(props: Props) {
  const { field, value, problem } = props;
  const id = `field-${field.name}`;
  if (field.control === "switch") return <Switch {...props} />;
  return (
    <div class={problem ? "field wrong" : "field"}>
      <label for={id}>
        {field.label}
        {field.required && <span class="muted"> (needed)</span>}
      </label>
      {field.help && (
        <p class="muted small" id={`${id}-help`}>
          {field.help}
          {field.control === "list" && " One on each line."}
        </p>
      )}
      <Control {...props} />
      {field.name.endsWith("_minutes") && Number(value) >= 1 && (
        <p class="muted small">{lifetime(Number(value))}</p>
      )}
      {problem && (
        <p class="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
      {field.control === "list" && <Preview lines={String(value)} />}
    </div>
  );
}

function Control({ field, value, problem, choices, change }: Props) {
  const id = `field-${field.name}`;
  const described = [field.help && `${id}-help`, problem && `${id}-problem`].filter(Boolean).join(" ");
  const common = {
    id,
    value: String(value),
    required: field.required,
    "aria-invalid": problem !== undefined,
    ...(described && { "aria-describedby": described }),
    spellcheck: false,
    onInput: (event: Event) => change((event.target as HTMLInputElement).value),
  };
  if (field.control === "choice") {
    const names = field.name === "client_type" ? TYPES : {};
    return (
      <select {...common}>
        {value === "" && <option value="">Choose…</option>}
        {field.schema.enum!.map((each) => (
          <option value={each}>{names[each] ?? each}</option>
        ))}
      </select>
    );
  }
  if (field.control === "list" || field.control === "long") {
    const rows = Math.min(12, Math.max(field.control === "list" ? 2 : 3, String(value).split("\n").length + 1));
    return <textarea {...common} rows={rows} class={/_urls$|_content$/.test(field.name) ? "code" : ""} />;
  }
  if (field.control === "number") return <input {...common} type="text" inputMode="numeric" />;
  return (
    <>
      <input {...common} type="text" list={choices.length ? `${id}-choices` : undefined} />
      {choices.length > 0 && (
        <datalist id={`${id}-choices`}>
          {choices.map((each) => (
            <option value={each} />
          ))}
        </datalist>
      )}
    </>
  );
}

function Switch({ field, value, change }: Props) {
  const id = `field-${field.name}`;
  return (
    <div class="field switch">
      <input
        id={id}
        type="checkbox"
        checked={value === true}
        aria-describedby={field.help ? `${id}-help` : undefined}
        onInput={(event) => change(event.currentTarget.checked)}
      />
      <div>
        <label for={id}>{field.label}</label>
        {field.help && (
          <p class="muted small" id={`${id}-help`}>
            {field.help}
          </p>
        )}
      </div>
    </div>
  );
}

/** What is odd about the URLs of a list, while they are written. */
function Preview({ lines }: { lines: string }) {
  const urls = lines.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!urls.length) return null;
  return (
    <ul class="urls" aria-label="As they are read">
      {urls.slice(0, 20).map((url) => (
        <li>
          <Url url={url} />
        </li>
      ))}
    </ul>
  );
}
