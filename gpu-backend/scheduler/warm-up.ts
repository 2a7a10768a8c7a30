// Runs a few shapes before the first call: the engine's memory grows to its largest shape now and not under load, and
// the times give the cost model its coefficients.

import { type Engine, NonFiniteVector, TextsFailed } from "../engine/types.ts";
import { type CostCoefficients, type CostSample, fitCost } from "./cost-model.ts";

export interface WarmUpShape {
  readonly texts: number;
  readonly tokens: number;
}

const TEXTS_MAX = 256;

export interface WarmUpOptions {
  readonly shapes: readonly WarmUpShape[];
  readonly vocabSize: number;
  readonly endTokenId: number;
  /** A shape expected to end after this many seconds from the start is left out, and those after it; never the first. */
  readonly secondsMax: number;
  readonly onProgress: (fraction: number) => void;
}

/**
 * Shapes for a model that reads `maxTokens`, each of about `fillTokens` tokens: few on a CPU, where small batches are as
 * fast as large ones; a full batch on a GPU, whose speed shows only then.
 */
export function warmUpShapes(maxTokens: number, fillTokens: number): WarmUpShape[] {
  const lengths = [32, 128, 512, 2_048, 8_192, maxTokens].filter((tokens) => tokens <= maxTokens);
  return [...new Set(lengths)].map((tokens) => ({
    tokens,
    texts: Math.max(1, Math.min(TEXTS_MAX, Math.floor(fillTokens / tokens))),
  }));
}

/** Where large runs have a graph of their own: the largest of the others, whose memory is apart. */
export function largestSmallRun({ tokensMin }: { readonly tokensMin: number }): WarmUpShape {
  const tokens = Math.max(1, Math.min(512, tokensMin - 1));
  return { tokens, texts: Math.max(1, Math.floor((tokensMin - 1) / tokens)) };
}

/**
 * The fitted coefficients. Rejects as Engine.run does, but for texts whose vectors are not finite.
 */
export async function warmUp(engine: Engine, options: WarmUpOptions): Promise<CostCoefficients> {
  const began = performance.now();
  const samples: CostSample[] = [];
  const first = options.shapes[0];
  // The first run pays for allocations and must not be measured.
  if (first !== undefined) await timeOf(engine, textsOf(first, options));
  for (const [index, shape] of options.shapes.entries()) {
    const spent = (performance.now() - began) / 1_000;
    const expected = samples.length === 0 ? 0 : costOf(fitCost(samples), shape);
    // Without a sample nothing bounds the queue: an engine would be taken for a thousand times as fast as a slow one is.
    if (samples.length > 0 && spent + expected > options.secondsMax) break;
    const runMs = await timeOf(engine, textsOf(shape, options));
    samples.push({ ...shape, seconds: Math.max(runMs, 0.001) / 1_000 });
    options.onProgress((index + 1) / options.shapes.length);
  }
  return fitCost(samples);
}

/** Milliseconds. These texts' vectors are of no use: that one is not finite stops nothing. */
async function timeOf(engine: Engine, texts: readonly Int32Array[]): Promise<number> {
  try {
    return (await engine.run(texts)).runMs;
  } catch (error) {
    const isFinitenessAlone =
      error instanceof TextsFailed &&
      [...error.failures.values()].every((failure) => failure instanceof NonFiniteVector);
    if (!isFinitenessAlone) throw error;
    return error.runMs;
  }
}

function costOf({ a, b }: CostCoefficients, { texts, tokens }: WarmUpShape): number {
  return texts * (a * tokens + b * tokens * tokens);
}

/** Distinct, well-spread ids (no text repeats another), the ending token last. */
function textsOf({ texts, tokens }: WarmUpShape, { vocabSize, endTokenId }: WarmUpOptions): Int32Array[] {
  return Array.from({ length: texts }, (_, text) =>
    Int32Array.from({ length: tokens }, (_unused, at) =>
      at === tokens - 1 ? endTokenId : ((text + 1) * 7_919 + at * 104_729) % vocabSize,
    ),
  );
}
