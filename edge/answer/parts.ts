// An answer with vectors in another form than OpenAI's: texts and vectors in turn, each written as JSON behind the one
// before. A short one is written in one piece, a long one is streamed, as in embeddings-answer.ts.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import type { Encoding } from "./embedding-text.ts";
import { vectorTextBytesMax, writeBase64, writeNumbers } from "./embedding-text.ts";
import { streamOf, toBase64 } from "./embeddings-answer.ts";
import { CHUNK_BYTES } from "./embeddings-body.ts";
import type { OutputDtype } from "../../shared/vectors.ts";
import { cutVector, quantise } from "../../shared/vectors.ts";

/** Text as it stands, or one vector. */
export type Part = string | VectorPart;

export interface VectorPart {
  /** Canonical: float16 bits [native dimensions]. */
  readonly vector: Uint16Array;
  /** 1..native; divisible by 8 for the binary types. */
  readonly dimensions: number;
  readonly dtype: OutputDtype;
  readonly encoding: Encoding;
}

/** The most bytes of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Used by one short answer after another. */
const shared = new ArrayBuffer(CHUNK_BYTES);

/** The response of all `parts`. */
export function partsAnswer(c: Context, parts: readonly Part[], headers: Readonly<Record<string, string>>): Response {
  const isShort = parts.reduce((sum, part) => sum + partBytesMax(part), 0) <= CHUNK_BYTES;
  const content = isShort
    ? Array.from(writeParts(parts, new Uint8Array(shared)), (piece) => decoder.decode(piece)).join("")
    : streamOf(writeParts(parts, new Uint8Array(CHUNK_BYTES)), undefined, waitUntilOf(c), c.get("memory"));
  return new Response(content, { headers: { ...headers, "content-type": "application/json; charset=utf-8" } });
}

function partBytesMax(part: Part): number {
  if (typeof part === "string") return part.length * UTF8_BYTES_MAX;
  return vectorTextBytesMax(part.dimensions, part.dtype, part.encoding);
}

/** The text in pieces; each is a view of `buffer`: use it up before asking for the next. A vector's text fits into it. */
export function* writeParts(
  parts: Iterable<Part>,
  buffer: Uint8Array<ArrayBuffer>,
): Generator<Uint8Array<ArrayBuffer>> {
  let end = 0;
  let scratch = new Float32Array();
  for (const part of parts) {
    if (typeof part === "string") {
      let rest = part;
      for (;;) {
        const { read, written } = encoder.encodeInto(rest, buffer.subarray(end));
        end += written;
        rest = rest.slice(read);
        if (rest === "") break;
        yield buffer.subarray(0, end);
        end = 0;
      }
      continue;
    }
    if (end + partBytesMax(part) > buffer.length) {
      yield buffer.subarray(0, end);
      end = 0;
    }
    if (scratch.length !== part.dimensions) scratch = new Float32Array(part.dimensions);
    const output = quantise(cutVector(part.vector, part.dimensions, scratch), part.dtype);
    end = part.encoding === "base64" ? writeBase64(output, buffer, end, toBase64) : writeNumbers(output, buffer, end);
  }
  if (end > 0) yield buffer.subarray(0, end);
}
