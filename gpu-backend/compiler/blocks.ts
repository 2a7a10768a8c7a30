// MatMulNBits' weight form: B uint8 [out, blocks, blockSize / 2] with the lower column in the low bits, scales
// [out, blocks], zero points two a byte [out, ceil(blocks / 2)]. Source: ONNX Runtime's ContribOperators, MatMulNBits.

import { must } from "../../shared/assert.ts";
import type { Int4Linear } from "../checkpoint/linear.ts";
import type { CudaWeights } from "./compiled-model.ts";

export interface BlockedWeights {
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly blockSize: number;
  readonly bytes: Uint8Array;
  readonly scales: Float32Array;
  /** Absent: the middle of the range (8). */
  readonly zeroPoints?: Uint8Array;
}

/** What the kernels take, the preferred first. */
const BLOCK_SIZES = [128, 64, 32, 16];
const BLOCK_SIZES_AS_IS = new Set([16, 32, 64, 128, 256]);

/** The block size for a layer: its group, or the largest that divides it (scales are repeated); undefined when none does. */
export function blockSizeFor(groupSize: number, inFeatures: number, form: CudaWeights): number | undefined {
  if (form === "block32") return groupSize % 32 === 0 ? 32 : undefined;
  if (BLOCK_SIZES_AS_IS.has(groupSize)) return groupSize;
  return BLOCK_SIZES.find((size) => groupSize % size === 0 && inFeatures % size === 0);
}

/** Stacks layers of one input along their output side. Padding columns of a short last block multiply zeros. */
export function packBlocks(layers: readonly Int4Linear[], blockSize: number): BlockedWeights {
  const { inFeatures, groupSize } = must(layers[0], "a linear layer");
  const outFeatures = layers.reduce((sum, layer) => sum + layer.outFeatures, 0);
  const blocks = Math.ceil(inFeatures / blockSize);
  const rowBytes = (blocks * blockSize) / 2;
  const bytes = new Uint8Array(outFeatures * rowBytes);
  const scales = new Float32Array(outFeatures * blocks);
  const zeroed = layers.some((layer) => layer.zeroPoints !== undefined);
  const zeroPoints = new Uint8Array(zeroed ? outFeatures * Math.ceil(blocks / 2) : 0);
  let top = 0;
  for (const layer of layers) {
    copyRows(layer, bytes, top, rowBytes);
    spreadScales(layer, scales, zeroed ? zeroPoints : undefined, {
      top,
      blocks,
      blocksPerGroup: groupSize / blockSize,
    });
    top += layer.outFeatures;
  }
  return { outFeatures, inFeatures, blockSize, bytes, scales, ...(zeroed && { zeroPoints }) };
}

function copyRows(layer: Int4Linear, bytes: Uint8Array, top: number, rowBytes: number): void {
  const ownRowBytes = layer.inFeatures / 2;
  if (ownRowBytes === rowBytes) {
    bytes.set(layer.packed, top * rowBytes);
    return;
  }
  for (let row = 0; row < layer.outFeatures; row += 1) {
    bytes.set(layer.packed.subarray(row * ownRowBytes, (row + 1) * ownRowBytes), (top + row) * rowBytes);
  }
}

function spreadScales(
  layer: Int4Linear,
  scales: Float32Array,
  zeroPoints: Uint8Array | undefined,
  { top, blocks, blocksPerGroup }: { top: number; blocks: number; blocksPerGroup: number },
): void {
  const groups = Math.ceil(layer.inFeatures / layer.groupSize);
  const zeroRowBytes = Math.ceil(blocks / 2);
  for (let row = 0; row < layer.outFeatures; row += 1) {
    for (let block = 0; block < blocks; block += 1) {
      const group = row * groups + Math.floor(block / blocksPerGroup);
      scales[(top + row) * blocks + block] = layer.scales[group] ?? 0;
      if (zeroPoints === undefined) continue;
      const place = (top + row) * zeroRowBytes + (block >> 1);
      zeroPoints[place] = (zeroPoints[place] ?? 0) | ((layer.zeroPoints?.[group] ?? 8) << ((block & 1) * 4));
    }
  }
}
