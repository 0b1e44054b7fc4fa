// Prints how a client starts the server of a bundle, as JSON: the official code fills the manifest in.
import { readFileSync } from "node:fs";

const [code, folder, chosen] = process.argv.slice(2);
const { getMcpConfigForManifest } = await import(code);
const started = await getMcpConfigForManifest({
  manifest: JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8")),
  extensionPath: folder,
  systemDirs: {},
  userConfig: JSON.parse(chosen),
  pathSeparator: "/",
});
console.log(JSON.stringify(started));
