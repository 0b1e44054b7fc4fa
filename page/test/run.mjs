// Runs the tests of the modules, on Node.js.

import { readdirSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const folder = fileURLToPath(new URL(".", import.meta.url));
const tests = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
const built = mkdtempSync(join(tmpdir(), "page-tests-"));
await build({
  entryPoints: tests.map((name) => join(folder, name)),
  bundle: true,
  platform: "node",
  format: "esm",
  outdir: built,
  outExtension: { ".js": ".mjs" },
  logLevel: "warning",
});
const files = tests.map((name) => join(built, name.replace(/\.ts$/, ".mjs")));
const { status } = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" });
rmSync(built, { recursive: true });
process.exit(status ?? 1);
