// One linear layer of a checkpoint, the same whatever layout it was stored in: what the compiler works on.

export interface LinearShape {
  /** Full tensor name without `.weight`, for messages. */
  readonly name: string;
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** Whether it adds a vector of its own, `name.bias`. */
  readonly biased: boolean;
}

interface Bias {
  /** [outFeatures] */
  readonly bias?: Float32Array<ArrayBuffer>;
}

export interface Int4Linear extends LinearShape, Bias {
  readonly kind: "int4";
  /** Columns that share a scale; the last group of a row may be shorter. */
  readonly groupSize: number;
  /** [outFeatures, inFeatures / 2], two weights a byte, the lower column in the low nibble. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** [outFeatures, groups]. Weight = (nibble - zero point) · scale. */
  readonly scales: Float32Array<ArrayBuffer>;
  /** [outFeatures, groups], one a byte, 0..15. Absent: 8 everywhere. */
  readonly zeroPoints?: Uint8Array<ArrayBuffer>;
  /** [inFeatures]: column j of `packed` multiplies input feature permutation[j]. Absent: the identity. */
  readonly permutation?: Int32Array<ArrayBuffer>;
}

export interface DenseLinear extends LinearShape, Bias {
  readonly kind: "dense";
  /** [outFeatures, inFeatures] */
  readonly weights: Float32Array<ArrayBuffer>;
}

/** A symmetric layer's zero point. */
export const MIDDLE = 8;

/** Columns that share a scale, and how many groups of them a row has. `groupSize` -1: one group a row. */
export function groupsOf({ inFeatures }: LinearShape, groupSize: number): { groupSize: number; groups: number } {
  const size = groupSize === -1 ? inFeatures : groupSize;
  return { groupSize: size, groups: Math.ceil(inFeatures / size) };
}

export type Linear = Int4Linear | DenseLinear;

/** The weights as float32 [outFeatures, inFeatures], columns in the order of the input features. */
export function dequantise(linear: Int4Linear): Float32Array<ArrayBuffer> {
  const { outFeatures, inFeatures, groupSize, packed, scales, zeroPoints, permutation } = linear;
  const groups = Math.ceil(inFeatures / groupSize);
  const weights = new Float32Array(outFeatures * inFeatures);
  for (let row = 0; row < outFeatures; row += 1) {
    for (let column = 0; column < inFeatures; column += 1) {
      const group = row * groups + Math.floor(column / groupSize);
      const byte = packed[(row * inFeatures + column) >> 1] ?? 0;
      const nibble = column & 1 ? byte >> 4 : byte & 15;
      const feature = permutation?.[column] ?? column;
      weights[row * inFeatures + feature] = (nibble - (zeroPoints?.[group] ?? 8)) * (scales[group] ?? 0);
    }
  }
  return weights;
}
