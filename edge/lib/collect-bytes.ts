// A stream of unknown length, read into one buffer with a cap: request bodies and backends' answers.

/**
 * All bytes of `stream`, or undefined as soon as they pass `bytesMax`; the stream is then cancelled. `onPiece` is told
 * how many bytes arrived; what it throws ends the reading.
 */
export async function collectBytes(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
  onPiece?: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of stream) {
    onPiece?.(piece.length);
    total += piece.length;
    // Leaving the loop cancels the stream.
    if (total > bytesMax) return undefined;
    pieces.push(piece);
  }
  return joinBytes(pieces);
}

/** `pieces` one after the other, copied. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
