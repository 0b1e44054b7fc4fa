import assert from "node:assert/strict";
import { test } from "node:test";
import { mixesScripts, pieces, start } from "../src/data/text/printable.ts";

const shown = (text: string) => pieces(text).map((piece) => piece.text).join("|");

test("plain text is one piece", () => assert.deepEqual(pieces("Reports"), [{ kind: "text", text: "Reports" }]));

test("a bidirectional override is an escape", () => assert.equal(shown("a\u202eb"), "a|U+202E|b"));

test("many of one unseen character are counted", () => assert.equal(shown(`a${"\u200b".repeat(900)}`), "a|U+200B ×900"));

test("many different unseen characters are counted together", () =>
  assert.equal(shown("a\u200b\u200c\u200d\u2060\ufeff"), "a|5 unseen characters"));

test("tags, variation selectors, fillers and odd blanks are escapes", () => {
  for (const char of ["\u{e0064}", "\ufe0f", "\u3164", "\u2800", "\u00a0", "\ue000", "\n", "\ud800"]) {
    assert.equal(pieces(`a${char}b`)[1]?.kind, "escape", JSON.stringify(char));
  }
});

test("a Cyrillic letter in a Latin word is marked", () =>
  assert.deepEqual(pieces("p\u0430y")[1], { kind: "odd", text: "\u0430", title: "Cyrillic U+0430" }));

test("a word of one script is not marked", () => {
  for (const word of ["Привет", "Ελλάδα", "东京 Tokyo", "naïve"]) assert.equal(mixesScripts(word), false, word);
});

test("the pieces without escapes are the text", () =>
  assert.equal(pieces("Kilr\u043ey, naïve 東京").map(({ text }) => text).join(""), "Kilr\u043ey, naïve 東京"));

test("a cut never leaves half a character", () => assert.equal(start("a😀", 2), "a"));
