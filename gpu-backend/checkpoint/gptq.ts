// GPTQ (AutoGPTQ, GPTQModel), 4 bits: qweight i32 [in/8, out] with eight rows of the input side a word, lowest nibble
// first; qzeros i32 [groups, out/8]; scales [groups, out]; g_idx i32 [in], the group of each input feature.

import { CheckpointError } from "./checkpoint-error.ts";
import { type CheckpointFiles, FLOAT_DTYPES } from "./checkpoint-files.ts";
import { orderByGroup, permuteColumns } from "./group-order.ts";
import { groupsOf, type Int4Linear, type LinearShape, MIDDLE } from "./linear.ts";
import type { Quantization } from "./quantization.ts";
import { transposeFloat32, transposeInt32 } from "./transpose.ts";

type Gptq = Extract<Quantization, { kind: "gptq" }>;

/** The layer's tensors, checked but not read. Throws CheckpointError. */
export function gptqTensors(files: CheckpointFiles, shape: LinearShape, quantization: Gptq): string[] {
  const { name, outFeatures, inFeatures } = shape;
  const { groups } = groupsOf(shape, quantization.groupSize);
  if (inFeatures % 8 !== 0 || outFeatures % 8 !== 0)
    throw new CheckpointError(
      `${files.dir}: layer ${name} is [${outFeatures}, ${inFeatures}]; GPTQ packs multiples of 8`,
    );
  files.expect(`${name}.qweight`, ["I32"], [inFeatures / 8, outFeatures]);
  files.expect(`${name}.scales`, FLOAT_DTYPES, [groups, outFeatures]);
  files.expect(`${name}.qzeros`, ["I32"], [groups, outFeatures / 8]);
  const order = `${name}.g_idx`;
  if (quantization.actOrder || files.has(order)) files.expect(order, ["I32"], [inFeatures]);
  return [`${name}.qweight`, `${name}.scales`, `${name}.qzeros`, order];
}

/** Reads a GPTQ layer; with desc_act the columns are brought into group order and the permutation is kept. Throws CheckpointError. */
export function readGptqLinear(files: CheckpointFiles, shape: LinearShape, quantization: Gptq): Int4Linear {
  const { name, outFeatures, inFeatures } = shape;
  const { groupSize, groups } = groupsOf(shape, quantization.groupSize);
  const words = files.readInt32(`${name}.qweight`, [inFeatures / 8, outFeatures]);
  const packed = new Uint8Array(transposeInt32(words, inFeatures / 8, outFeatures).buffer);
  const scales = transposeFloat32(files.readFloats(`${name}.scales`, [groups, outFeatures]), groups, outFeatures);
  const zeroPoints = unpackZeros(
    files.readInt32(`${name}.qzeros`, [groups, outFeatures / 8]),
    groups,
    outFeatures,
    quantization,
  );
  const order = files.has(`${name}.g_idx`) ? orderByGroup(files, `${name}.g_idx`, inFeatures, groupSize) : undefined;
  return {
    kind: "int4",
    ...shape,
    groupSize,
    packed: order === undefined ? packed : permuteColumns(packed, outFeatures, inFeatures, order),
    scales,
    ...(zeroPoints.some((zero) => zero !== MIDDLE) && { zeroPoints }),
    ...(order !== undefined && { permutation: order }),
  };
}

/**
 * qzeros [groups, out/8] → one byte each [out, groups]. Version 1 subtracted 0x11111111 from the whole word, so that a
 * zero point of 0 borrows from its neighbour: only adding to the whole word, carries included, undoes it. Labels may be
 * wrong: files of version 2 are passed on as "gptq". The label is wrong if the quantiser was symmetric and each zero
 * point is one off the middle.
 */
function unpackZeros(
  words: Int32Array,
  groups: number,
  outFeatures: number,
  { version, symmetric }: Gptq,
): Uint8Array<ArrayBuffer> {
  const zeros = new Uint8Array(outFeatures * groups);
  const offset = version === 1 ? 0x11111111 : 0;
  for (let group = 0; group < groups; group += 1) {
    for (let row = 0; row < outFeatures; row += 1) {
      const word = (words[group * (outFeatures / 8) + (row >> 3)] ?? 0) + offset;
      zeros[row * groups + group] = (word >>> ((row & 7) * 4)) & 15;
    }
  }
  const mislabelled = version === 1 ? MIDDLE + 1 : MIDDLE - 1;
  return symmetric && zeros.every((zero) => zero === mislabelled) ? zeros.fill(MIDDLE) : zeros;
}
