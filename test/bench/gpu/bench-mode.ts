// One mode of bench:gpu, in a process of its own: a line a shape as soon as it is measured, or a line of where the time of one run
// goes. A shape that the card's memory refuses says so, and the next one is measured.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import { cardInUse, readCards } from "../../../gpu-backend/cuda/cards.ts";
import { DEFAULT_BUDGETS, planRuns } from "../../../gpu-backend/engine/batch-budget.ts";
import { batchFeeds, packBatch } from "../../../gpu-backend/engine/batch-inputs.ts";
import { GraphSession, openSession } from "../../../gpu-backend/engine/graph-session.ts";
import { flopsOf, peakOf } from "./card-figures.ts";
import { CARD_SHAPES, textsOf } from "./mixes.ts";
import type { Mode } from "./modes.ts";

export interface BenchOptions {
  readonly dir: string;
  readonly shapes: readonly string[];
  readonly rounds: number;
  /** US dollars an hour for the card. */
  readonly prices: readonly number[];
  /** TFLOP/s; absent: the card's, if it is known. */
  readonly peak: number | undefined;
  readonly threads: number;
}

const say = (line: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const round = (value: number, digits: number): number => Number(value.toPrecision(digits));

export async function benchMode(mode: Mode, options: BenchOptions): Promise<void> {
  const card = mode.target === "cpu" ? undefined : cardInUse(readCards(), undefined);
  const model = await compileCheckpoint(options.dir, { ...mode, precision: "exact" });
  const began = performance.now();
  const session = await GraphSession.open({ ...mode, graphPath: model.graphPath, threads: options.threads });
  say({ step: "load", seconds: round((performance.now() - began) / 1_000, 3), cardMemoryMb: heldMb(card?.freeBytes) });
  const peak = options.peak ?? peakOf(card?.name ?? "");
  for (const shape of options.shapes) {
    try {
      const figures = await measure(session, model, shape, options);
      say({
        step: "shape",
        shape,
        ...figures,
        ...perSecond(figures, { ...options, peak }),
        cardMemoryMb: heldMb(card?.freeBytes),
      });
    } catch (error) {
      say({ step: "shape", shape, error: error instanceof Error ? error.message.slice(-500) : String(error) });
    }
  }
  await session.close();
}

interface Figures {
  readonly tokens: number;
  readonly flops: number;
  readonly runs: number;
  /** Share of attention's places that hold no token. */
  readonly paddingWaste: number;
  /** Median of the rounds. */
  readonly seconds: number;
  readonly rounds: readonly number[];
  /** Of one round, spent on making the graph's inputs: the card stands still meanwhile. */
  readonly hostMs: number;
}

async function measure(
  session: GraphSession,
  { config, target }: CompiledModel,
  shape: string,
  { rounds: count }: BenchOptions,
): Promise<Figures> {
  const lengths = CARD_SHAPES[shape] ?? [];
  if (Math.max(...lengths) > config.maxTokens) throw new Error(`the model reads at most ${config.maxTokens} tokens`);
  const texts = textsOf(lengths, config.vocabSize);
  const runs = planRuns(lengths, DEFAULT_BUDGETS[target]).map((run) => run.map((at) => texts[at] ?? new Int32Array()));
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const padded = runs.reduce((sum, run) => sum + run.length * Math.max(...run.map((text) => text.length)), 0);
  const rounds: number[] = [];
  for (let turn = 0; turn <= count; turn += 1) {
    const start = performance.now();
    for (const run of runs) await session.run(run);
    // The first one allocates and chooses kernels.
    if (turn > 0) rounds.push(round((performance.now() - start) / 1_000, 4));
  }
  const start = performance.now();
  for (const run of runs) packBatch(run);
  const hostMs = round(performance.now() - start, 3);
  const seconds = rounds.toSorted((left, right) => left - right)[rounds.length >> 1] ?? 0;
  const paddingWaste = round(1 - tokens / padded, 3);
  return { tokens, flops: flopsOf(config, lengths), runs: runs.length, paddingWaste, seconds, rounds, hostMs };
}

function perSecond({ tokens, flops, seconds }: Figures, { prices, peak }: Pick<BenchOptions, "prices" | "peak">) {
  const tokensPerSecond = tokens / seconds;
  const teraflops = flops / seconds / 1e12;
  return {
    tokensPerSecond: Math.round(tokensPerSecond),
    teraflops: round(teraflops, 3),
    shareOfPeak: peak === undefined ? null : round(teraflops / peak, 3),
    dollarsPerMillion: Object.fromEntries(
      prices.map((price) => [`at $${price}/h`, round((price / 3_600 / tokensPerSecond) * 1e6, 3)]),
    ),
  };
}

/** What this process took of what was free before. */
function heldMb(freeBefore: number | undefined): number | null {
  const free = freeBefore === undefined ? undefined : cardInUse(readCards(), undefined)?.freeBytes;
  return freeBefore === undefined || free === undefined ? null : Math.round((freeBefore - free) / 1e6);
}

/**
 * Where the time of one run of 16x2048 goes, by operator. The caller sets CUDA_LAUNCH_BLOCKING: else ONNX Runtime's profiler
 * sees launches return before their kernels have run.
 */
export async function profileMode(mode: Mode, { dir, threads, shapes }: BenchOptions): Promise<void> {
  const [shape = "16x2048"] = shapes;
  const model = await compileCheckpoint(dir, { ...mode, precision: "exact" });
  const folder = mkdtempSync(join(tmpdir(), "profile-"));
  try {
    const session = await openSession({
      ...mode,
      graphPath: model.graphPath,
      threads,
      profile: join(folder, "ort"),
    });
    const lengths = CARD_SHAPES[shape] ?? [];
    const texts = textsOf(lengths, model.config.vocabSize);
    const [run = []] = planRuns(lengths, DEFAULT_BUDGETS[mode.target]);
    const feeds = batchFeeds(packBatch(run.map((at) => texts[at] ?? new Int32Array())), session.inputNames);
    await session.run(feeds);
    await session.run(feeds);
    session.endProfiling();
    await session.release();
    const [file = ""] = readdirSync(folder);
    say({ step: "profile", shape, operators: secondRunOf(readFileSync(join(folder, file), "utf8")) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Milliseconds, launches and place by operator in the second of two runs, the slowest first. Events are Chrome's trace format. */
function secondRunOf(json: string) {
  const events: readonly {
    cat: string;
    name: string;
    dur: number;
    ts: number;
    args?: { op_name?: string; provider?: string };
  }[] = JSON.parse(json);
  const runs = events.filter(({ name }) => name === "model_run").toSorted((left, right) => left.ts - right.ts);
  const from = runs.at(-1)?.ts ?? 0;
  const operators = new Map<string, { ms: number; launches: number; provider: string }>();
  for (const { cat, name, dur, ts, args } of events) {
    if (cat !== "Node" || !name.endsWith("_kernel_time") || ts < from) continue;
    const operator = args?.op_name ?? name;
    const known = operators.get(operator) ?? { ms: 0, launches: 0, provider: args?.provider ?? "" };
    operators.set(operator, { ...known, ms: known.ms + dur / 1_000, launches: known.launches + 1 });
  }
  const sorted = [...operators].toSorted(([, left], [, right]) => right.ms - left.ms);
  return sorted.map(([operator, { ms, ...rest }]) => ({ operator, ms: round(ms, 4), ...rest }));
}
