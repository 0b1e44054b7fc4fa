// Builds a host of the tests: its name, and where to write it.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const [name, outfile] = process.argv.slice(2);
await build({
  entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
  bundle: true,
  format: "esm",
  target: "es2022",
  outfile,
  logLevel: "warning",
});
