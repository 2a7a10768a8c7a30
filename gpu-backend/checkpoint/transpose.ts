// Transposes matrices of 32-bit elements. Tiled, since a plain double loop misses the cache on every write: a 4B
// checkpoint has 450 million of these words.

const TILE = 32;

/** float32 [rows, columns] → [columns, rows]. */
export function transposeFloat32(
  matrix: Float32Array<ArrayBuffer>,
  rows: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const words = new Int32Array(matrix.buffer, matrix.byteOffset, matrix.length);
  return new Float32Array(transposeInt32(words, rows, columns).buffer);
}

/** int32 [rows, columns] → [columns, rows]. */
export function transposeInt32(source: Int32Array, rows: number, columns: number): Int32Array<ArrayBuffer> {
  const target = new Int32Array(source.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let column = left; column < right; column += 1) {
        for (let row = top; row < bottom; row += 1) target[column * rows + row] = source[row * columns + column] ?? 0;
      }
    }
  }
  return target;
}
