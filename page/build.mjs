// Builds the page into one HTML document.
//
//   node build.mjs                  the page, into the package of the server
//   node build.mjs --sample         the page on made-up apps, into build/sample.html
//
// A path at the end is where to write it instead.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const MOST_BYTES = 200_000;
const place = (path) => fileURLToPath(new URL(path, import.meta.url));

async function bundle(entry) {
  const done = await build({
    entryPoints: [place(entry)],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
  });
  return done.outputFiles[0].text.trim().replaceAll("</script", "<\\/script");
}

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

function policy(script, style) {
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

const sample = process.argv.includes("--sample");
const usual = sample ? "build/sample.html" : "../server/connected_apps_mcp/page/page.html";
const elsewhere = process.argv.slice(2).find((argument) => !argument.startsWith("--"));
const target = elsewhere ?? place(usual);
const script = await bundle(sample ? "sample/main.tsx" : "src/main.tsx");
const style = await bundle("src/style/page.css");
const parts = { csp: policy(script, style), style, script };
const frame = readFileSync(place("src/page.html"), "utf8");
const html = frame.replaceAll(/{{(\w+)}}/g, (_, part) => parts[part]);
if (!sample && Buffer.byteLength(html) > MOST_BYTES) {
  throw new Error(`The page has ${Buffer.byteLength(html)} bytes; ${MOST_BYTES} are allowed.`);
}
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, html);
console.log(`${sample ? "The sample" : "The page"}: ${Buffer.byteLength(html)} bytes`);
