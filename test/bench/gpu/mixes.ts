// The batches that this engine and its peers are measured with: lengths in tokens, the same for all of them.

import { mulberry32 } from "../../support/mulberry32.ts";

/** 64 log-normal lengths, mean near 60, at most 512: what short passages look like. */
function logNormalLengths(): readonly number[] {
  const random = mulberry32(7);
  return Array.from({ length: 64 }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.max(2, Math.min(512, Math.round(Math.exp(3.7 + 0.9 * normal))));
  });
}

export const MIXES: Readonly<Record<string, readonly number[]>> = {
  "32x128": Array.from({ length: 32 }, () => 128),
  "1x16": [16],
  "1x512": [512],
  "1x2048": [2048],
  mix: logNormalLengths(),
  "long 1x8192": [8192],
  "long 1x32768": [32_768],
};

/** Random token ids of the given lengths, below `vocabulary`. */
export function textsOf(lengths: readonly number[], vocabulary: number): readonly Int32Array[] {
  const random = mulberry32(11);
  return lengths.map((length) => Int32Array.from({ length }, () => Math.floor(random() * vocabulary)));
}
