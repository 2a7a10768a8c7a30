// The answer of `POST /v1/embeddings`. A short one is written in one piece. A long one is streamed through a native
// identity stream, and each write is awaited: that takes half the CPU of a JavaScript ReadableStream (measured), holds
// one chunk however slow the reader is, and stops when the client leaves.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import type { EmbeddingsBody } from "./embeddings-body.ts";
import { CHUNK_BYTES, bodyBytes, bodyBytesMax, wholeBody, writeBody } from "./embeddings-body.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";

/** The response, with all of `headers`: its body is written as the client reads it. */
export function embeddingsAnswer(c: Context, body: EmbeddingsBody, headers: Record<string, string>): Response {
  headers["content-type"] = "application/json; charset=utf-8";
  // Made directly: `c.body()` would set each header one by one and copy them.
  return new Response(embeddingsContent(body, waitUntilOf(c), c.get("memory")), { headers });
}

/**
 * The body. A stream's writer runs under `waitUntil`; it releases `memory` after the last byte or when the client
 * leaves.
 */
export function embeddingsContent(
  answer: EmbeddingsBody,
  waitUntil: (work: Promise<unknown>) => void,
  memory?: MemoryLease,
): string | ReadableStream<Uint8Array> {
  if (bodyBytesMax(answer) <= CHUNK_BYTES) return wholeBody(answer, toBase64);
  // A known length becomes Content-Length.
  return streamOf(writeBody(answer, toBase64), bodyBytes(answer), waitUntil, memory);
}

/** A stream of `pieces`, each used up before the next is asked for. `bytes`: of all, where it is known. */
export function streamOf(
  pieces: Iterable<Uint8Array>,
  bytes: number | undefined,
  waitUntil: (work: Promise<unknown>) => void,
  memory: MemoryLease | undefined,
): ReadableStream<Uint8Array> {
  const { readable, writable } = bytes === undefined ? new IdentityTransformStream() : new FixedLengthStream(bytes);
  if (memory !== undefined) memory.isStreaming = true;
  waitUntil(writeAll(pieces, writable, memory));
  return readable;
}

async function writeAll(
  pieces: Iterable<Uint8Array>,
  writable: WritableStream<Uint8Array>,
  memory: MemoryLease | undefined,
): Promise<void> {
  const writer = writable.getWriter();
  try {
    for (const piece of pieces) {
      await writer.write(piece);
      memory?.touch();
    }
    await writer.close();
  } catch (error) {
    // The client has left after the charge: nothing more is written.
    await writer.abort(error).catch(() => undefined);
  } finally {
    memory?.release();
  }
}

export function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}
