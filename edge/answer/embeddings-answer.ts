// The answer of `POST /v1/embeddings`, written vector by vector: 2,048 × 2,560 floats are 70 to 110 MB of JSON and an
// isolate has 128 MB, so the whole text never exists. Each vector is cut, normalised and encoded when its turn comes;
// each write is awaited, so that a slow reader holds back the work and one that has gone ends it.

import type { Context } from "../context.ts";
import type { UsageAnswer } from "../usage-answer.ts";
import { FLOAT_TEXT_BYTES_MAX, writeFloatText } from "../../shared/float-text.ts";
import type { OutputDtype, OutputVector } from "../../shared/vectors.ts";
import { cutVector, dotProduct, quantise, vectorBytes } from "../../shared/vectors.ts";
import { encodeBase64 } from "./base64.ts";

export interface EmbeddingsAnswer {
  /** Canonical vectors in the order of the request. */
  readonly vectors: readonly Uint16Array[];
  readonly dimensions: number;
  readonly dtype: OutputDtype;
  readonly encoding: "float" | "base64";
  /** Full model id. */
  readonly model: string;
  readonly usage: UsageAnswer;
  /** Whether vectors 2i and 2i + 1 are pairs: the answer then carries their similarities. */
  readonly pairs: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** Text is handed on in pieces of about this size. */
const CHUNK_BYTES = 64 * 1024;
const CONTENT_TYPE = "application/json; charset=utf-8";
const encoder = new TextEncoder();

/** Status and headers now, the body as it is read. A body of one piece goes out with its length. */
export function embeddingsAnswer(c: Context, answer: EmbeddingsAnswer): Response {
  for (const [name, value] of Object.entries(answer.headers)) c.header(name, value);
  c.header("content-type", CONTENT_TYPE);
  const chunks = answerChunks(answer);
  const first = chunks.next();
  const second = chunks.next();
  if (first.done === true || second.done === true) return c.body(first.value ?? new Uint8Array());
  const { readable, writable } = new IdentityTransformStream();
  void write(writable.getWriter(), [first.value, second.value], chunks);
  return c.body(readable);
}

async function write(
  writer: WritableStreamDefaultWriter<Uint8Array>,
  begun: readonly Uint8Array[],
  rest: Iterable<Uint8Array>,
): Promise<void> {
  try {
    for (const chunk of begun) await writer.write(chunk);
    for (const chunk of rest) await writer.write(chunk);
    await writer.close();
  } catch {
    // The client has gone after the charge: nobody is left to tell, and nothing more is computed.
    await writer.abort().catch(() => undefined);
  }
}

/** The answer's bytes in pieces of at least CHUNK_BYTES, the last one shorter. */
function* answerChunks(answer: EmbeddingsAnswer): Generator<Uint8Array<ArrayBuffer>, undefined> {
  const buffer = new ByteBuffer();
  const similarities: number[] = [];
  let even: Float32Array | undefined;
  buffer.text('{"object":"list","data":[');
  for (const [index, canonical] of answer.vectors.entries()) {
    const values = cutVector(canonical, answer.dimensions);
    if (answer.pairs) {
      if (even === undefined) even = values;
      else {
        similarities.push(dotProduct(even, values));
        even = undefined;
      }
    }
    buffer.text(`${index === 0 ? "" : ","}{"object":"embedding","index":${index},"embedding":`);
    writeVector(buffer, quantise(values, answer.dtype), answer.encoding);
    buffer.text("}");
    if (buffer.length >= CHUNK_BYTES) yield buffer.take();
  }
  const pairs = answer.pairs ? `"similarities":${JSON.stringify(similarities)},` : "";
  buffer.text(`],${pairs}"model":${JSON.stringify(answer.model)},"usage":${JSON.stringify(answer.usage)}}`);
  yield buffer.take();
  return undefined;
}

function writeVector(buffer: ByteBuffer, vector: OutputVector, encoding: "float" | "base64"): void {
  if (encoding === "base64") buffer.text(`"${encodeBase64(vectorBytes(vector))}"`);
  else if (vector instanceof Float32Array) buffer.floats(vector);
  else buffer.text(`[${vector.join(",")}]`);
}

/** Bytes that grow at the end and are handed on from the start. */
class ByteBuffer {
  #bytes = new Uint8Array(CHUNK_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** ASCII and other text. */
  text(text: string): void {
    this.#reserve(text.length * 3);
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  /** `[0.1,-0.2,…]` in the shortest digits that read back to the same float32. */
  floats(values: Float32Array): void {
    this.#reserve(values.length * (FLOAT_TEXT_BYTES_MAX + 1) + 2);
    const bytes = this.#bytes;
    let offset = this.#length;
    bytes[offset++] = 0x5b;
    for (let index = 0; index < values.length; index += 1) {
      if (index > 0) bytes[offset++] = 0x2c;
      offset = writeFloatText(values[index] ?? 0, bytes, offset);
    }
    bytes[offset++] = 0x5d;
    this.#length = offset;
  }

  /** What was written; the buffer begins anew. A stream may keep what it is given, so it is a copy. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
