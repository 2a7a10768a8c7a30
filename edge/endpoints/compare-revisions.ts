// How two revisions of a model differ on a customer's own texts: whether each text keeps its nearest ones, and how far its
// vector has moved. Pure but for pauses: each text is compared with each.

import { othersTurn } from "../lib/others-turn.ts";
import { assert, must } from "../../shared/assert.ts";
import { cosine, dotProduct } from "../../shared/vectors.ts";

export interface RevisionComparison {
  readonly neighbours: {
    /** The share of a text's k nearest texts that stay among its k nearest: the mean over all texts. */
    readonly mean_overlap: number;
    /** The share of texts whose nearest text stays the nearest. */
    readonly same_nearest: number;
  };
  /** Of each text's vector under one revision with that under the other. */
  readonly cosine: { readonly min: number; readonly p5: number; readonly median: number; readonly mean: number };
}

/** `before`, `after`: the texts' normalised vectors, all of one length, in one order; k: 1 to one less than there are texts. */
export async function compareRevisions(
  before: readonly Float32Array[],
  after: readonly Float32Array[],
  k: number,
): Promise<RevisionComparison> {
  const count = before.length;
  assert(count === after.length && k >= 1 && k < count, "each text has two vectors, and k neighbours");
  const similarities = [await similaritiesOf(before), await similaritiesOf(after)] as const;
  let [kept, sameNearest] = [0, 0];
  for (let index = 0; index < count; index += 1) {
    const row = [index * count, (index + 1) * count] as const;
    const [old, now] = similarities.map((all) => nearestOf(index, all.subarray(...row), k));
    for (const neighbour of now?.places ?? []) if (old?.places.has(neighbour) === true) kept += 1;
    if (old?.first === now?.first) sameNearest += 1;
  }
  const cosines = before
    .map((vector, index) => cosine(vector, must(after[index], "a vector")))
    .toSorted((a, b) => a - b);
  return {
    neighbours: { mean_overlap: kept / (k * count), same_nearest: sameNearest / count },
    cosine: {
      min: at(cosines, 0),
      p5: at(cosines, Math.ceil(0.05 * count) - 1),
      median: (at(cosines, (count - 1) >> 1) + at(cosines, count >> 1)) / 2,
      mean: cosines.reduce((sum, value) => sum + value, 0) / count,
    },
  };
}

/** The cosine of each with each: [texts, texts]. */
async function similaritiesOf(vectors: readonly Float32Array[]): Promise<Float64Array> {
  const count = vectors.length;
  const all = new Float64Array(count * count);
  for (const [index, own] of vectors.entries()) {
    await othersTurn(index * own.length);
    for (let before = 0; before < index; before += 1) {
      const similarity = dotProduct(own, must(vectors[before], "a vector"));
      all[index * count + before] = similarity;
      all[before * count + index] = similarity;
    }
  }
  return all;
}

interface Nearest {
  readonly places: ReadonlySet<number>;
  readonly first: number;
}

/** The `k` texts most similar to the one at `index`; of equally similar ones those that stand first. */
function nearestOf(index: number, similarity: Float64Array, k: number): Nearest {
  const others = similarity.with(index, Number.NEGATIVE_INFINITY);
  const sorted = others.toSorted();
  const [most, least] = [sorted.at(-1) ?? 0, sorted.at(-k) ?? 0];
  const nearer = [...others.keys()].filter((place) => (others[place] ?? 0) > least);
  const asNear = [...others.keys()].filter((place) => others[place] === least);
  return { places: new Set([...nearer, ...asNear.slice(0, k - nearer.length)]), first: others.indexOf(most) };
}

function at(values: readonly number[], index: number): number {
  return must(values[index], "a place of the list");
}
