// node --import tsx test/bench/rerank/batches.ts [--layers 28] [--pairs 24] [--rounds 3] [--threads 2]
// A call of pairs that begin alike through the backend's own scheduler and engine: batches that count shared rows once, beside
// batches that count each pair whole, as a card's do, in turn on one engine. Random weights of the 0.6B shape. Prints seconds and
// seconds of the engine's processor time a call, pairs a batch, and what the scheduler said before that it would take.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { readConfig } from "../../../gpu-backend/config.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import { rowFormOf } from "../../../gpu-backend/engine/row-form.ts";
import { CostModel } from "../../../gpu-backend/scheduler/cost-model.ts";
import { Runner } from "../../../gpu-backend/scheduler/runner.ts";
import { Scheduler } from "../../../gpu-backend/scheduler/scheduler.ts";
import { warmUp, warmUpShapes } from "../../../gpu-backend/scheduler/warm-up.ts";
import { schedulerLimits } from "../../../gpu-backend/service.ts";
import { treeCpuMs } from "../edge/process-tree.ts";
import { SHAPES, writeRandomCheckpoint } from "../gpu/random-checkpoint.ts";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "28" },
    pairs: { type: "string", default: "24" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});
/** The prompt with its default instruction and a query of 50 tokens; a document of 100 and the end. */
const [BEFORE, OWN] = [110, 109];
const VOCABULARY = 20_000;
const dir = mkdtempSync(join(tmpdir(), "gigarouter-batches-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
writeRandomCheckpoint({ ...SHAPES["0.6B"], layers: Number(values.layers) }, dir);
const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact" });
const engine = await startEngine(model, { threads: Number(values.threads) });
const config = readConfig(["--model", dir], { BACKEND_SECRET: "none is needed here" });
const { maxTokens, vocabSize, endTokenId } = model.config;
const coefficients = await warmUp(engine, {
  shapes: warmUpShapes(maxTokens, 256),
  vocabSize,
  endTokenId,
  // As on a machine that has nothing else to do.
  secondsMax: 10,
  onProgress: () => undefined,
});
const counted = schedulerLimits(config, model);
const ways = { "rows counted once": counted, "each pair whole": { ...counted, sharesRows: false } } as const;

/** No two calls ask the same. */
function pairsOf(call: number): Int32Array[] {
  const token = (seed: number): number => 5 + ((seed * 7_919) % VOCABULARY);
  return Array.from({ length: Number(values.pairs) }, (_, document) =>
    Int32Array.from({ length: BEFORE + OWN }, (_unused, at) =>
      token(at < BEFORE ? call * 101 + at : (call * 1_009 + document + 1) * 10_007 + at),
    ),
  );
}

for (let round = 0; round < Number(values.rounds); round += 1) {
  const names = ["rows counted once", "each pair whole"] as const;
  for (const [turn, name] of (round % 2 === 0 ? names : names.toReversed()).entries()) {
    const cost = new CostModel(coefficients);
    const scheduler = new Scheduler({ ...ways[name], queueSecondsMax: 1_000 }, cost);
    const batches: number[] = [];
    const runner = new Runner(scheduler, cost, engine, rowFormOf(model.config).words, {
      batchDone: (batch) => batches.push(batch.texts.length),
      shed: () => undefined,
    });
    const [began, cpu] = [performance.now(), treeCpuMs(process.pid)];
    const call = { account: "a", tier: "interactive", texts: pairsOf(round * 2 + turn), deadlineMs: 600_000 } as const;
    const done = runner.embed(call, new AbortController().signal);
    const said = runner.queueSeconds();
    await done;
    const [took, worked] = [performance.now() - began, treeCpuMs(process.pid) - cpu].map((ms) =>
      (ms / 1_000).toFixed(2),
    );
    process.stdout.write(
      `${name}: ${took} s, ${worked} s of processor time, said ${said.toFixed(2)} s; batches of ${batches.join(", ")}\n`,
    );
  }
}
await engine.close();
