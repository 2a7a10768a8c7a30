// OpenAI's embeddings object, written in pieces, so that the whole JSON is never in memory. Every piece is written into
// the same buffer after the one before has been taken: a slow reader holds one chunk, and a client that leaves stops
// the work.

import { assert, must } from "../../shared/assert.ts";
import { cosine, cutVector, quantise, vectorBytes } from "../../shared/vectors.ts";
import type { ErrorObject } from "../../shared/errors.ts";
import type { OutputDtype } from "../../shared/vectors.ts";
import type { Encoding, ToBase64 } from "./embedding-text.ts";
import { base64TextBytes, vectorTextBytesMax, writeBase64, writeNumbers } from "./embedding-text.ts";

export interface EmbeddingsBody {
  /** Canonical vectors: float16 bits [native dimensions] each, in index order. */
  readonly vectors: readonly Uint16Array[];
  /** 1..native; divisible by 8 for the binary types. */
  readonly dimensions: number;
  readonly dtype: OutputDtype;
  readonly encoding: Encoding;
  /** Full id. */
  readonly model: string;
  readonly usage: object;
  /** Whether items 2i and 2i+1 are a pair, with their cosine in `similarities[i]`: null where one has no vector. */
  readonly pairs: boolean;
  /** The items that have no vector, in index order; `vectors` are those of the others. Absent: none. */
  readonly errors?: readonly ErrorItem[];
}

/** What stands in a list in the place of an item at fault. */
export interface ErrorItem {
  readonly object: "error";
  readonly index: number;
  readonly error: ErrorObject;
}

/** A piece is about this large: each write costs the runtime a turn, each open answer holds one piece. */
export const CHUNK_BYTES = 128 * 1024;
/** `,{"object":"embedding","index":2047,"embedding":` and `}`. */
const ITEM_FRAME_BYTES_MAX = 64;
/** What stands behind the last vector, without the model's name and similarities: `usage` has six numbers. */
const TAIL_LENGTH_MAX = 512;
/** `\u0000`: what a character can become in JSON. */
const JSON_FACTOR_MAX = 6;
/** The most bytes of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;
const HEAD = '{"object":"list","data":[';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An upper bound of the whole text's bytes. */
export function bodyBytesMax(body: EmbeddingsBody): number {
  const each = vectorTextBytesMax(body.dimensions, body.dtype, body.encoding) + ITEM_FRAME_BYTES_MAX;
  const { vectors, errors = [] } = body;
  const tail = TAIL_LENGTH_MAX + JSON_FACTOR_MAX * body.model.length;
  const texts = errors.reduce((sum, item) => sum + errorText(item, body.encoding).length, tail);
  return (
    HEAD.length +
    vectors.length * each +
    texts * UTF8_BYTES_MAX +
    (body.pairs ? (vectors.length + errors.length) * 12 : 0)
  );
}

/** The exact bytes of the whole text; undefined where only writing it tells. */
export function bodyBytes(body: EmbeddingsBody): number | undefined {
  if (body.encoding !== "base64" || body.pairs) return undefined;
  // Fails here, before the first byte is sent, and not while the answer is written.
  for (const vector of body.vectors) {
    assert(body.dimensions >= 1 && body.dimensions <= vector.length, "dimensions are checked before the cut");
  }
  const each = base64TextBytes(body.dimensions, body.dtype) + 1;
  const items = placesOf(body).reduce(
    (sum, place, index) =>
      sum + (isVector(place) ? itemHead(index).length + each : encoder.encode(errorText(place, body.encoding)).length),
    0,
  );
  return HEAD.length + items + encoder.encode(tailOf(body, [])).length;
}

/** Used by one short answer after another: a new buffer for each would cost more than its string. */
const shared = new ArrayBuffer(2 * CHUNK_BYTES);

/** The whole text, of at most CHUNK_BYTES. */
export function wholeBody(body: EmbeddingsBody, toBase64: ToBase64): string {
  if (body.encoding === "base64" && !body.pairs) return wholeBase64(body, toBase64);
  const [whole] = writeInto(body, toBase64, new Uint8Array(shared), Infinity);
  return decoder.decode(must(whole, "a text that may be one piece is one"));
}

function wholeBase64(body: EmbeddingsBody, toBase64: ToBase64): string {
  const { dimensions, dtype } = body;
  const scratch = new Float32Array(shared, 0, dimensions);
  let text = HEAD;
  for (const [index, place] of placesOf(body).entries()) {
    if (!isVector(place)) {
      text += errorText(place, "base64");
      continue;
    }
    const output = quantise(cutVector(place, dimensions, scratch), dtype);
    text += `${itemHead(index)}"${toBase64(vectorBytes(output))}"}`;
  }
  return text + tailOf(body, []);
}

/**
 * The text in pieces of about CHUNK_BYTES. Each piece is a view of one buffer: use it up before asking for the next.
 */
export function writeBody(body: EmbeddingsBody, toBase64: ToBase64, chunkBytes: number = CHUNK_BYTES) {
  const { dimensions, dtype, encoding } = body;
  const itemBytesMax = vectorTextBytesMax(dimensions, dtype, encoding) + ITEM_FRAME_BYTES_MAX;
  // A short answer takes less than a chunk.
  const bytes = Math.min(chunkBytes, bodyBytesMax(body)) + itemBytesMax;
  return writeInto(body, toBase64, new Uint8Array(bytes), chunkBytes);
}

/** `buffer` holds `chunkBytes` and one more vector's text, or the whole answer. */
function* writeInto(
  body: EmbeddingsBody,
  toBase64: ToBase64,
  buffer: Uint8Array<ArrayBuffer>,
  chunkBytes: number,
): Generator<Uint8Array<ArrayBuffer>> {
  const { dimensions, dtype, encoding } = body;
  const scratch = new Float32Array(dimensions);
  const similarities: (number | null)[] = [];
  let previous: Float32Array | undefined;
  let end = writeUtf8(HEAD, buffer, 0);
  for (const [index, place] of placesOf(body).entries()) {
    const cut = isVector(place) ? cutVector(place, dimensions, body.pairs ? undefined : scratch) : undefined;
    if (cut !== undefined) {
      end = writeUtf8(itemHead(index), buffer, end);
      const output = quantise(cut, dtype);
      end = encoding === "base64" ? writeBase64(output, buffer, end, toBase64) : writeNumbers(output, buffer, end);
      buffer[end++] = 0x7d;
    } else if (!isVector(place)) end = yield* writeText(errorText(place, encoding), buffer, end);
    if (body.pairs && index % 2 === 1) {
      similarities.push(previous === undefined || cut === undefined ? null : cosine(previous, cut));
    }
    previous = cut;
    if (end < chunkBytes) continue;
    yield buffer.subarray(0, end);
    end = 0;
  }
  end = yield* writeText(tailOf(body, similarities), buffer, end);
  if (end > 0) yield buffer.subarray(0, end);
}

/** Writes text of any length behind `end`, after a piece where it does not fit, or as a piece of its own. */
function* writeText(
  text: string,
  buffer: Uint8Array<ArrayBuffer>,
  end: number,
): Generator<Uint8Array<ArrayBuffer>, number> {
  const bytesMax = text.length * UTF8_BYTES_MAX;
  if (end + bytesMax <= buffer.length) return writeUtf8(text, buffer, end);
  if (end > 0) yield buffer.subarray(0, end);
  if (bytesMax <= buffer.length) return writeUtf8(text, buffer, 0);
  yield new Uint8Array(encoder.encode(text));
  return 0;
}

/** What stands at each place of `data`. */
function placesOf({ vectors, errors = [] }: EmbeddingsBody): readonly (Uint16Array | ErrorItem)[] {
  if (errors.length === 0) return vectors;
  const byIndex = new Map(errors.map((item) => [item.index, item]));
  let next = 0;
  return Array.from({ length: vectors.length + errors.length }, (_, index) => {
    const item = byIndex.get(index);
    return item ?? must(vectors[next++], "an item that is no error has a vector");
  });
}

function isVector(place: Uint16Array | ErrorItem): place is Uint16Array {
  return place instanceof Uint16Array;
}

/** With an empty vector of the encoding beside it: OpenAI's SDKs decode `embedding` of every item. */
function errorText({ index, error }: ErrorItem, encoding: Encoding): string {
  const embedding = encoding === "base64" ? '""' : "[]";
  const comma = index === 0 ? "" : ",";
  return `${comma}{"object":"error","index":${index},"embedding":${embedding},"error":${JSON.stringify(error)}}`;
}

function itemHead(index: number): string {
  return `${index === 0 ? "" : ","}{"object":"embedding","index":${index},"embedding":`;
}

function tailOf(body: EmbeddingsBody, similarities: readonly (number | null)[]): string {
  const pairs = body.pairs ? `,"similarities":${JSON.stringify(similarities)}` : "";
  return `]${pairs},"model":${JSON.stringify(body.model)},"usage":${JSON.stringify(body.usage)}}`;
}

function writeUtf8(text: string, target: Uint8Array, offset: number): number {
  return offset + encoder.encodeInto(text, target.subarray(offset)).written;
}
