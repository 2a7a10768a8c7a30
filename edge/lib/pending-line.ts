// One line of a text that arrives in pieces, collected until its end: files of batches, streams of lines.

import { joinBytes } from "./collect-bytes.ts";

export const NEWLINE = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface TakenLine {
  /** 1 is the first line; blank lines count. */
  readonly line: number;
  /** Without its line end; a line that is too long or not UTF-8 has no text. */
  readonly text: string | undefined;
  /** UTF-8 bytes. */
  readonly bytes: number;
}

export class PendingLine {
  readonly #bytesMax: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A piece of the line, which has no line end; it is kept, not copied. */
  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes <= this.#bytesMax) this.#pieces.push(piece);
  }

  /** Returns the collected line, the one with number `line`, and starts the next one; undefined for a blank line. */
  take(line: number): TakenLine | undefined {
    const bytes = this.#bytes;
    const text = bytes > this.#bytesMax ? undefined : decoded(this.#pieces, line === 1);
    this.#pieces = [];
    this.#bytes = 0;
    return text?.trim() === "" ? undefined : { line, text, bytes };
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
