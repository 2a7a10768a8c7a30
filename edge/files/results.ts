// A batch's results as they are stored, and the lines that its owner reads. Canonical vectors are stored (5 KB for
// 2,560 dimensions; float text takes 30 KB and more). A line is written from them when it is read, by the code that
// writes live answers, so that both are the same to the last digit.
//
// A chunk is a sequence of entries: length of the facts (uint32, little-endian) ‖ bytes of vectors (uint32) ‖ facts
// (JSON) ‖ vectors (float16 bits, little-endian).

import { bodyBytes, writeBody } from "../answer/embeddings-body.ts";
import type { EmbeddingsBody } from "../answer/embeddings-body.ts";
import { assert } from "../../shared/assert.ts";

/** How the body of an answer is made from its entry. */
export type ResultBody =
  | (Omit<EmbeddingsBody, "vectors"> & { readonly kind: "embeddings" })
  | { readonly kind: "json"; readonly body: object };

/** One line of an output file. `vectors`: canonical, of equal length; none for `json`. */
export interface ResultLine {
  readonly id: string;
  readonly customId: string;
  readonly requestId: string;
  readonly body: ResultBody;
  readonly vectors: readonly Uint16Array[];
}

interface EntryFacts extends Omit<ResultLine, "vectors"> {
  readonly count: number;
}

const LENGTHS_BYTES = 8;
/** Small, because most lines have one vector. */
const PIECE_BYTES = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeResults(lines: readonly ResultLine[]): Uint8Array<ArrayBuffer> {
  const entries = lines.map(({ vectors, ...facts }) => {
    const entryFacts: EntryFacts = { ...facts, count: vectors.length };
    return { facts: encoder.encode(JSON.stringify(entryFacts)), vectors };
  });
  const size = entries.reduce((sum, { facts, vectors }) => sum + LENGTHS_BYTES + facts.length + bytesOf(vectors), 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const { facts, vectors } of entries) {
    view.setUint32(offset, facts.length, true);
    view.setUint32(offset + 4, bytesOf(vectors), true);
    bytes.set(facts, offset + LENGTHS_BYTES);
    offset += LENGTHS_BYTES + facts.length;
    for (const vector of vectors) {
      bytes.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), offset);
      offset += vector.byteLength;
    }
  }
  return bytes;
}

export function* decodeResults(bytes: Uint8Array<ArrayBuffer>): Generator<ResultLine> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < bytes.length;) {
    const factsEnd = offset + LENGTHS_BYTES + view.getUint32(offset, true);
    const end = factsEnd + view.getUint32(offset + 4, true);
    const { count, ...facts }: EntryFacts = JSON.parse(
      decoder.decode(bytes.subarray(offset + LENGTHS_BYTES, factsEnd)),
    );
    // Copied, because an entry may begin at an odd byte.
    const values = new Uint16Array(bytes.slice(factsEnd, end).buffer);
    const length = count === 0 ? 0 : values.length / count;
    assert(Number.isInteger(length), "the vectors of an entry have one length");
    const vectors = Array.from({ length: count }, (_, index) => values.subarray(index * length, (index + 1) * length));
    yield { ...facts, vectors };
    offset = end;
  }
}

/** One line of the output file in OpenAI's format, in pieces: each is valid until the next is read. */
export function* writeResultLine(line: ResultLine): Generator<Uint8Array> {
  const { head, tail } = frameOf(line);
  yield encoder.encode(head);
  if (line.body.kind === "json") yield encoder.encode(JSON.stringify(line.body.body));
  else yield* writeBody(embeddingsBody(line, line.body), toBase64, PIECE_BYTES);
  yield encoder.encode(tail);
}

/** The exact length in bytes of what `writeResultLine` writes. */
export function resultLineBytes(line: ResultLine): number {
  const exact = line.body.kind === "embeddings" ? bodyBytes(embeddingsBody(line, line.body)) : undefined;
  if (exact !== undefined) {
    const { head, tail } = frameOf(line);
    return encoder.encode(head).length + exact + tail.length;
  }
  let bytes = 0;
  for (const piece of writeResultLine(line)) bytes += piece.length;
  return bytes;
}

function frameOf({ id, customId, requestId }: ResultLine): { head: string; tail: string } {
  const head = `{"id":${JSON.stringify(id)},"custom_id":${JSON.stringify(customId)},"response":{"status_code":200,"request_id":${JSON.stringify(requestId)},"body":`;
  return { head, tail: '},"error":null}\n' };
}

function embeddingsBody(line: ResultLine, body: Extract<ResultBody, { kind: "embeddings" }>): EmbeddingsBody {
  return { ...body, vectors: line.vectors };
}

function bytesOf(vectors: readonly Uint16Array[]): number {
  return vectors.reduce((sum, vector) => sum + vector.byteLength, 0);
}

function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}
