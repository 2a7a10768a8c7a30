// The body of a stream: read as frames are cut from it, and no further. A stream that ends early reads and drops the rest,
// because a client that sends everything before it reads would wait for ever, and a reset could overtake the answer.

import type { Context } from "../context.ts";
import { bodyPieces, inflated, isGzip } from "../middleware/body-pieces.ts";

/** A client may take its time to make lines; how long it may be silent is told from a connection that died. */
const PATIENCE = { idleMs: 60_000, graceMs: Infinity, bytesPerSecondMin: 0 };
/** Cloudflare's own limit of a body, on most of its plans. */
const DROPPED_BYTES_MAX = 100 * 1024 * 1024;

export class StreamBody {
  /** Inflated. Throws ApiError. */
  readonly pieces: AsyncGenerator<Uint8Array>;
  /** Whether all of it was received. */
  hasEnded = false;
  readonly #raw: AsyncGenerator<Uint8Array>;
  #isStopped = false;

  /** Throws `unsupported_media_type`. */
  constructor(c: Context) {
    const gzip = isGzip(c, true);
    this.#raw = this.#read(c.req.raw.body);
    this.pieces = gzip ? inflated(this.#raw) : this.#raw;
  }

  /** Nothing more of it is wanted. Resolves when the rest has been dropped. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#raw.next().catch(() => undefined);
    await this.#raw.return(undefined);
  }

  async *#read(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
    let dropped = 0;
    if (body !== null) {
      for await (const piece of bodyPieces(body, PATIENCE)) {
        if (!this.#isStopped) yield piece;
        else if ((dropped += piece.length) > DROPPED_BYTES_MAX) return;
      }
    }
    this.hasEnded = true;
  }
}
