// How long a card stands still between two runs while batches wait: the engine, two batches deep, on the card that computes nothing
// (test/gpu-backend/cuda/fake-cuda.c), whose runs take as long as they are told. It notes each gap itself. Where other programs have the
// processors too, the lowest quarter says what the engine does; alternate with another checkout to compare.
//   node --import tsx test/bench/gpu/idle.ts [--only 300x55,512x16,16x2048] [--run-ms 100] [--runs 40]
// With --cpu what a CPU's engine does between two runs, in the time of its thread: inputs made, vectors checked and rounded.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import { DEFAULT_BUDGETS } from "../../../gpu-backend/engine/batch-budget.ts";
import { packBatch } from "../../../gpu-backend/engine/batch-inputs.ts";
import { embedTexts } from "../../../gpu-backend/engine/embed-texts.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { rowFormOf } from "../../../gpu-backend/engine/row-form.ts";
import { makeFakeCuda } from "../../gpu-backend/cuda/fake-cuda.ts";
import { textsOf } from "./mixes.ts";
import { SHAPES, writeRandomCheckpoint } from "./random-checkpoint.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    "run-ms": { type: "string", default: "100" },
    runs: { type: "string", default: "40" },
    cpu: { type: "boolean", default: false },
  },
});
const count = Number(values.runs);
const shapes = (values.only ?? (values.cpu ? "8x128,64x16" : "300x55,512x16,16x2048")).split(",");
const work = mkdtempSync(join(tmpdir(), "idle-"));
try {
  // The width and the heads matter, not the depth.
  writeRandomCheckpoint({ ...SHAPES[values.cpu ? "0.6B" : "4B"], layers: 2, vocabulary: 1_000 }, work);
  const target = values.cpu ? "cpu" : "cuda-fp16";
  const model = await compileCheckpoint(work, { target, precision: "exact" });
  for (const shape of shapes) {
    const [texts = 1, tokens = 16] = shape.split("x").map(Number);
    const batch = textsOf(
      Array.from({ length: texts }, () => tokens),
      model.config.vocabSize,
    );
    const figures = values.cpu ? await onCpu(model, batch) : await onCard(model, batch);
    process.stdout.write(`${JSON.stringify({ shape, ...figures })}\n`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function onCard(model: CompiledModel, batch: readonly Int32Array[]) {
  const folder = makeFakeCuda();
  const log = join(work, "gaps");
  rmSync(log, { force: true });
  Object.assign(process.env, {
    FAKE_CUDA_BYTES: "64000000000",
    FAKE_CUDA_WIDTH: String(model.config.hiddenSize),
    FAKE_CUDA_RUN_US: String(Number(values["run-ms"]) * 1_000),
    FAKE_CUDA_IDLE: log,
  });
  const engine = await startEngine(model, { threads: 1, cuda: { folder } });
  try {
    // The first ones allocate.
    for (let run = 0; run < 4; run += 1) await engine.run(batch);
    let left = count;
    const keepOneInFlight = async (): Promise<void> => {
      for (; left > 0; left -= 1) await engine.run(batch);
    };
    await Promise.all([keepOneInFlight(), keepOneInFlight()]);
  } finally {
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const gaps = readFileSync(log, "utf8").trim().split("\n").map(Number).slice(-count);
  return { runMs: Number(values["run-ms"]), idleMs: quartersOf(gaps.map((us) => us / 1_000)) };
}

async function onCpu({ graphPath, config }: CompiledModel, batch: readonly Int32Array[]) {
  const session = await GraphSession.open({ graphPath, target: "cpu", cudaWeights: "as-is", threads: 2 });
  const [inRun, between]: [number[], number[]] = [[], []];
  for (let run = 0; run < count; run += 1) {
    let ran = 0;
    const began = performance.now();
    const embed = async (texts: readonly Int32Array[]): Promise<Float32Array> => {
      const inputs = packBatch(texts);
      const start = performance.now();
      const rows = await session.runPacked(inputs);
      ran += performance.now() - start;
      return rows;
    };
    await embedTexts(embed, batch, rowFormOf(config), DEFAULT_BUDGETS.cpu);
    inRun.push(ran);
    between.push(performance.now() - began - ran);
  }
  await session.close();
  return { twoLayersMs: quartersOf(inRun), betweenMs: quartersOf(between) };
}

function quartersOf(times: readonly number[]) {
  const sorted = times.toSorted((left, right) => left - right);
  const at = (share: number): number => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2));
  return { least: at(0), lowestQuarter: at(0.25), median: at(0.5) };
}
