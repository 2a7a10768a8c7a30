// Activation order: the quantiser grouped input features by importance, not by position. Columns are stable-sorted by
// group once, here; at run time the activations are gathered in the same order, which leaves every sum as it was.

import { CheckpointError } from "./checkpoint-error.ts";
import type { CheckpointFiles } from "./checkpoint-files.ts";

/**
 * Reads g_idx [inFeatures] and gives the columns in group order, or undefined when they are in order already.
 * Throws CheckpointError when a group does not have exactly its share of columns.
 */
export function orderByGroup(
  files: CheckpointFiles,
  name: string,
  inFeatures: number,
  groupSize: number,
): Int32Array<ArrayBuffer> | undefined {
  const groupOf = files.readInt32(name, [inFeatures]);
  const groups = Math.ceil(inFeatures / groupSize);
  const next = Int32Array.from({ length: groups }, (_, group) => group * groupSize);
  const order = new Int32Array(inFeatures);
  let sorted = true;
  for (let column = 0; column < inFeatures; column += 1) {
    const group = groupOf[column] ?? -1;
    const position = next[group] ?? inFeatures;
    if (position >= Math.min(inFeatures, (group + 1) * groupSize)) {
      throw new CheckpointError(
        `${files.dir}: tensor ${name} puts column ${column} into group ${group}; there are ${groups} groups of ${groupSize}`,
      );
    }
    next[group] = position + 1;
    order[position] = column;
    sorted &&= position === column;
  }
  return sorted ? undefined : order;
}

/** Nibbles [rows, columns / 2 bytes] with column order[j] moved to j. */
export function permuteColumns(
  packed: Uint8Array,
  rows: number,
  columns: number,
  order: Int32Array,
): Uint8Array<ArrayBuffer> {
  const moved = new Uint8Array(packed.length);
  const rowBytes = columns / 2;
  for (let row = 0; row < rows; row += 1) {
    const start = row * rowBytes;
    for (let column = 0; column < columns; column += 1) {
      const from = order[column] ?? 0;
      const nibble = ((packed[start + (from >> 1)] ?? 0) >> ((from & 1) * 4)) & 15;
      moved[start + (column >> 1)] = (moved[start + (column >> 1)] ?? 0) | (nibble << ((column & 1) * 4));
    }
  }
  return moved;
}
