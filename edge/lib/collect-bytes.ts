// Reads a stream of unknown length into one buffer, up to a cap: request bodies and backends' answers.

/** All bytes of `stream`. Undefined as soon as they exceed `bytesMax`: the stream is then cancelled. */
export async function collectBytes(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of stream) {
    total += piece.length;
    // Leaving the loop cancels the stream.
    if (total > bytesMax) return undefined;
    pieces.push(piece);
  }
  return joinBytes(pieces);
}

/** A copy of `pieces`, concatenated. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
