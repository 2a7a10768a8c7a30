// npm test [-- vitest arguments]: installs missing packages, runs `npm run check`, then all tests. With arguments, only
// those tests run: `npm test -- --project edge`.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { ROOT, ensureInstalled } from "./install.mjs";

// Vitest runs one file at a time (vitest.config.ts), and most files spend much time waiting for a server, the engine or
// workerd. Three lanes of about equal length keep two cores busy; more were no faster. Projects that are not named here
// are in the last lane. (`--project=!name` does not work: two of them exclude nothing, because a project runs if any
// filter allows it.)
const NAMED_LANES = [
  ["--project=e2e", "--project=browser"],
  ["--project=gpu-backend", "--project=sim", "--project=house", "--project=contract"],
];
const config = readFileSync(`${ROOT}/vitest.config.ts`, "utf8");
const projects = [...config.matchAll(/\bname: "([\w-]+)"/g)].map(([, name]) => name);
const others = projects.map((name) => `--project=${name}`).filter((filter) => !NAMED_LANES.flat().includes(filter));
const LANES = [...NAMED_LANES, others];
const VITEST = "node_modules/.bin/vitest";
const OPTIONS = { cwd: ROOT, shell: process.platform === "win32" };
const MEMORY_FOLDER = "/dev/shm";
/** The tests fill a tenth of it. */
const MEMORY_BYTES_MIN = 2 ** 30;

ensureInstalled();
const args = process.argv.slice(2);
const folder = memoryFolder();
process.on("exit", () => folder !== undefined && rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
if (args.length > 0) process.exit(run(VITEST, ["run", ...args], envOf(args)));
const checked = run("node", ["scripts/check.mjs"]);
if (checked !== 0) process.exit(checked);
const statuses = await Promise.all(LANES.map(runLane));
process.exit(statuses.find((status) => status !== 0) ?? 0);

function run(command, commandArgs, env = process.env) {
  return spawnSync(command, commandArgs, { ...OPTIONS, env, stdio: "inherit" }).status ?? 1;
}

/**
 * A new folder in memory, where there is one with room. A Durable Object waits for the disk at each commit, which is half
 * of the time that the Worker's tests take.
 */
function memoryFolder() {
  try {
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    return bavail * bsize < MEMORY_BYTES_MIN ? undefined : mkdtempSync(`${MEMORY_FOLDER}/gigarouter-test-`);
  } catch {
    return undefined; // not Linux
  }
}

/** The environment of a run with these filters: miniflare keeps what the Worker stores in the temporary folder. */
function envOf(filters) {
  const isBackend = filters.some((filter) => /^(?:--project=)?gpu-backend$/.test(filter)); // its compiled models are large
  return isBackend || folder === undefined ? process.env : { ...process.env, TMPDIR: folder };
}

/** The first lane's output is shown as it runs, the others' when they have ended, so that lines do not mix. */
function runLane(filters, index) {
  const stdio = index === 0 ? "inherit" : ["ignore", "pipe", "pipe"];
  const lane = spawn(VITEST, ["run", ...filters], { ...OPTIONS, env: envOf(filters), stdio });
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
