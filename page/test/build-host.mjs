// Builds the host of the tests; the path at the end is where to write it.

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
