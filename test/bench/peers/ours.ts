// This engine as a system of the bench (see main.ts for what it is told and says).
//   node --import tsx ours.ts CHECKPOINT THREADS packed|padded
//
// padded: the same compiled graph, given sorted texts in batches of 16, each filled up to its batch's longest; so it
// computes what an engine that pads does, no more and no less.

import { createInterface } from "node:readline";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { DEFAULT_BUDGETS, planRuns } from "../../../gpu-backend/engine/batch-budget.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { textsOf } from "../gpu/mixes.ts";
import type { Answer, Task } from "./systems.ts";

const PADDED_BATCH = 16;

const [dir = "", threads = "2", form = "packed"] = process.argv.slice(2);
const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact" });
const session = await GraphSession.open({
  graphPath: model.graphPath,
  target: "cpu",
  cudaWeights: "as-is",
  threads: Number(threads),
});

function say(answer: Answer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

/** The lengths of each run. */
function runsOf(lengths: readonly number[]): readonly (readonly number[])[] {
  if (form === "packed")
    return planRuns(lengths, DEFAULT_BUDGETS.cpu).map((run) => run.map((index) => lengths[index] ?? 0));
  const sorted = lengths.toSorted((left, right) => right - left);
  return Array.from({ length: Math.ceil(sorted.length / PADDED_BATCH) }, (_, batch) => {
    const own = sorted.slice(batch * PADDED_BATCH, (batch + 1) * PADDED_BATCH);
    return own.map(() => own[0] ?? 0);
  });
}

say({ detail: `${model.layout}, float32 activations, ${form}` });
for await (const line of createInterface({ input: process.stdin })) {
  const { lengths } = JSON.parse(line) as Task;
  const began = performance.now();
  for (const run of runsOf(lengths)) await session.run(textsOf(run, model.config.vocabSize));
  say({ milliseconds: performance.now() - began });
}
await session.close();
