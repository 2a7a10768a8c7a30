// npm test [-- vitest arguments]: installs what is missing, then types, lint, format and all tests; the first failure ends it.
// With arguments, only those tests run: `npm test -- --project edge`.
import { spawnSync } from "node:child_process";
import { ROOT, ensureInstalled } from "./install.mjs";

ensureInstalled();
const args = process.argv.slice(2);
if (args.length === 0) run("node", ["scripts/check.mjs"]);
run("node_modules/.bin/vitest", ["run", ...args]);

function run(command, commandArgs) {
  const { status } = spawnSync(command, commandArgs, {
    cwd: ROOT,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(status ?? 1);
}
