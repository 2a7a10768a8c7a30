// A request's body as it arrives: given up when it stalls, is too slow or takes too long, and inflated where it is
// gzip. Nothing is held here: the reader of the pieces decides what stays in memory.

import { Readable, pipeline } from "node:stream";
import { createGunzip, gunzipSync } from "node:zlib";
import type { Context } from "../context.ts";
import { TURN_SIZE } from "../lib/others-turn.ts";
import { ApiError, apiError } from "../../shared/errors.ts";

/** How slow a body may be. */
export interface Patience {
  /** Longest pause between bytes. */
  readonly idleMs: number;
  /** The pace is checked only after this time. */
  readonly graceMs: number;
  /** Average since the beginning. */
  readonly bytesPerSecondMin: number;
  /** For the whole body; undefined: no limit while it keeps its pace. */
  readonly totalMs?: number;
}

/** The body's bytes as they arrive. Throws ApiError. */
export async function* bodyPieces(stream: ReadableStream<Uint8Array>, patience: Patience): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  const { graceMs, bytesPerSecondMin, totalMs = Infinity } = patience;
  const startedMs = Date.now();
  let total = 0;
  try {
    for (;;) {
      const piece = await nextPiece(reader, patience.idleMs, startedMs + totalMs - Date.now());
      if (piece === undefined) return;
      total += piece.length;
      const ageMs = Date.now() - startedMs;
      if (ageMs > graceMs && (total * 1000) / ageMs < bytesPerSecondMin) {
        throw apiError("invalid_request", `The body arrives at less than ${bytesPerSecondMin} bytes a second.`);
      }
      yield piece;
    }
  } finally {
    // The reader has stopped early: the rest of the body is not wanted.
    await reader.cancel().catch(() => undefined);
  }
}

async function nextPiece(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  idleMs: number,
  leftMs: number,
): Promise<Uint8Array | undefined> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const over = new Promise<never>((_, reject) => {
    const late = (): void =>
      reject(
        leftMs < idleMs
          ? apiError("invalid_request", "The body took too long to arrive: send less at once, or a batch.")
          : apiError("invalid_request", `Nothing more of the body arrived for ${idleMs / 1000} s.`),
      );
    timer = setTimeout(late, Math.max(0, Math.min(idleMs, leftMs)));
  });
  try {
    return (await Promise.race([reader.read(), over])).value;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw bodyBrokeOff();
  } finally {
    clearTimeout(timer);
  }
}

/** All else that the runtime throws for a body is about the connection: an invalid chunk size, a body cut short. */
export function bodyBrokeOff(): ApiError {
  return apiError("invalid_request", "The body broke off, or its framing (Content-Length, chunks) is wrong.");
}

/**
 * Whether the body is gzip. `mayInflate` false: this route takes no content encoding. Throws `unsupported_media_type`.
 */
export function isGzip(c: Context, mayInflate: boolean): boolean {
  const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return false;
  if (mayInflate && (encoding === "gzip" || encoding === "x-gzip")) return true;
  throw apiError(
    "unsupported_media_type",
    mayInflate
      ? "The content encoding must be gzip or none."
      : "This route takes no content encoding: send the body as it is.",
  );
}

/**
 * `bytes` inflated, all members of it (pigz and log shippers write several); undefined once that is more than
 * `bytesMax`, since a megabyte of gzip may hold a gigabyte. Not DecompressionStream: it inflates all that it is given
 * before it can be stopped, and reads only the first member. Throws `invalid_json`.
 */
export function inflate(bytes: Uint8Array, bytesMax: number): Uint8Array<ArrayBuffer> | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw notGzip();
  }
}

/** The same for a body that is not held: in pieces of some kilobytes, each inflated on demand. Throws ApiError. */
export async function* inflated(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  // An error on either side ends the loop below; leaving the loop ends the reading.
  pipeline(Readable.from(pieces), gunzip, () => undefined);
  try {
    let bytes = 0;
    for await (const piece of gunzip) {
      yield piece;
      bytes += piece.length;
      if (bytes < TURN_SIZE) continue;
      // Bytes in memory come without a pause, and would keep the isolate's other requests waiting.
      bytes = 0;
      await scheduler.wait(0);
    }
  } catch (error) {
    throw error instanceof ApiError ? error : notGzip();
  }
}

function notGzip(): ApiError {
  return apiError("invalid_json", "The body is not valid gzip.");
}
