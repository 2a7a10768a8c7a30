// A batch of texts → canonical vectors, whatever happens to single texts: cut into runs within the budget, each row
// checked for finiteness, a bad row computed again alone, a run that the runtime refuses (out of memory, or for one of its
// texts) halved until it passes.

import { assert } from "../../shared/assert.ts";
import { type BatchBudget, planRuns } from "./batch-budget.ts";
import type { FailedText } from "./messages.ts";
import type { RowForm } from "./row-form.ts";

/** Computes one run: texts → float32 [texts, values], as RowForm has it. `indices`: their positions in the batch. */
export type RunGraph = (texts: readonly Int32Array[], indices: readonly number[]) => Promise<Float32Array>;

export interface EmbeddedTexts {
  /** [texts, words]; rows of failed texts are zero. */
  readonly vectors: Uint16Array;
  readonly failed: readonly FailedText[];
}

/** Embeds texts; never rejects because of a text. */
export async function embedTexts(
  run: RunGraph,
  texts: readonly Int32Array[],
  form: RowForm,
  budget: BatchBudget,
): Promise<EmbeddedTexts> {
  const vectors = new Uint16Array(texts.length * form.words);
  const failed: FailedText[] = [];

  const embed = async (indices: readonly number[]): Promise<void> => {
    const outcome = await runOnce(run, pick(texts, indices), indices, form);
    if (outcome.kind === "refused") {
      const [index] = indices;
      if (indices.length === 1 && index !== undefined) failed.push({ index, reason: outcome.reason });
      else for (const half of halvesOf(indices)) await embed(half);
      return;
    }
    for (const [position, index] of indices.entries()) {
      const row = outcome.rows[position];
      if (row !== undefined) vectors.set(row, index * form.words);
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
  | { readonly kind: "ran"; readonly rows: readonly (Uint16Array | undefined)[] };

async function runOnce(
  run: RunGraph,
  texts: readonly Int32Array[],
  indices: readonly number[],
  { values, encode }: RowForm,
): Promise<Outcome> {
  let rows: Float32Array;
  try {
    rows = await run(texts, indices);
  } catch (error) {
    return { kind: "refused", reason: error instanceof Error ? error.message : String(error) };
  }
  assert(rows.length === texts.length * values, "the graph gives one row per text");
  return {
    kind: "ran",
    rows: texts.map((_, position) => encode(rows.subarray(position * values, (position + 1) * values))),
  };
}

function pick(texts: readonly Int32Array[], indices: readonly number[]): readonly Int32Array[] {
  return indices.map((index) => {
    const text = texts[index];
    assert(text !== undefined, "a planned text exists");
    return text;
  });
}
