// compressed-tensors `pack-quantized`, 4 bits: weight_packed i32 [out, ceil(in/8)], lowest nibble first, values stored
// plus 8; weight_scale [out, groups]; asymmetric: weight_zero_point, packed along the rows i32 [ceil(out/8), groups] (plus
// 8 too) or, in older files, int8 [out, groups]; actorder "group": weight_g_idx i32 [in]. actorder "weight" and "static"
// leave the columns in place and need nothing.

import { CheckpointError } from "./checkpoint-error.ts";
import { type CheckpointFiles, FLOAT_DTYPES } from "./checkpoint-files.ts";
import { orderByGroup, permuteColumns } from "./group-order.ts";
import { groupsOf, type Int4Linear, type LinearShape, MIDDLE } from "./linear.ts";
import type { Quantization } from "./quantization.ts";

type CompressedTensors = Extract<Quantization, { kind: "compressed-tensors" }>;

/** The layer's tensors, checked but not read (a symmetric layer's zero points are). Throws CheckpointError. */
export function compressedTensors(
  files: CheckpointFiles,
  shape: LinearShape,
  quantization: CompressedTensors,
): string[] {
  const { name, outFeatures, inFeatures } = shape;
  const { groups } = groupsOf(shape, quantization.groupSize);
  if (inFeatures % 8 !== 0)
    throw new CheckpointError(
      `${files.dir}: layer ${name} has ${inFeatures} input features; a multiple of 8 is supported`,
    );
  files.expect(`${name}.weight_packed`, ["I32"], [outFeatures, inFeatures / 8]);
  files.expect(`${name}.weight_scale`, FLOAT_DTYPES, [outFeatures, groups]);
  const [zeros, order] = [`${name}.weight_zero_point`, `${name}.weight_g_idx`];
  if (!quantization.symmetric) expectZeroPoints(files, zeros, outFeatures, groups);
  else if (files.has(zeros) && readZeroPoints(files, zeros, outFeatures, groups).some((zero) => zero !== MIDDLE))
    throw new CheckpointError(
      `${files.dir}: tensor ${files.storedName(zeros)} holds zero points, though config.json says symmetric`,
    );
  if (files.has(order)) files.expect(order, ["I32"], [inFeatures]);
  return [`${name}.weight_packed`, `${name}.weight_scale`, `${name}.weight_shape`, zeros, order];
}

/** Reads a pack-quantized layer. Throws CheckpointError. */
export function readCompressedLinear(
  files: CheckpointFiles,
  shape: LinearShape,
  quantization: CompressedTensors,
): Int4Linear {
  const { name, outFeatures, inFeatures } = shape;
  const { groupSize, groups } = groupsOf(shape, quantization.groupSize);
  const packed = new Uint8Array(files.readInt32(`${name}.weight_packed`, [outFeatures, inFeatures / 8]).buffer);
  const scales = files.readFloats(`${name}.weight_scale`, [outFeatures, groups]);
  const zeroPoints = quantization.symmetric
    ? undefined
    : readZeroPoints(files, `${name}.weight_zero_point`, outFeatures, groups);
  const order = files.has(`${name}.weight_g_idx`)
    ? orderByGroup(files, `${name}.weight_g_idx`, inFeatures, groupSize)
    : undefined;
  return {
    kind: "int4",
    ...shape,
    groupSize,
    packed: order === undefined ? packed : permuteColumns(packed, outFeatures, inFeatures, order),
    scales,
    ...(zeroPoints !== undefined && { zeroPoints }),
    ...(order !== undefined && { permutation: order }),
  };
}

function expectZeroPoints(files: CheckpointFiles, name: string, outFeatures: number, groups: number): void {
  if (files.info(name).dtype === "I8") files.expect(name, ["I8"], [outFeatures, groups]);
  else files.expect(name, ["I32"], [Math.ceil(outFeatures / 8), groups]);
}

/** Zero points as unsigned nibbles, one a byte [out, groups]. */
function readZeroPoints(
  files: CheckpointFiles,
  name: string,
  outFeatures: number,
  groups: number,
): Uint8Array<ArrayBuffer> {
  const zeros = new Uint8Array(outFeatures * groups);
  if (files.info(name).dtype === "I8") {
    const signed = new Int8Array(files.read(name, ["I8"], [outFeatures, groups]).buffer);
    for (let index = 0; index < zeros.length; index += 1) zeros[index] = ((signed[index] ?? 0) + 8) & 15;
    return zeros;
  }
  const words = files.readInt32(name, [Math.ceil(outFeatures / 8), groups]);
  for (let row = 0; row < outFeatures; row += 1) {
    for (let group = 0; group < groups; group += 1) {
      zeros[row * groups + group] = ((words[(row >> 3) * groups + group] ?? 0) >>> ((row & 7) * 4)) & 15;
    }
  }
  return zeros;
}
