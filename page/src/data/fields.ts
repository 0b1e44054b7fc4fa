// The fields of a form, made from the input schema of a tool.

import type { Arguments, Json, Schema, ToolInfo } from "../link/link.ts";

export type Control = "text" | "long" | "number" | "switch" | "choice" | "list";

export interface Field {
  name: string;
  label: string;
  help?: string;
  control: Control;
  required: boolean;
  schema: Schema;
}

/** A value of a field while it is edited. A list is a line for each entry. */
export type Value = string | boolean;
export type Values = Record<string, Value>;

/** Arguments that the page gives itself, or has a better way for. */
const OURS = /^(?:client_id|dry_run|if_unchanged|reveal_secret|(?:add|remove)_\w+)$/;
const LONG = /_content$|description$|^reason$/;
const CAPITALS = /\b(?:url|urls|id)\b/gi;

/** The fields of a tool, the needed ones first. */
export function fieldsOf(tool: ToolInfo): Field[] {
  const { properties = {}, required = [] } = tool.inputSchema;
  return Object.entries(properties)
    .filter(([name]) => !OURS.test(name))
    .map(([name, schema]) => ({
      name,
      label: labelOf(name),
      ...(schema.description && { help: schema.description }),
      control: controlOf(name, schema),
      required: required.includes(name),
      schema,
    }))
    .sort((a, b) => Number(b.required) - Number(a.required));
}

/** `access_token_expiry_minutes` is "Access token expiry minutes". */
export function labelOf(name: string): string {
  const words = name.replaceAll("_", " ").replace(CAPITALS, (word) =>
    word.toLowerCase() === "urls" ? "URLs" : word.toUpperCase(),
  );
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function controlOf(name: string, { type, enum: choices }: Schema): Control {
  if (choices) return "choice";
  if (type === "boolean") return "switch";
  if (type === "integer") return "number";
  if (type === "array") return "list";
  return LONG.test(name) ? "long" : "text";
}

/** What a form starts with: the value of the app, or of the schema. */
export function startOf(field: Field, app?: object): Value {
  const known = (app as Record<string, Json> | undefined)?.[field.name] ?? field.schema.default;
  if (field.control === "switch") return known === true;
  if (Array.isArray(known)) return known.join("\n");
  return known === undefined || known === null ? "" : String(known);
}

/** The arguments of the fields that differ from their start. */
export function argumentsOf(fields: readonly Field[], values: Values, starts: Values): Arguments {
  const changed = fields.filter(({ name }) => values[name] !== starts[name]);
  return Object.fromEntries(changed.map((field) => [field.name, valueOf(field, values[field.name]!)]));
}

function valueOf({ control }: Field, value: Value): Json {
  if (typeof value === "boolean") return value;
  if (control === "number") return Number(value);
  if (control === "list") return value.split("\n").map((line) => line.trim()).filter(Boolean);
  return value;
}

/** What is wrong with a value, by the schema. The tool checks it again, and more. */
export function problemOf(field: Field, value: Value): string | undefined {
  if (typeof value === "boolean") return undefined;
  const { minimum = -Infinity, maximum = Infinity, minLength = 0, maxLength = Infinity } = field.schema;
  if (value === "") return field.required ? "This is needed." : undefined;
  if (field.control === "number") {
    const number = Number(value);
    if (!Number.isInteger(number)) return "Give a whole number.";
    if (number < minimum) return `Give at least ${minimum.toLocaleString("en")}.`;
    if (number > maximum) return `Give at most ${maximum.toLocaleString("en")}.`;
  }
  if (value.length < minLength) return `Give at least ${minLength} characters.`;
  if (value.length > maxLength) return `Give at most ${maxLength} characters.`;
  return undefined;
}
