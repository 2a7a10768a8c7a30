// What a card could do at best, and what a model asks of it.

import type { ModelConfig } from "../../../gpu-backend/checkpoint/read-config.ts";

/** Dense 16-bit peak with float32 sums, TFLOP/s, from NVIDIA's data sheets; the first name that the card's contains. */
const PEAKS: readonly (readonly [string, number])[] = [
  ["B200", 2250],
  ["H200", 989],
  ["H100 PCIe", 756],
  ["H100 NVL", 835],
  ["H100", 989],
  ["A100", 312],
  ["L40S", 362],
  ["L4", 121],
  ["A10G", 70],
  ["A10", 125],
  ["RTX 5090", 210],
  ["RTX 4090", 165],
  ["RTX 3090", 71],
];

export function peakOf(card: string): number | undefined {
  return PEAKS.find(([known]) => card.includes(known))?.[1];
}

/** Floating-point operations of a batch: two a weight and token, and the causal half of attention. */
export function flopsOf(config: ModelConfig, lengths: readonly number[]): number {
  const { hiddenSize, intermediateSize, queryHeads, keyValueHeads, headDim, layers } = config;
  const weights = hiddenSize * headDim * (2 * queryHeads + 2 * keyValueHeads) + 3 * hiddenSize * intermediateSize;
  return lengths.reduce(
    (sum, length) => sum + layers * (2 * weights * length + 2 * queryHeads * headDim * length * length),
    0,
  );
}
