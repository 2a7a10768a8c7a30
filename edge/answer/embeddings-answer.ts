// The answer of `POST /v1/embeddings`: status and headers now, the body as it is read. Each write is awaited, so that a
// slow reader holds back the work and one that has gone ends it.

import type { Context } from "../context.ts";
import { encodeBase64 } from "./base64.ts";
import type { EmbeddingsBody } from "./embeddings-body.ts";
import { CHUNK_BYTES, bodyBytes, bodyBytesMax, writeBody } from "./embeddings-body.ts";

export interface EmbeddingsAnswer extends EmbeddingsBody {
  readonly headers: Readonly<Record<string, string>>;
}

/** A small body goes out whole, a large one as a stream, with its length where that is known before it is written. */
export function embeddingsAnswer(c: Context, answer: EmbeddingsAnswer): Response {
  for (const [name, value] of Object.entries(answer.headers)) c.header(name, value);
  c.header("content-type", "application/json; charset=utf-8");
  const pieces = writeBody(answer, encodeBase64);
  if (bodyBytesMax(answer) <= CHUNK_BYTES) return c.body(joined(pieces));
  const length = bodyBytes(answer);
  const { readable, writable } = length === undefined ? new IdentityTransformStream() : new FixedLengthStream(length);
  void writeAll(writable.getWriter(), pieces);
  return c.body(readable);
}

async function writeAll(writer: WritableStreamDefaultWriter<Uint8Array>, pieces: Iterable<Uint8Array>): Promise<void> {
  try {
    for (const piece of pieces) await writer.write(piece);
    await writer.close();
  } catch (error) {
    // The client has gone after the charge: nobody is left to tell, and nothing more is computed.
    await writer.abort(error).catch(() => undefined);
  }
}

function joined(pieces: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  const copies = Array.from(pieces, (piece) => piece.slice());
  const bytes = new Uint8Array(copies.reduce((sum, copy) => sum + copy.length, 0));
  let offset = 0;
  for (const copy of copies) {
    bytes.set(copy, offset);
    offset += copy.length;
  }
  return bytes;
}
