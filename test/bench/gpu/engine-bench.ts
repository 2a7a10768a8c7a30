// Measures one checkpoint on the CPU provider in this process: compile, load, resident memory, and medians over the
// mixes that the peers are measured with.
//   node --import tsx test/bench/gpu/engine-bench.ts DIR [--threads 2] [--rounds 3] [--only 32x128,1x16]

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { compileCheckpoint, removeDamage } from "../../../gpu-backend/compiler/compile.ts";
import { DEFAULT_BUDGETS, planRuns } from "../../../gpu-backend/engine/batch-budget.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { MIXES, textsOf } from "./mixes.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
  },
});

/** Peak and present resident memory in MB, from the kernel. */
function memoryMb(): { readonly peak: number; readonly now: number } {
  const status = readFileSync("/proc/self/status", "utf8");
  const read = (field: string): number =>
    Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`, "u").exec(status)?.[1] ?? 0) / 1024);
  return { peak: read("VmHWM"), now: read("VmRSS") };
}

function print(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const [dir = ""] = positionals;
let began = performance.now();
const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact" });
print({ step: "compile (or found compiled)", seconds: (performance.now() - began) / 1000 });
began = performance.now();
await removeDamage(model);
print({ step: "check of the compiled files", seconds: (performance.now() - began) / 1000 });
began = performance.now();
const session = await GraphSession.open({
  graphPath: model.graphPath,
  target: "cpu",
  cudaWeights: "as-is",
  threads: Number(values.threads),
});
print({ step: "load", seconds: (performance.now() - began) / 1000, memoryMb: memoryMb() });

const wanted = values.only?.split(",");
for (const [name, lengths] of Object.entries(MIXES)) {
  if (wanted === undefined ? name.startsWith("long") : !wanted.includes(name)) continue;
  const texts = textsOf(lengths, model.config.vocabSize);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const times: number[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    began = performance.now();
    for (const run of planRuns(lengths, DEFAULT_BUDGETS.cpu)) {
      await session.run(run.map((index) => texts[index] ?? new Int32Array()));
    }
    times.push(performance.now() - began);
  }
  const median = times.toSorted((left, right) => left - right)[Math.floor(times.length / 2)] ?? 0;
  print({
    mix: name,
    tokens,
    milliseconds: Math.round(median),
    tokensPerSecond: Math.round((tokens / median) * 1000),
    memoryMb: memoryMb(),
  });
}
await session.close();
