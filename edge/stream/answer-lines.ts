// The lines of a stream's answer, written into one buffer: a piece is used up before the next is made, so that a slow
// reader holds one piece.

import { vectorTextBytesMax, writeBase64, writeNumbers } from "../answer/embedding-text.ts";
import { CHUNK_BYTES } from "../answer/embeddings-body.ts";
import { isFailed } from "../embedding/types.ts";
import { errorObject } from "../../shared/errors.ts";
import { cutVector, quantise } from "../../shared/vectors.ts";
import type { OutputVector } from "../../shared/vectors.ts";
import type { AnsweredFrame, AnsweredLine } from "./frame-call.ts";
import type { Output } from "./stream-terms.ts";

/** The most bytes of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;

const encoder = new TextEncoder();

/** The lines of `frame` in pieces of about CHUNK_BYTES; each is a view of one buffer. */
export function* answerLines({ lines, result }: AnsweredFrame, output: Output): Generator<Uint8Array> {
  const vectorBytes = vectorTextBytesMax(result.dimensions, output.dtype, output.encoding);
  let buffer = new Uint8Array(CHUNK_BYTES + vectorBytes);
  let end = 0;
  let scratch = new Float32Array(0);
  for (const answered of lines) {
    const { head, vector, tail } = textOf(answered);
    const bytesMax = vectorBytes + (head.length + tail.length) * UTF8_BYTES_MAX;
    if (end + bytesMax > buffer.length) {
      if (end > 0) yield buffer.subarray(0, end);
      end = 0;
      // A line with long words of its own.
      if (bytesMax > buffer.length) buffer = new Uint8Array(bytesMax);
    }
    end += encoder.encodeInto(head, buffer.subarray(end)).written;
    if (vector !== undefined) {
      const dimensions = answered.line.dimensions ?? output.dimensions ?? vector.length;
      // Used by one vector after another: a new one for each is most of the garbage.
      if (scratch.length !== dimensions) scratch = new Float32Array(dimensions);
      end = writeVector(quantise(cutVector(vector, dimensions, scratch), output.dtype), output, buffer, end);
    }
    end += encoder.encodeInto(tail, buffer.subarray(end)).written;
  }
  if (end > 0) yield buffer.subarray(0, end);
}

/** A line of its own. */
export function jsonLine(value: object): Uint8Array {
  return encoder.encode(`${JSON.stringify(value)}\n`);
}

interface LineText {
  readonly head: string;
  readonly vector: Uint16Array | undefined;
  readonly tail: string;
}

function textOf({ line: { index, id }, result }: AnsweredLine): LineText {
  const name = id === undefined ? "" : `"id":${JSON.stringify(id)},`;
  const head = `{"index":${index},${name}`;
  if (isFailed(result)) {
    const error = JSON.stringify(errorObject(result.fault));
    return { head: `${head}"error":${error},"tokens":0}\n`, vector: undefined, tail: "" };
  }
  return { head: `${head}"embedding":`, vector: result.vector, tail: `,"tokens":${result.tokens}}\n` };
}

function writeVector(vector: OutputVector, { encoding }: Output, buffer: Uint8Array, offset: number): number {
  return encoding === "base64"
    ? writeBase64(vector, buffer, offset, (bytes) => bytes.toBase64())
    : writeNumbers(vector, buffer, offset);
}
