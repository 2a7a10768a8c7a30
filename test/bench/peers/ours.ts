// This engine as a system of the bench (see main.ts for what it is told and says).
//   node --import tsx ours.ts CHECKPOINT THREADS packed|padded
//
// padded: the same compiled graph, given sorted texts in batches of 16, each filled up to its batch's longest; so it
// computes what an engine that pads does, no more and no less.

import { createInterface } from "node:readline";

import { compileChosen } from "../../../gpu-backend/choice/compile-chosen.ts";
import { EngineInProcess } from "../backend/run-as-engine.ts";
import { textsOf } from "../gpu/mixes.ts";
import type { Answer, EmbedTask, Task } from "./systems.ts";

const PADDED_BATCH = 16;

const [dir = "", threads = "2", form = "packed"] = process.argv.slice(2);
const { model, choice } = await compileChosen(dir, { target: "cpu", precision: "exact", threads: Number(threads) });
const start = performance.now();
const engine = await EngineInProcess.open(model.graphPath, model.config, Number(threads));
const loadMs = performance.now() - start;

function say(answer: Answer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

/** The lengths of what is given to the engine at once. */
function batchesOf(lengths: readonly number[]): readonly (readonly number[])[] {
  if (form === "packed") return [lengths];
  const sorted = lengths.toSorted((left, right) => right - left);
  return Array.from({ length: Math.ceil(sorted.length / PADDED_BATCH) }, (_, batch) => {
    const own = sorted.slice(batch * PADDED_BATCH, (batch + 1) * PADDED_BATCH);
    return own.map(() => own[0] ?? 0);
  });
}

/** One text a run: a vector does not depend on its neighbours. */
async function embed(ids: EmbedTask["ids"]): Promise<readonly (readonly number[])[]> {
  const vectors: number[][] = [];
  for (const text of ids) vectors.push([...(await engine.embed([Int32Array.from(text)]))]);
  return vectors;
}

say({ detail: `${model.layout}, linear layers ${model.linears} (${choice?.why}), ${form}`, embeds: true, loadMs });
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line) as Task | EmbedTask;
  const began = performance.now();
  if ("ids" in task) {
    say({ vectors: await embed(task.ids) });
    continue;
  }
  for (const batch of batchesOf(task.lengths)) await engine.embed(textsOf(batch, model.config.vocabSize));
  say({ milliseconds: performance.now() - began });
}
process.exit(0);
