// Builds the host of the tests, into the file that is given.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

await build({
  entryPoints: [fileURLToPath(new URL("host.ts", import.meta.url))],
  bundle: true,
  format: "esm",
  target: "es2022",
  outfile: process.argv[2],
  logLevel: "warning",
});
