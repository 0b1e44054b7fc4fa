// What differs between two lists of lines, in their order.

export interface Line {
  kind: "same" | "added" | "removed";
  text: string;
}

const MOST_CELLS = 1_000_000;

export function difference(before: readonly string[], after: readonly string[]): Line[] {
  if (before.length * after.length > MOST_CELLS) {
    return [...all(before, "removed"), ...all(after, "added")];
  }
  const common = commonLengths(before, after);
  const found: Line[] = [];
  let [a, b] = [0, 0];
  while (a < before.length && b < after.length) {
    if (before[a] === after[b]) {
      found.push({ kind: "same", text: before[a]! });
      a++;
      b++;
    } else if (common[a + 1]![b]! >= common[a]![b + 1]!) {
      found.push({ kind: "removed", text: before[a++]! });
    } else found.push({ kind: "added", text: after[b++]! });
  }
  return [...found, ...all(before.slice(a), "removed"), ...all(after.slice(b), "added")];
}

const all = (lines: readonly string[], kind: Line["kind"]) => lines.map((text) => ({ kind, text }));

/** The length of the longest common part of what is left from each pair of places on. */
function commonLengths(before: readonly string[], after: readonly string[]): number[][] {
  const table = Array.from({ length: before.length + 1 }, () =>
    new Array<number>(after.length + 1).fill(0),
  );
  for (let a = before.length - 1; a >= 0; a--) {
    for (let b = after.length - 1; b >= 0; b--) {
      table[a]![b] =
        before[a] === after[b]
          ? table[a + 1]![b + 1]! + 1
          : Math.max(table[a + 1]![b]!, table[a]![b + 1]!);
    }
  }
  return table;
}
