// Transposes matrices of 32-bit elements. Tiled, since a plain double loop misses the cache on every write: a 4B
// checkpoint has 450 million of these words.

const TILE = 32;

/** [rows, columns] → [columns, rows]. */
export function transpose32<Matrix extends Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>(
  matrix: Matrix,
  rows: number,
  columns: number,
): Matrix {
  const source = new Int32Array(matrix.buffer, matrix.byteOffset, matrix.length);
  const target = new Int32Array(matrix.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let column = left; column < right; column += 1) {
        for (let row = top; row < bottom; row += 1) target[column * rows + row] = source[row * columns + column] ?? 0;
      }
    }
  }
  return (matrix instanceof Float32Array ? new Float32Array(target.buffer) : target) as Matrix;
}
