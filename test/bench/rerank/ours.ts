// Our engine as a system of the bench (main.ts): pairs packed as the backend packs them, within its budget of a run.
//   node --import tsx ours.ts DIR THREADS LINEARS

import { createInterface } from "node:readline";
import { argv } from "node:process";

import { must } from "../../../shared/assert.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { CPU_LINEARS } from "../../../gpu-backend/compiler/compiled-model.ts";
import { DEFAULT_BUDGETS } from "../../../gpu-backend/engine/batch-budget.ts";
import { packBatch } from "../../../gpu-backend/engine/batch-inputs.ts";
import { embedTexts } from "../../../gpu-backend/engine/embed-texts.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { rowFormOf } from "../../../gpu-backend/engine/row-form.ts";
import type { Answer, EmbedTask, Task } from "../peers/systems.ts";
import { ofSecondType } from "../../../gpu-backend/token-type.ts";

const [dir = "", threads = "1", form = "float32"] = argv.slice(2);
const linears = must(
  CPU_LINEARS.find((one) => one === form),
  "a form of linear layers",
);
const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact", linears });
const session = await GraphSession.open({ ...model, threads: Number(threads) });
const rowForm = rowFormOf(model.config);
const say = (answer: Answer): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

async function scoresOf(pairs: readonly Int32Array[], shared: boolean): Promise<Float32Array> {
  const run = (texts: readonly Int32Array[]): Promise<Float32Array> =>
    shared ? session.run(texts) : session.runPacked(packBatch(texts));
  const { vectors, failed } = await embedTexts(run, pairs, rowForm, DEFAULT_BUDGETS.cpu);
  if (failed.length > 0) throw new Error(`${failed.length} pairs have no score`);
  return new Float32Array(vectors.buffer);
}

/** `lengths`: how many pairs; tokens before the document, of it, and after it. */
function pairsOf([count = 0, before = 0, document = 0, after = 0]: readonly number[]): readonly Int32Array[] {
  const token = (seed: number): number => 5 + ((seed * 7_919) % VOCABULARY);
  const isTyped = model.config.reranker?.prompt === undefined;
  return Array.from({ length: count }, (_, pair) =>
    Int32Array.from({ length: before + document + after }, (_unused, at) => {
      if (at < before) return token(at);
      const own = token((pair + 1) * 10_007 + at);
      return isTyped ? ofSecondType(own) : own;
    }),
  );
}
const VOCABULARY = 20_000;

say({ detail: linears, embeds: true });
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line) as Task | EmbedTask;
  if ("ids" in task) {
    const scores = await scoresOf(
      task.ids.map((ids) => Int32Array.from(ids)),
      true,
    );
    say({ vectors: Array.from(scores, (score) => [score]) });
    continue;
  }
  const pairs = pairsOf(task.lengths);
  const start = performance.now();
  await scoresOf(pairs, task.mix !== "apart");
  say({ milliseconds: performance.now() - start });
}
