// The lines of a stream's answer, written into one buffer: a piece is used up before the next is made, so that a slow
// reader holds one piece.

import { CHUNK_BYTES } from "../answer/embeddings-body.ts";
import { writeParts } from "../answer/parts.ts";
import type { Part } from "../answer/parts.ts";
import { isFailed } from "../embedding/types.ts";
import { errorObject } from "../../shared/errors.ts";
import type { AnsweredFrame } from "./frame-call.ts";
import type { Output } from "./stream-terms.ts";

const encoder = new TextEncoder();

/** The lines of `frame` in pieces of at most CHUNK_BYTES; each is a view of one buffer. */
export function answerLines(frame: AnsweredFrame, output: Output): Generator<Uint8Array> {
  return writeParts(partsOf(frame, output), new Uint8Array(CHUNK_BYTES));
}

/** A line of its own. */
export function jsonLine(value: object): Uint8Array {
  return encoder.encode(`${JSON.stringify(value)}\n`);
}

function* partsOf({ lines }: AnsweredFrame, { dimensions, dtype, encoding }: Output): Generator<Part> {
  for (const { line, result } of lines) {
    const name = line.id === undefined ? "" : `"id":${JSON.stringify(line.id)},`;
    const head = `{"index":${line.index},${name}`;
    if (isFailed(result)) {
      yield `${head}"error":${JSON.stringify(errorObject(result.fault))},"tokens":0}\n`;
      continue;
    }
    const { vector, tokens } = result;
    yield `${head}"embedding":`;
    yield { vector, dimensions: line.dimensions ?? dimensions ?? vector.length, dtype, encoding };
    yield `,"tokens":${tokens}}\n`;
  }
}
