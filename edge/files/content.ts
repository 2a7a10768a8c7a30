// A file's content as it is downloaded: one chunk in memory at a time, opened whole, before any of it is sent.

import type { ChunkStore } from "./chunk-store.ts";
import { decodeResults, writeResultLine } from "./results.ts";
import type { FileRecord } from "./types.ts";

/** Pieces that together are exactly `record.bytes`; each must be used up before the next. Throws DamagedFileError. */
export async function* contentOf(store: ChunkStore, record: FileRecord): AsyncGenerator<Uint8Array> {
  for (const chunk of record.content.chunks) {
    const plain = await store.read(record, chunk);
    if (record.content.format === "lines") yield plain;
    else for (const line of decodeResults(plain)) yield* writeResultLine(line);
  }
}

/** The largest chunk, which a download holds sealed and opened. */
export function contentMemory(record: FileRecord): number {
  return 2 * record.content.chunks.reduce((most, { bytes }) => Math.max(most, bytes), 0);
}
