// Reads the lines of a batch's input file from any position, one after the other: memory holds one chunk and one line.

import { joinBytes } from "../lib/collect-bytes.ts";
import type { ChunkStore } from "../files/chunk-store.ts";
import type { FileContent, FilePlace } from "../files/types.ts";
import type { Position } from "../files/batch-types.ts";
import { BATCH_LIMITS } from "../files/batch-types.ts";

export interface InputLine {
  /** 1 is the first line of the file; blank lines count. */
  readonly line: number;
  /** Without its line end; a line that is too long or not UTF-8 has no text. */
  readonly text: string | undefined;
  /** UTF-8 bytes. */
  readonly bytes: number;
  /** The position after this line. */
  readonly next: Position;
}

export const START: Position = { line: 1, offset: 0 };

const NEWLINE = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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
    const pending = new PendingLine();
    for await (const bytes of this.#bytesFrom(offset)) {
      for (let at = 0; at < bytes.length;) {
        const end = bytes.indexOf(NEWLINE, at);
        pending.add(bytes.subarray(at, end < 0 ? bytes.length : end));
        offset += (end < 0 ? bytes.length : end + 1) - at;
        if (end < 0) break;
        at = end + 1;
        const read = pending.take(line, { line: line + 1, offset });
        if (read !== undefined) yield read;
        line += 1;
      }
    }
    const last = pending.take(line, { line: line + 1, offset });
    if (last !== undefined) yield last;
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

/** One line, collected over chunks. */
class PendingLine {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes <= BATCH_LIMITS.lineBytesMax) this.#pieces.push(piece);
  }

  /** Returns the collected line and starts the next one; undefined for a blank line. */
  take(line: number, next: Position): InputLine | undefined {
    const bytes = this.#bytes;
    const text = bytes > BATCH_LIMITS.lineBytesMax ? undefined : decoded(this.#pieces, line === 1);
    this.#pieces = [];
    this.#bytes = 0;
    return text?.trim() === "" ? undefined : { line, text, bytes, next };
  }
}

function decoded(pieces: readonly Uint8Array[], isFirst: boolean): string | undefined {
  const [only] = pieces;
  const whole = pieces.length === 1 && only !== undefined ? only : joinBytes(pieces);
  try {
    const text = decoder.decode(whole);
    return isFirst && text.startsWith("\uFEFF") ? text.slice(1) : text;
  } catch {
    return undefined;
  }
}
