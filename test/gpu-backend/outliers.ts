// Checkpoints with the outliers that trained models have and random ones lack: a few channels of a norm, and a few of down_proj's
// inputs, that are many times the others. The float32 graph of the same files is the reference.

import { float16BitsToFloat32, float32ToFloat16Bits } from "../../shared/float16.ts";
import { mulberry32 } from "../support/mulberry32.ts";
import { editTensors, type StoredTensor } from "./edit-checkpoint.ts";

export interface Outliers {
  /** Factors of channels of the norms before q, k, v and before gate and up; one channel a factor and norm. */
  readonly norms: readonly number[];
  /** Factors of rows of up_proj. */
  readonly ups: readonly number[];
}

/** What was found to break forms with one int8 digit. */
export const OUTLIER_SETS: Readonly<Record<string, Outliers>> = {
  "norm channels x20 x50": { norms: [20, 50, 50], ups: [] },
  "up_proj rows x50 x100 x200": { norms: [], ups: [50, 100, 200] },
  both: { norms: [5, 10, 20], ups: [20, 50, 100] },
};

/** Changes the demo model (GPTQ) in `dir`. */
export function addOutliers(dir: string, { norms, ups }: Outliers, seed: number): void {
  const random = mulberry32(seed);
  editTensors(dir, (tensors) => {
    for (const [name, tensor] of tensors) {
      if (/(?:input|post_attention)_layernorm\.weight$/.test(name)) scaleColumns(tensors, name, tensor, norms, random);
      if (name.endsWith("up_proj.scales")) scaleColumns(tensors, name, tensor, ups, random);
    }
  });
}

/** Multiplies whole columns, chosen by chance, of a float16 tensor. */
function scaleColumns(
  tensors: Map<string, StoredTensor>,
  name: string,
  { dtype, shape, data }: StoredTensor,
  factors: readonly number[],
  random: () => number,
): void {
  if (dtype !== "F16") throw new Error(`${name} is ${dtype}`);
  const values = float16BitsToFloat32(new Uint16Array(new Uint8Array(data).buffer));
  const columns = shape.at(-1) ?? 0;
  for (const factor of factors) {
    for (let index = Math.floor(random() * columns); index < values.length; index += columns)
      values[index] = (values[index] ?? 0) * factor;
  }
  tensors.set(name, { dtype, shape, data: new Uint8Array(float32ToFloat16Bits(values).buffer) });
}
