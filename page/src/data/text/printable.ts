// Makes the text of strangers readable: what cannot be seen, and what looks like something else.

/** A part of a text: as it is, an escape in place of what cannot be seen, or a marked letter. */
export type Piece =
  | { kind: "text"; text: string }
  | { kind: "escape"; text: string; title: string }
  | { kind: "odd"; text: string; title: string };

// Every space but the plain one, the Braille blank, and all that does not show or acts on a reader.
const UNSEEN =
  /(?:[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs})+/gu;

const NAMES: Record<number, string> = {
  0x09: "tab",
  0x0a: "line break",
  0x0d: "carriage return",
  0x1b: "escape",
  0xa0: "no-break space",
  0xad: "soft hyphen",
  0x200b: "zero-width space",
  0x200c: "zero-width non-joiner",
  0x200d: "zero-width joiner",
  0x200e: "left-to-right mark",
  0x200f: "right-to-left mark",
  0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding",
  0x202c: "end of direction",
  0x202d: "left-to-right override",
  0x202e: "right-to-left override",
  0x2066: "left-to-right isolate",
  0x2067: "right-to-left isolate",
  0x2069: "end of isolate",
  0xfeff: "byte order mark",
};

/** Scripts with letters that pass for Latin ones, and others that are rarely mixed with them. */
const SCRIPTS: [string, RegExp][] = [
  ["Cyrillic", /\p{Script=Cyrillic}/u],
  ["Greek", /\p{Script=Greek}/u],
  ["Armenian", /\p{Script=Armenian}/u],
  ["Cherokee", /\p{Script=Cherokee}/u],
  ["Georgian", /\p{Script=Georgian}/u],
  ["Hebrew", /\p{Script=Hebrew}/u],
  ["Arabic", /\p{Script=Arabic}/u],
];
const LATIN = /\p{Script=Latin}/u;
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const MOST_SHOWN = 3;

export function pieces(text: string): Piece[] {
  return cutBy(text, UNSEEN, words, (unseen) => [escape(unseen)]);
}

/** Whether a word mixes Latin letters with those of a script that is not written with them. */
export function mixesScripts(text: string): boolean {
  return pieces(text).some((piece) => piece.kind === "odd");
}

/** The name of a script that is not Latin, of a letter. */
export function scriptOf(letter: string): string | undefined {
  return SCRIPTS.find(([, pattern]) => pattern.test(letter))?.[0];
}

export function codePoint(char: string): string {
  return `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
}

function escape(unseen: string): Piece {
  const points = [...unseen];
  const names = points.slice(0, MOST_SHOWN).map(named);
  const title = names.join(", ") + (points.length > MOST_SHOWN ? ", …" : "");
  const same = points.every((point) => point === points[0]);
  if (points.length === 1) return { kind: "escape", text: codePoint(points[0]!), title };
  if (same) return { kind: "escape", text: `${codePoint(points[0]!)} ×${points.length}`, title: names[0]! };
  if (points.length <= MOST_SHOWN) {
    return { kind: "escape", text: points.map(codePoint).join(" "), title };
  }
  return { kind: "escape", text: `${points.length} unseen characters`, title };
}

const named = (char: string) => NAMES[char.codePointAt(0)!] ?? `${codePoint(char)}, not visible`;

function words(text: string): Piece[] {
  if (/^[\x20-\x7e]*$/.test(text)) return [{ kind: "text", text }];
  return cutBy(text, WORD, plain, (word) => (LATIN.test(word) ? marked(word) : plain(word)));
}

const plain = (text: string): Piece[] => [{ kind: "text", text }];

/** A word with Latin letters, and the others in it marked. */
function marked(word: string): Piece[] {
  const found: Piece[] = [];
  for (const letter of word) {
    const script = scriptOf(letter);
    const last = found.at(-1);
    if (script) found.push({ kind: "odd", text: letter, title: `${script} ${codePoint(letter)}` });
    else if (last?.kind === "text") last.text += letter;
    else found.push({ kind: "text", text: letter });
  }
  return found;
}

function cutBy(
  text: string,
  pattern: RegExp,
  between: (text: string) => Piece[],
  within: (text: string) => Piece[],
): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) found.push(...between(text.slice(end, match.index)));
    found.push(...within(match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push(...between(text.slice(end)));
  return found;
}

/** A number of characters from the start, without half a character at the end. */
export function start(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).replace(/[\ud800-\udbff]$/, "");
}
