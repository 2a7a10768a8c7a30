// npm run bench:gpu -- [DIR] [--shape 4B] [--price 2.40] [--peak TFLOP/s] [--target cuda-bf16] [--rounds 5]
// On a machine with an NVIDIA card: every compile mode at 512, 2k, 8k and 16k tokens; prints tokens/s, share of the card's
// peak, padding waste, $/1M tokens, and the matrix kernel's path. DIR is a checkpoint; without it a random one of the shape
// is made in a temporary folder. `--target cpu` runs the same code where no card is (to test this script, not to measure).

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import type { CompileTarget, CudaWeights } from "../../../gpu-backend/compiler/compiled-model.ts";
import type { ModelConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { readCards } from "../../../gpu-backend/cuda/cards.ts";
import { CUDA_FOLDER } from "../../../gpu-backend/cuda/libraries.ts";
import { DEFAULT_BUDGETS, planRuns } from "../../../gpu-backend/engine/batch-budget.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { enterCudaProcess } from "./cuda-process.ts";
import { MIXES, textsOf } from "./mixes.ts";
import { type ShapeName, SHAPES, writeRandomCheckpoint } from "./random-checkpoint.ts";

const TOKENS = [512, 2048, 8192, 16_384];
/** Dense 16-bit peak with float32 sums, TFLOP/s, from NVIDIA's data sheets; the first name that the card's contains. */
const PEAKS: readonly (readonly [string, number])[] = [
  ["H200", 989],
  ["H100 PCIe", 756],
  ["H100", 989],
  ["A100", 312],
  ["L40S", 362],
  ["L4", 121],
  ["A10G", 70],
  ["A10", 125],
  ["RTX 4090", 165],
  ["RTX 3090", 71],
];
const MODES: readonly (readonly [CompileTarget, CudaWeights])[] = [
  ["cuda-bf16", "as-is"],
  ["cuda-bf16", "block32"],
  ["cuda-bf16", "dense"],
  ["cuda-fp16", "as-is"],
  ["cuda-fp16", "block32"],
  ["cuda-fp16", "dense"],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shape: { type: "string", default: "4B" },
    target: { type: "string", default: "cuda" },
    rounds: { type: "string", default: "5" },
    /** US dollars an hour for the card. */
    price: { type: "string", default: "2.40" },
    /** The card's dense 16-bit peak in TFLOP/s; known for the cards of PEAKS. */
    peak: { type: "string" },
    threads: { type: "string", default: "2" },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function peakOf(name: string): number | undefined {
  return PEAKS.find(([known]) => name.includes(known))?.[1];
}

/** Floating-point operations of a batch: two a weight and token, and the causal half of attention. */
function flops(config: ModelConfig, lengths: readonly number[]): number {
  const { hiddenSize, intermediateSize, queryHeads, keyValueHeads, headDim, layers } = config;
  const weights = hiddenSize * headDim * (2 * queryHeads + 2 * keyValueHeads) + 3 * hiddenSize * intermediateSize;
  return lengths.reduce(
    (sum, length) => sum + layers * (2 * weights * length + 2 * queryHeads * headDim * length * length),
    0,
  );
}

/** Lengths of the log-normal mix, repeated up to `tokens`. */
function lengthsOf(tokens: number): readonly number[] {
  const source = MIXES["mix"] ?? [];
  const lengths: number[] = [];
  let left = tokens;
  for (let index = 0; left > 0; index += 1) {
    const length = Math.min(left, source[index % source.length] ?? 1);
    lengths.push(length);
    left -= length;
  }
  return lengths;
}

/** What a mode asks of the provider; which kernel it then takes is for a profiler to say. */
function kernelPath(target: CompileTarget, weights: CudaWeights): string {
  if (weights === "dense") return "16-bit Gemm (cuBLAS)";
  return target === "cuda-fp16" && weights === "block32"
    ? "MatMulNBits, fused int4 asked for (ep.cuda.fpa_intb_gemm=1)"
    : "MatMulNBits, default";
}

async function measure(dir: string, target: CompileTarget, cudaWeights: CudaWeights): Promise<void> {
  const model = await compileCheckpoint(dir, { target, precision: "exact", cudaWeights });
  const began = performance.now();
  const session = await GraphSession.open({
    graphPath: model.graphPath,
    target,
    cudaWeights,
    threads: Number(values.threads),
  });
  say(
    `\n${target} ${cudaWeights}: ${kernelPath(target, cudaWeights)}; loaded in ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  const budget = target === "cpu" ? DEFAULT_BUDGETS.cpu : DEFAULT_BUDGETS["cuda-bf16"];
  for (const tokens of TOKENS) {
    const lengths = lengthsOf(tokens);
    const texts = textsOf(lengths, model.config.vocabSize);
    const runs = planRuns(lengths, budget);
    const padded = runs.reduce(
      (sum, run) => sum + run.length * Math.max(...run.map((index) => lengths[index] ?? 0)),
      0,
    );
    const times: number[] = [];
    for (let round = 0; round <= Number(values.rounds); round += 1) {
      const start = performance.now();
      for (const run of runs) await session.run(run.map((index) => texts[index] ?? new Int32Array()));
      // The first round allocates and picks kernels.
      if (round > 0) times.push(performance.now() - start);
    }
    const seconds = (times.toSorted((left, right) => left - right)[Math.floor(times.length / 2)] ?? 0) / 1000;
    const perSecond = tokens / seconds;
    const share =
      peak === undefined
        ? "no peak known (--peak)"
        : `${((flops(model.config, lengths) / seconds / (peak * 1e12)) * 100).toFixed(1)} % of peak`;
    const dollars = (Number(values.price) / 3600 / perSecond) * 1e6;
    say(
      `${String(tokens).padStart(6)} tokens: ${perSecond.toFixed(0).padStart(7)} tokens/s, ${share}, ` +
        `attention padding ${(100 * (1 - tokens / padded)).toFixed(0)} %, $${dollars.toFixed(5)} per 1M`,
    );
  }
  await session.close();
}

const onCpu = values.target === "cpu";
if (!onCpu) enterCudaProcess({ folder: CUDA_FOLDER });
const card = readCards()[0];
const peak = values.peak === undefined ? peakOf(card?.name ?? "") : Number(values.peak);
say(
  onCpu
    ? "CPU provider: a test of this script, no GPU figure"
    : `card: ${card?.name ?? "unknown"}, driver ${card?.driver ?? "unknown"}`,
);
let [dir] = positionals;
let temporary: string | undefined;
let failed = 0;
if (dir === undefined) {
  if (!Object.hasOwn(SHAPES, values.shape)) throw new Error(`--shape is one of ${Object.keys(SHAPES).join(", ")}`);
  temporary = mkdtempSync(join(tmpdir(), "bench-gpu-"));
  dir = temporary;
  writeRandomCheckpoint(SHAPES[values.shape as ShapeName], dir);
}
try {
  const modes = onCpu
    ? ([["cpu", "as-is"]] as const)
    : MODES.filter(([target]) => values.target === "cuda" || values.target === target);
  for (const [target, cudaWeights] of modes) {
    try {
      await measure(dir, target, cudaWeights);
    } catch (error) {
      // One form that this card or its memory does not take says nothing of the others.
      failed += 1;
      say(`\n${target} ${cudaWeights}: not measured: ${error instanceof Error ? error.message : String(error)}`);
    }
    // Six modes of the 4B shape are 27 GB.
    if (temporary !== undefined) rmSync(join(temporary, ".compiled"), { recursive: true, force: true });
  }
  if (failed === modes.length) process.exitCode = 1;
} finally {
  if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
}
