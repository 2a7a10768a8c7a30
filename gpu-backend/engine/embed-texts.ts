// A batch of texts → canonical vectors, whatever happens to single texts: cut into runs within the budget, each row
// checked for finiteness, a bad row computed again alone, a run that the runtime refuses (out of memory, or for one of its
// texts) halved until it passes.

import { assert } from "../../shared/assert.ts";
import { float32ToFloat16Bits } from "../../shared/float16.ts";
import { type BatchBudget, planRuns } from "./batch-budget.ts";
import type { FailedText } from "./messages.ts";

/** Computes one run: texts → float32 [texts, dimensions]. */
export type RunGraph = (texts: readonly Int32Array[]) => Promise<Float32Array>;

export interface EmbeddedTexts {
  /** [texts, dimensions] float16 bits; rows of failed texts are zero. */
  readonly vectors: Uint16Array;
  readonly failed: readonly FailedText[];
}

/** Embeds texts; never rejects because of a text. */
export async function embedTexts(
  run: RunGraph,
  texts: readonly Int32Array[],
  dimensions: number,
  budget: BatchBudget,
): Promise<EmbeddedTexts> {
  const vectors = new Uint16Array(texts.length * dimensions);
  const failed: FailedText[] = [];
  const keep = (index: number, row: Float32Array): void => vectors.set(float32ToFloat16Bits(row), index * dimensions);

  const embed = async (indices: readonly number[]): Promise<void> => {
    const outcome = await runOnce(run, pick(texts, indices), dimensions);
    if (outcome.kind === "refused") {
      const [index] = indices;
      if (indices.length === 1 && index !== undefined) failed.push({ index, reason: outcome.reason });
      else for (const half of halvesOf(indices)) await embed(half);
      return;
    }
    for (const [position, index] of indices.entries()) {
      const row = outcome.rows[position];
      if (row !== undefined) keep(index, row);
      // Alone already: the second computation would be the same one.
      else if (indices.length === 1) failed.push({ index });
      else await embed([index]);
    }
  };
  for (const indices of planRuns(
    texts.map((text) => text.length),
    budget,
  ))
    await embed(indices);
  return { vectors, failed };
}

/** Of a run that was too large one half may fit, and one text that the runtime refuses is found in few runs. */
function halvesOf(indices: readonly number[]): readonly (readonly number[])[] {
  const middle = indices.length >> 1;
  return [indices.slice(0, middle), indices.slice(middle)];
}

type Outcome =
  | { readonly kind: "refused"; readonly reason: string }
  /** A row for each text; undefined where it is not finite. */
  | { readonly kind: "ran"; readonly rows: readonly (Float32Array | undefined)[] };

async function runOnce(run: RunGraph, texts: readonly Int32Array[], dimensions: number): Promise<Outcome> {
  let rows: Float32Array;
  try {
    rows = await run(texts);
  } catch (error) {
    return { kind: "refused", reason: error instanceof Error ? error.message : String(error) };
  }
  assert(rows.length === texts.length * dimensions, "the graph gives one row per text");
  return {
    kind: "ran",
    rows: texts.map((_, position) => {
      const row = rows.subarray(position * dimensions, (position + 1) * dimensions);
      return isUnit(row) ? row : undefined;
    }),
  };
}

/** Whether a row is finite and of length 1: NaN and infinity fail both comparisons, and so does a row of zeros. */
function isUnit(row: Float32Array): boolean {
  let sum = 0;
  for (let index = 0; index < row.length; index += 1) sum += (row[index] ?? 0) ** 2;
  return sum > 0.98 && sum < 1.02;
}

function pick(texts: readonly Int32Array[], indices: readonly number[]): readonly Int32Array[] {
  return indices.map((index) => {
    const text = texts[index];
    assert(text !== undefined, "a planned text exists");
    return text;
  });
}
