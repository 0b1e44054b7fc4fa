// Decodes the labels of hosts that are written in punycode (RFC 3492).

const BASE = 36;
const [T_MIN, T_MAX, SKEW, DAMP, BIAS, FIRST] = [1, 26, 38, 700, 72, 128];

/** A label without its `xn--`; null where it is not punycode. */
function decodedLabel(label: string): string | null {
  const last = label.lastIndexOf("-");
  const output = [...label.slice(0, Math.max(last, 0))].map((char) => char.codePointAt(0)!);
  let [code, at, bias] = [FIRST, 0, BIAS];
  for (let position = last + 1; position < label.length; at++) {
    const before = at;
    for (let weight = 1, k = BASE; ; k += BASE) {
      const digit = digitOf(label[position++]);
      if (digit === null) return null;
      at += digit * weight;
      const threshold = Math.min(Math.max(k - bias, T_MIN), T_MAX);
      if (digit < threshold) break;
      weight *= BASE - threshold;
    }
    const count = output.length + 1;
    bias = adapted(at - before, count, before === 0);
    code += Math.floor(at / count);
    at %= count;
    if (code > 0x10ffff) return null;
    output.splice(at, 0, code);
  }
  return String.fromCodePoint(...output);
}

function digitOf(char: string | undefined): number | null {
  if (char && /[a-z]/i.test(char)) return char.toLowerCase().charCodeAt(0) - 97;
  return char && /\d/.test(char) ? Number(char) + 26 : null;
}

function adapted(delta: number, count: number, first: boolean): number {
  let left = Math.floor(delta / (first ? DAMP : 2));
  left += Math.floor(left / count);
  let k = 0;
  for (; left > ((BASE - T_MIN) * T_MAX) / 2; k += BASE) left = Math.floor(left / (BASE - T_MIN));
  return k + Math.floor(((BASE - T_MIN + 1) * left) / (left + SKEW));
}

/** A host with its labels decoded; the same where none is punycode. */
export function decodedHost(host: string): string {
  return host
    .split(".")
    .map((label) => (/^xn--/i.test(label) ? (decodedLabel(label.slice(4)) ?? label) : label))
    .join(".");
}
