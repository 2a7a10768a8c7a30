// Which form the linear layers get: the integer ones where this processor is faster with them and where, on calibration texts,
// this checkpoint's vectors stay as near to the float32 graph's as `exact` promises; tried from the fastest on.

import { dirname } from "node:path";

import { assert } from "../../shared/assert.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import { compileSoundly } from "../compiler/compile.ts";
import { discardCompiled } from "../compiler/compiled-folder.ts";
import { type CompiledModel, CPU_LINEARS, type CpuLinears } from "../compiler/compiled-model.ts";
import { DEFAULT_BUDGETS, planRuns } from "../engine/batch-budget.ts";
import { GraphSession } from "../engine/graph-session.ts";
import { scoreOf } from "../engine/row-form.ts";
import { pairFormOf } from "../tokenizer/pair-form.ts";
import { pairTokenizer } from "../tokenizer/pair.ts";
import { loadTokenizer } from "../tokenizer/library.ts";
import { tokenizeText } from "../tokenizer/text-tokenizer.ts";
import { CALIBRATION_TEXTS } from "./calibration-texts.ts";
import { ASKED_FOR, distanceMaxOf, type LinearsChoice } from "./choice.ts";
import { type Benchmark, benchmarkMlp } from "./mlp-benchmark.ts";

/** Three bytes a weight and a second compiled folder have to be worth it. */
const GAIN_MIN = 1.25;
/** How much longer a single short text may take. */
const SHORT_LOSS_MAX = 1.3;

export interface TrialRequest {
  readonly checkpointDir: string;
  readonly cacheDir?: string;
  readonly threads: number;
  readonly processor: string;
  /** The form that was asked for: it is not measured, but probed like any. */
  readonly only?: CpuLinears;
}

export interface TrialOptions {
  readonly onProgress?: (fraction: number, what: string) => void;
  readonly benchmark?: typeof benchmarkMlp;
  readonly distanceMax?: number;
}

export async function tryLinears(
  { checkpointDir, cacheDir, threads, processor, only }: TrialRequest,
  { onProgress, benchmark: measure = benchmarkMlp, distanceMax: asked }: TrialOptions = {},
): Promise<LinearsChoice> {
  const compile = (linears: CpuLinears): Promise<CompiledModel> =>
    compileSoundly(checkpointDir, {
      target: "cpu",
      precision: "exact",
      linears,
      ...(cacheDir !== undefined && { cacheDir }),
      ...(onProgress && { onProgress }),
    });
  const exact = await compile("float32");
  const distanceMax = asked ?? distanceMaxOf(exact.config);
  const measured = only === undefined && { benchmark: await measure(checkpointDir, exact.config, threads) };
  const slow = measured && whySlow(measured.benchmark);
  if (slow) return { linears: "float32", processor, why: slow, ...measured };
  const texts = await calibrationIds(exact);
  const expected = await vectorsOf(exact, texts, threads);
  const probes: NonNullable<LinearsChoice["probes"]> = [];
  for (const linears of only === undefined ? CPU_LINEARS : [only]) {
    if (linears === "float32") continue;
    const model = await compile(linears);
    const distances = distancesOf(await vectorsOf(model, texts, threads), expected, exact.config);
    const max = distances.at(-1) ?? 0;
    probes.push({ linears, texts: texts.length, median: distances[texts.length >> 1] ?? 0, max });
    if (max <= distanceMax)
      return {
        linears,
        processor,
        why: `${measured ? gainOf(measured.benchmark) : ASKED_FOR}, and within ${distanceMax} of float32`,
        ...measured,
        probes,
      };
    discardCompiled(dirname(model.graphPath));
  }
  return {
    linears: "float32",
    processor,
    why: `${only ?? "each integer form"} is further than ${distanceMax} from float32 with this checkpoint`,
    ...measured,
    probes,
  };
}

/** Why the integer form is not worth trying on this processor, if it is not. */
function whySlow(benchmark: Benchmark): string | undefined {
  const isSlow = benchmark.some(({ float32Ms, int8PairsMs }, index) =>
    index === benchmark.length - 1 ? float32Ms < int8PairsMs * GAIN_MIN : int8PairsMs > float32Ms * SHORT_LOSS_MAX,
  );
  return isSlow ? `${gainOf(benchmark)}, which is not worth three bytes a weight` : undefined;
}

function gainOf(benchmark: Benchmark): string {
  const gains = benchmark.map(
    ({ rows, float32Ms, int8PairsMs }) => `${(float32Ms / int8PairsMs).toFixed(2)} times as fast over ${rows} rows`,
  );
  return `int8-pairs is ${gains.join(" and ")} as float32`;
}

export async function calibrationIds({ checkpointDir, config }: CompiledModel): Promise<readonly Int32Array[]> {
  const library = await loadTokenizer(checkpointDir, config.endTokenId, config.vocabSize);
  const limits = { maxTokens: Math.min(config.maxTokens, DEFAULT_BUDGETS.cpu.maxTokens), vocabSize: config.vocabSize };
  const form = pairFormOf(config);
  const pairs = form && (await pairTokenizer(checkpointDir, library, limits, form));
  const texts: Int32Array[] = [];
  for (const text of CALIBRATION_TEXTS) {
    // A reranker reads each with one of the first as its query.
    const query = { instruction: null, query: CALIBRATION_TEXTS[texts.length % QUERIES] ?? "" };
    const asked = await pairs?.of(query);
    const result =
      asked?.kind === "documents"
        ? await asked.tokenize(text, "end")
        : await tokenizeText(library, limits, "", text, "end");
    if (result.kind === "ids") texts.push(result.ids);
  }
  return texts;
}

/** How many of the calibration texts are also read as queries: the short ones. */
const QUERIES = 5;

/** float32 [texts, dimensions]. */
export async function vectorsOf(
  { graphPath, target, cudaWeights, config }: CompiledModel,
  texts: readonly Int32Array[],
  threads: number,
): Promise<Float32Array> {
  const session = await GraphSession.open({ graphPath, target, cudaWeights, threads });
  try {
    const vectors = new Float32Array(texts.length * config.dimensions);
    const lengths = texts.map((text) => text.length);
    for (const run of planRuns(lengths, DEFAULT_BUDGETS.cpu)) {
      const rows = await session.run(run.map((index) => texts[index] ?? new Int32Array()));
      for (const [position, index] of run.entries())
        vectors.set(
          rows.subarray(position * config.dimensions, (position + 1) * config.dimensions),
          index * config.dimensions,
        );
    }
    return vectors;
  } finally {
    await session.close();
  }
}

/**
 * 1 - cos of each pair of rows of length 1, or the difference of each pair of a reranker's scores, ascending; NaN counts as the
 * largest.
 */
export function distancesOf(
  left: Float32Array,
  right: Float32Array,
  { dimensions: size, reranker }: Pick<ModelConfig, "dimensions" | "reranker">,
): readonly number[] {
  assert(left.length === right.length, "both have a row for each text");
  const ascending = (distances: readonly number[]): readonly number[] =>
    distances
      .map((distance) => (Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(0, distance)))
      .toSorted((a, b) => a - b);
  if (reranker !== undefined)
    return ascending(Array.from(left, (logit, row) => Math.abs(scoreOf(logit) - scoreOf(right[row] ?? 0))));
  const distances = Array.from({ length: left.length / size }, (_, row) => {
    let dot = 0;
    let leftSquares = 0;
    let rightSquares = 0;
    for (let index = row * size; index < (row + 1) * size; index += 1) {
      const [a, b] = [left[index] ?? 0, right[index] ?? 0];
      dot += a * b;
      leftSquares += a * a;
      rightSquares += b * b;
    }
    return 1 - dot / Math.sqrt(leftSquares * rightSquares);
  });
  return ascending(distances);
}
