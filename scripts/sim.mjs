// npm run sim -- [--runs N] [--seed S] [--keep i,j,…]: the ledger's simulation, as long as one likes. A counter-example is
// cut down and printed as the line that replays it. Exit code 1 when there is one.
import { parseArgs } from "node:util";
import { register } from "tsx/esm/api";
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
register();
const { describe, planOf, runPlan, shrink } = await import("../test/sim/run.ts");

const PROGRESS_EVERY = 10_000;
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    keep: { type: "string" },
  },
});
const first = Number(values.seed);
const keep = values.keep === undefined ? undefined : values.keep.split(",").map(Number);
const runs = keep === undefined ? Number(values.runs) : 1;
console.log(`simulating ${runs} plans from seed ${first}`);
const startedMs = performance.now();
for (let seed = first; seed < first + runs; seed += 1) {
  const error = runPlan(planOf(seed, keep));
  if (error !== undefined) {
    console.log(describe(keep === undefined ? shrink(seed, error) : { seed, keep, error }));
    process.exit(1);
  }
  if ((seed - first + 1) % PROGRESS_EVERY === 0) console.log(`${seed - first + 1} plans, no counter-example`);
}
console.log(`${runs} plans, no counter-example, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
