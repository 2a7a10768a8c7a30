// npm test [-- vitest arguments]: installs what is missing, then types, lint, format and all tests; the first failure ends it.
// With arguments, only those tests run: `npm test -- --project edge`.
import { spawn, spawnSync } from "node:child_process";
import { ROOT, ensureInstalled } from "./install.mjs";

// Vitest runs one file at a time (vitest.config.ts); two lanes keep two cores busy. The first waits mostly for servers
// and the engine, the second for workerd. A project that is not named here is in the second.
const SERVER_PROJECTS = ["gpu-backend", "e2e"];
const LANES = [SERVER_PROJECTS.map((name) => `--project=${name}`), SERVER_PROJECTS.map((name) => `--project=!${name}`)];
const VITEST = "node_modules/.bin/vitest";
const OPTIONS = { cwd: ROOT, shell: process.platform === "win32" };

ensureInstalled();
const args = process.argv.slice(2);
if (args.length > 0) process.exit(run(VITEST, ["run", ...args]));
const checked = run("node", ["scripts/check.mjs"]);
if (checked !== 0) process.exit(checked);
const statuses = await Promise.all(LANES.map(runLane));
process.exit(statuses.find((status) => status !== 0) ?? 0);

function run(command, commandArgs) {
  return spawnSync(command, commandArgs, { ...OPTIONS, stdio: "inherit" }).status ?? 1;
}

/** The first lane is shown as it runs, the other when it has ended: mixed lines cannot be read. */
function runLane(projects, index) {
  const stdio = index === 0 ? "inherit" : ["ignore", "pipe", "pipe"];
  const lane = spawn(VITEST, ["run", ...projects], { ...OPTIONS, stdio });
  const output = [];
  for (const stream of [lane.stdout, lane.stderr]) stream?.on("data", (chunk) => output.push(chunk));
  return new Promise((resolve) => {
    lane.once("error", (error) => {
      process.stderr.write(`${VITEST}: ${error.message}\n`);
      resolve(1);
    });
    lane.once("close", (status) => {
      process.stdout.write(Buffer.concat(output));
      resolve(status ?? 1);
    });
  });
}
