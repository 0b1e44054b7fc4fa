// Builds the page into one HTML document.
//
//   node build.mjs                  the page, into the package of the server
//   node build.mjs --landing        the document at the address of the console, beside the page
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

const PACKAGE = "../server/connected_apps_mcp/page/";

/** What of the sources makes each document, and what it may load. */
const DOCUMENTS = {
  page: {
    frame: "src/page.html",
    script: "src/main.tsx",
    style: "src/style/page.css",
    loads: ["img-src data:", "connect-src 'self'"],
    target: `${PACKAGE}page.html`,
  },
  landing: {
    frame: "src/landing/landing.html",
    script: "src/landing/main.ts",
    style: "src/landing/landing.css",
    loads: [],
    target: `${PACKAGE}landing.html`,
  },
};
DOCUMENTS.sample = { ...DOCUMENTS.page, script: "sample/main.tsx", target: "build/sample.html" };

function policy(script, style, loads) {
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    ...loads,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

const given = process.argv.slice(2);
const name = ["sample", "landing"].find((each) => given.includes(`--${each}`)) ?? "page";
const wanted = DOCUMENTS[name];
const target = given.find((argument) => !argument.startsWith("--")) ?? place(wanted.target);
const script = await bundle(wanted.script);
const style = await bundle(wanted.style);
const parts = { csp: policy(script, style, wanted.loads), style, script };
const frame = readFileSync(place(wanted.frame), "utf8");
const html = frame.replaceAll(/{{(\w+)}}/g, (_, part) => parts[part]);
if (name === "page" && Buffer.byteLength(html) > MOST_BYTES) {
  throw new Error(`The page has ${Buffer.byteLength(html)} bytes; ${MOST_BYTES} are allowed.`);
}
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, html);
console.log(`The ${name}: ${Buffer.byteLength(html)} bytes`);
