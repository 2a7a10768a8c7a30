// A batch of texts → canonical vectors, whatever happens to single texts: cut into runs within the budget, each row
// checked for finiteness, a bad row computed again alone, a run that the runtime refuses taken apart into single texts.

import { assert } from "../../shared/assert.ts";
import { float32ToFloat16Bits } from "../../shared/float16.ts";
import { type BatchBudget, planRuns } from "./batch-budget.ts";
import type { FailedText } from "./messages.ts";

/** Computes one run: texts → float32 [texts, hiddenSize]. */
export type RunGraph = (texts: readonly Int32Array[]) => Promise<Float32Array>;

export interface EmbeddedTexts {
  /** [texts, hiddenSize] float16 bits; rows of failed texts are zero. */
  readonly vectors: Uint16Array;
  readonly failed: readonly FailedText[];
}

/** Embeds texts; never rejects because of a text. */
export async function embedTexts(
  run: RunGraph,
  texts: readonly Int32Array[],
  hiddenSize: number,
  budget: BatchBudget,
): Promise<EmbeddedTexts> {
  const vectors = new Uint16Array(texts.length * hiddenSize);
  const failed: FailedText[] = [];
  const keep = (index: number, row: Float32Array): void => vectors.set(float32ToFloat16Bits(row), index * hiddenSize);

  for (const indices of planRuns(
    texts.map((text) => text.length),
    budget,
  )) {
    const suspects = await runOnce(run, pick(texts, indices), hiddenSize, (position, row) =>
      keep(indices[position] ?? 0, row),
    );
    for (const { position, reason } of suspects) {
      const index = indices[position] ?? 0;
      // Alone already: the second computation would be the same one.
      const again =
        indices.length === 1
          ? [{ position: 0, reason }]
          : await runOnce(run, pick(texts, [index]), hiddenSize, (_, row) => keep(index, row));
      for (const { reason: lastReason } of again)
        failed.push(lastReason === undefined ? { index } : { index, reason: lastReason });
    }
  }
  return { vectors, failed };
}

interface Suspect {
  readonly position: number;
  readonly reason: string | undefined;
}

/** One run. Good rows go to `keep`; gives the positions of the others (all of them when the runtime refused). */
async function runOnce(
  run: RunGraph,
  texts: readonly Int32Array[],
  hiddenSize: number,
  keep: (position: number, row: Float32Array) => void,
): Promise<readonly Suspect[]> {
  let rows: Float32Array;
  try {
    rows = await run(texts);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return texts.map((_, position) => ({ position, reason }));
  }
  assert(rows.length === texts.length * hiddenSize, "the graph gives one row per text");
  const suspects: Suspect[] = [];
  for (let position = 0; position < texts.length; position += 1) {
    const row = rows.subarray(position * hiddenSize, (position + 1) * hiddenSize);
    if (isUnit(row)) keep(position, row);
    else suspects.push({ position, reason: undefined });
  }
  return suspects;
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
