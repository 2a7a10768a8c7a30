// Reads the lines of a batch's input file from any position, one after the other: memory holds one chunk and one line.

import { NEWLINE, PendingLine } from "../lib/pending-line.ts";
import type { TakenLine } from "../lib/pending-line.ts";
import type { ChunkStore } from "../files/chunk-store.ts";
import type { FileContent, FilePlace } from "../files/types.ts";
import type { Position } from "../files/batch-types.ts";
import { BATCH_LIMITS } from "../files/batch-types.ts";

export interface InputLine extends TakenLine {
  /** The position after this line. */
  readonly next: Position;
}

export const START: Position = { line: 1, offset: 0 };

export class InputReader {
  readonly #store: ChunkStore;
  readonly #place: FilePlace;
  readonly #content: FileContent;
  /** The chunk read last: the next slice usually begins in it. */
  #held: { readonly index: number; readonly bytes: Promise<Uint8Array> } | undefined;

  constructor(store: ChunkStore, place: FilePlace, content: FileContent) {
    this.#store = store;
    this.#place = place;
    this.#content = content;
  }

  /** Lines from `from` on that are not blank. Throws DamagedFileError. */
  async *lines(from: Position): AsyncGenerator<InputLine> {
    let { line, offset } = from;
    const pending = new PendingLine(BATCH_LIMITS.lineBytesMax);
    for await (const bytes of this.#bytesFrom(offset)) {
      for (let at = 0; at < bytes.length;) {
        const end = bytes.indexOf(NEWLINE, at);
        pending.add(bytes.subarray(at, end < 0 ? bytes.length : end));
        offset += (end < 0 ? bytes.length : end + 1) - at;
        if (end < 0) break;
        at = end + 1;
        const read = pending.take(line);
        if (read !== undefined) yield { ...read, next: { line: line + 1, offset } };
        line += 1;
      }
    }
    const last = pending.take(line);
    if (last !== undefined) yield { ...last, next: { line: line + 1, offset } };
  }

  async *#bytesFrom(offset: number): AsyncGenerator<Uint8Array> {
    let start = 0;
    for (const [index, chunk] of this.#content.chunks.entries()) {
      const end = start + chunk.bytes;
      if (end > offset) {
        if (this.#held?.index !== index) this.#held = { index, bytes: this.#store.read(this.#place, chunk) };
        try {
          yield (await this.#held.bytes).subarray(Math.max(0, offset - start));
        } catch (error) {
          this.#held = undefined;
          throw error;
        }
      }
      start = end;
    }
  }
}
