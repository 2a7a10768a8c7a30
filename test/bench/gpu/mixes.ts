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

/** The mix again and again, up to `tokens`. */
function mixOf(tokens: number): readonly number[] {
  const source = logNormalLengths();
  const lengths: number[] = [];
  for (let left = tokens, at = 0; left > 0; at += 1) {
    const length = Math.min(left, source[at % source.length] ?? 1);
    lengths.push(length);
    left -= length;
  }
  return lengths;
}

const same = (texts: number, tokens: number): readonly number[] => Array.from({ length: texts }, () => tokens);

/** What a card is measured with, texts x tokens; what says most, first. */
export const CARD_SHAPES: Readonly<Record<string, readonly number[]>> = {
  "mix 16k": mixOf(16_384),
  "16x2048": same(16, 2_048),
  "64x512": same(64, 512),
  "1x16": same(1, 16),
  "512x16": same(512, 16),
  "4x8192": same(4, 8_192),
  "1x32768": same(1, 32_768),
};

/** Random token ids of the given lengths, below `vocabulary`. */
export function textsOf(lengths: readonly number[], vocabulary: number): readonly Int32Array[] {
  const random = mulberry32(11);
  return lengths.map((length) => Int32Array.from({ length }, () => Math.floor(random() * vocabulary)));
}

/**
 * Texts of `lengths`, each but the first beginning with all that the first has room for: some of them whole, and the same text
 * twice.
 */
export function textsThatBeginAlike(lengths: readonly number[], vocabulary: number): readonly Int32Array[] {
  const texts = textsOf(lengths, vocabulary);
  const [first] = texts;
  if (first === undefined) return [];
  for (const text of texts) text.set(first.subarray(0, text.length));
  return [...texts, first];
}
