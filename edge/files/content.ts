// A file's content as it is downloaded. Each chunk is opened and verified before any of it is sent; memory holds one.

import type { ChunkStore } from "./chunk-store.ts";
import { decodeResults, writeResultLine } from "./results.ts";
import type { FileRecord } from "./types.ts";

/** Result lines are sent together: one write per line would cost more than the line. */
const PIECE_BYTES = 64 * 1024;

/** Pieces of `record.bytes` in all; each is valid until the next is read. Throws DamagedFileError. */
export async function* contentOf(store: ChunkStore, record: FileRecord): AsyncGenerator<Uint8Array> {
  for (const chunk of record.content.chunks) {
    const plain = await store.read(record, chunk);
    if (record.content.format === "lines") yield plain;
    else yield* inPieces(linesOf(plain));
  }
}

function* linesOf(plain: Uint8Array<ArrayBuffer>): Generator<Uint8Array> {
  for (const line of decodeResults(plain)) yield* writeResultLine(line);
}

/** The same bytes in pieces of PIECE_BYTES, in one reused buffer. */
function* inPieces(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  const buffer = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  for (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const part = piece.subarray(from, from + PIECE_BYTES - filled);
      buffer.set(part, filled);
      filled += part.length;
      from += part.length;
      if (filled < PIECE_BYTES) continue;
      yield buffer;
      filled = 0;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

/** Bytes that a download holds at once: its largest chunk, sealed and opened. */
export function contentMemory(record: FileRecord): number {
  return 2 * record.content.chunks.reduce((most, { bytes }) => Math.max(most, bytes), 0);
}
