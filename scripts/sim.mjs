// npm run sim -- [--runs N] [--seed S] [--keep i,j,…] [--service | --crowd]: the ledger's simulation. It runs plans of
// faults, and for every twentieth seed a plan of service too. A counter-example is shrunk and printed as the command
// that replays it. `--crowd`: 20,000 calls of 100 keys in 30 isolates. Exit code 1 if an invariant is broken.
import { parseArgs } from "node:util";
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { describe, planOf, runPlan, shrink } = await import("../test/sim/run.ts");
const { runService } = await import("../test/sim/service.ts");
const { servicePlanFor } = await import("../test/sim/service-plan.ts");

const PROGRESS_EVERY = 10_000;
const SERVICE_EVERY = 20;
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    keep: { type: "string" },
    service: { type: "boolean", default: false },
    crowd: { type: "boolean", default: false },
  },
});
if (values.crowd) {
  const { runCrowd } = await import("../test/sim/crowd.ts");
  const crowd = { keys: 100, isolates: 30, perSecond: 20, calls: 20_000, replaceMs: 300_000 };
  const outcome = await runCrowd(crowd);
  console.log(JSON.stringify(outcome));
  process.exit(outcome.served === crowd.calls && outcome.chargedAll && outcome.hotBytesMax <= 32 * 1024 ? 0 : 1);
}
const first = Number(values.seed);
const keep = values.keep === undefined ? undefined : values.keep.split(",").map(Number);
const runs = keep === undefined ? Number(values.runs) : 1;
console.log(`simulating ${runs} plans from seed ${first}`);
const startedMs = performance.now();
let services = 0;
for (let seed = first; seed < first + runs; seed += 1) {
  const error = values.service ? undefined : runPlan(planOf(seed, keep));
  if (error !== undefined) {
    console.log(describe(keep === undefined ? shrink(seed, error) : { seed, keep, error }));
    process.exit(1);
  }
  if (values.service || (keep === undefined && seed % SERVICE_EVERY === 0)) await serve(seed);
  if ((seed - first + 1) % PROGRESS_EVERY === 0) console.log(`${seed - first + 1} plans, no counter-example`);
}
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
console.log(`${values.service ? 0 : runs} plans of faults, ${services} of service, no counter-example, ${seconds} s`);

async function serve(seed) {
  services += 1;
  const error = await runService(servicePlanFor(seed));
  if (error === undefined) return;
  console.log(`npm run sim -- --service --seed ${seed} --runs 1   # ${error.name}: ${error.message}`);
  process.exit(1);
}
