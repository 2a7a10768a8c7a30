// npm run fuzz -- [--minutes N] [--target NAME] [--seed S [--path P]]: runs the fuzzers of test/fuzz in rounds, each
// from a new seed that is printed. A counter-example is shrunk and printed with the command that repeats it; exit code
// 1.
import { parseArgs } from "node:util";
import { ensureTypeScript, fail } from "./install.mjs";

await ensureTypeScript();
const fc = await import("fast-check");
const { TARGETS } = await import("../test/fuzz/targets.ts");

const RUNS_A_ROUND = 5000;
const MINUTE_MS = 60_000;
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    target: { type: "string" },
    seed: { type: "string" },
    path: { type: "string" },
  },
});
const names = Object.keys(TARGETS).filter((name) => values.target === undefined || name === values.target);
if (names.length === 0) fail(`--target is one of: ${Object.keys(TARGETS).join(", ")}.`);
const minutes = Number(values.minutes);
if (!(minutes > 0)) fail("--minutes must be a number above 0.");

const endMs = performance.now() + minutes * MINUTE_MS;
const runs = new Map(names.map((name) => [name, 0]));
const firstSeed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
/** A given seed is run for one round, to repeat what it found. */
const lastSeed = values.seed === undefined ? Number.POSITIVE_INFINITY : firstSeed;
let seed = firstSeed;
do {
  console.log(`round from seed ${seed}`);
  for (const name of names) {
    const details = await fc.check(TARGETS[name], {
      seed,
      numRuns: RUNS_A_ROUND,
      ...(values.path === undefined ? {} : { path: values.path, endOnFailure: true }),
    });
    runs.set(name, (runs.get(name) ?? 0) + details.numRuns);
    if (!details.failed) continue;
    console.log(`${name}: ${fc.defaultReportMessage(details)}`);
    console.log(`npm run fuzz -- --target "${name}" --seed ${details.seed} --path "${details.counterexamplePath}"`);
    process.exit(1);
  }
  seed += 1;
} while (seed <= lastSeed && performance.now() < endMs);
for (const [name, count] of runs) console.log(`${name}: ${count} runs, no counter-example`);
