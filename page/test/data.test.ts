import assert from "node:assert/strict";
import { test } from "node:test";
import { difference } from "../src/data/diff.ts";
import { argumentsOf, fieldsOf, labelOf, startOf } from "../src/data/fields.ts";
import { lifetime } from "../src/data/text/lifetime.ts";
import { readQuestion } from "../src/data/text/questions.ts";
import { recordsOf } from "../src/data/records.ts";
import { decrypted, newKeyPair } from "../src/data/sealed.ts";
import { outcomeOf } from "../src/link/host.ts";

test("a lifetime is said in its two largest units", () => {
  assert.equal(lifetime(60), "1 hour");
  assert.equal(lifetime(1_500), "1 day 1 hour");
  assert.equal(lifetime(1_501), "about 1 day 1 hour");
  assert.equal(lifetime(2_147_483_647), "about 4,085 years 283 days");
});

test("a difference keeps the order and what stays", () =>
  assert.deepEqual(
    difference(["a", "b", "c"], ["a", "c", "d"]).map(({ kind, text }) => kind[0] + text),
    ["sa", "rb", "sc", "ad"],
  ));

const TOOL = {
  name: "update_app",
  inputSchema: {
    properties: {
      client_id: { type: "string" },
      redirect_urls: { type: "array", items: { type: "string" } },
      access_token_expiry_minutes: { type: "integer", minimum: 1 },
      full_access_allowed: { type: "boolean" },
      add_redirect_urls: { type: "array" },
    },
    required: ["client_id"],
  },
};

test("a form has no field for what the page gives itself", () =>
  assert.deepEqual(
    fieldsOf(TOOL).map(({ control }) => control),
    ["list", "number", "switch"],
  ));

test("the arguments are the values that differ, in the types of the schema", () => {
  const fields = fieldsOf(TOOL);
  const starts = Object.fromEntries(fields.map((field) => [field.name, startOf(field, { redirect_urls: ["a"] })]));
  const values = { ...starts, redirect_urls: "a\n b \n\n", access_token_expiry_minutes: "90" };
  assert.deepEqual(argumentsOf(fields, values, starts), {
    redirect_urls: ["a", "b"],
    access_token_expiry_minutes: 90,
  });
});

test("a label writes URL and ID in capitals", () => assert.equal(labelOf("logo_url"), "Logo URL"));

test("a question is read as an act, facts and a consequence", () =>
  assert.deepEqual(readQuestion('Delete?\nApp: "a: b"\nNo label here\nIt is gone.'), {
    act: "Delete?",
    facts: [
      ["App", '"a: b"'],
      ["", "No label here"],
    ],
    consequence: "It is gone.",
  }));

test("an intent and its outcome are one record, the latest first", () => {
  const line = { time: "", tool: "delete_app" };
  const records = recordsOf([
    { ...line, seq: 1, event: "intent", entry: "a" },
    { ...line, seq: 2, event: "intent", entry: "b" },
    { ...line, seq: 3, event: "outcome", entry: "a", ok: true },
    { ...line, seq: 4, event: "refusal" },
  ]);
  assert.deepEqual(
    records.map(({ seq, state }) => [seq, state]),
    [
      [4, "refused"],
      [2, "open"],
      [1, "ok"],
    ],
  );
});

test("what is encrypted for the page only the page decrypts", async () => {
  const [ours, others] = [await newKeyPair(), await newKeyPair()];
  const spki = Buffer.from(ours.publicKey, "base64");
  const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("spki", spki, algorithm, false, ["encrypt"]);
  const sealed = await crypto.subtle.encrypt(algorithm, key, Buffer.from("a secret"));
  const ciphertext = Buffer.from(sealed).toString("base64");
  assert.equal(await decrypted(ours, ciphertext), "a secret");
  await assert.rejects(decrypted(others, ciphertext));
});

test("a result of a host is read from its structure, or from its text", () => {
  const content = [{ type: "text", text: '{"a":1}' }];
  assert.deepEqual(outcomeOf({ structuredContent: { a: 1 } }), { result: { a: 1 } });
  assert.deepEqual(outcomeOf({ content }), { result: { a: 1 } });
});

test("an error of a tool keeps its fields, and another text is its message", () => {
  const failure = { error: "NotFound", message: "No such app.", hint: "Look." };
  const content = [{ type: "text", text: JSON.stringify(failure) }];
  assert.deepEqual(outcomeOf({ content, isError: true }), { error: failure });
  const plain = outcomeOf({ content: [{ type: "text", text: "No." }], isError: true });
  assert.deepEqual(plain, { error: { error: "error", message: "No." } });
});
