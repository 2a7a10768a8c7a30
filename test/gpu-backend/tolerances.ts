// How far a vector may be from another, stated from the arithmetic that made both and not from what one machine gave:
// the same bound holds on every class of processor. All are 1 - cos; an angle of e radians is 1 - cos = e² / 2.

import type { ModelConfig } from "../../gpu-backend/checkpoint/read-config.ts";

/** Unit roundoffs: the largest relative error of one rounding. */
const FLOAT32 = 2 ** -24;
const FLOAT16 = 2 ** -11;
/** One after the other in a layer: norm, qkv, attention, o, norm, gate and up, down. */
const STEPS_A_LAYER = 7;

type Shape = Pick<ModelConfig, "layers" | "hiddenSize" | "intermediateSize">;

/**
 * Float32 products on the 4-bit weights (and float32 ones on dense weights). A sum of K products is off by about √K
 * roundings, whose signs are as good as random, however a kernel splits it; the steps' errors are added as if all of
 * them pointed the same way. `float16Roundings`: how often one of the two went through float16 where the other did
 * not: its canonical form, the embedding table, the weights of a layer.
 */
export function float32Tolerance({ layers, hiddenSize, intermediateSize }: Shape, float16Roundings: number): number {
  const steps = STEPS_A_LAYER * layers * Math.sqrt(Math.max(hiddenSize, intermediateSize)) * FLOAT32;
  return (steps + float16Roundings * FLOAT16) ** 2 / 2;
}
