// A canary's vector as a customer got it, held against the published one.

import type { Directory } from "../directory/directory.ts";
import type { Canary } from "../../shared/canaries.ts";
import type { CanaryVectors } from "./compute.ts";
import { readVectors } from "./store.ts";

/**
 * Where no distance is promised: float16 on a card is within 2e-4 of float32 (gpu-backend/choice/cuda-forms.ts), so two are within
 * 8e-4. More is another model.
 */
const UNPROMISED_DISTANCE_MAX = 1e-3;

export interface PublishedCanary {
  readonly index: number;
  readonly embedding: Float32Array;
  readonly distanceMax: number;
}

/** Undefined: not published. Throws `directory_unavailable`. */
export async function publishedCanary(
  directory: Directory,
  { model, revision }: { readonly model: string; readonly revision: string },
  canary: Canary,
): Promise<PublishedCanary | undefined> {
  const text = await readVectors(directory, model, revision);
  if (text === null) return undefined;
  const { items, distance_max: promised }: CanaryVectors = JSON.parse(text);
  const index = items.findIndex(({ input, input_type: type }) => input === canary.input && type === canary.input_type);
  const item = items[index];
  if (item === undefined) return undefined;
  const embedding = new Float32Array(Uint8Array.fromBase64(item.embedding).buffer);
  return { index, embedding, distanceMax: promised ?? UNPROMISED_DISTANCE_MAX };
}

/** What is wrong with the vector that a customer gets; undefined: nothing. */
export function canaryFault(published: PublishedCanary, embedding: readonly number[]): string | undefined {
  const distance = distanceOf(published.embedding, embedding);
  if (distance <= published.distanceMax) return undefined;
  return `the vector of canary ${published.index} is ${distance.toPrecision(2)} (1 - cos) from the published one`;
}

/** 1 - cos of two vectors; infinite if their lengths differ. */
function distanceOf(a: Float32Array, b: readonly number[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [dot, squaresA, squaresB] = [0, 0, 0];
  for (const [at, value] of a.entries()) {
    const other = b[at] ?? 0;
    dot += value * other;
    squaresA += value * value;
    squaresB += other * other;
  }
  return 1 - dot / Math.sqrt(squaresA * squaresB);
}
