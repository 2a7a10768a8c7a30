// Reads JSON Lines: an object or a string a line, in UTF-8. Lines are cut as bytes, because a decoder of the whole
// stream would silently replace what is not UTF-8. Blank lines are skipped.

import type { BadRow, Fields, Row } from "./row.ts";
import { rowOf } from "./row.ts";

/** A longer line cannot be a row: a text has at most 8 MB. */
const LINE_BYTES_MAX = 32 * 1024 * 1024;
const NEWLINE = 0x0a;

export async function* jsonlRows(
  open: () => AsyncIterable<Buffer>,
  fields: Fields,
): AsyncGenerator<readonly (Row | BadRow)[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let row = 0;
  let line = 0;
  for await (const lines of linesOf(open())) {
    const rows: (Row | BadRow)[] = [];
    for (const content of lines) {
      line += 1;
      const found = read(content, decoder, { row, line }, fields);
      if (found === undefined) continue;
      rows.push(found);
      row += 1;
    }
    yield rows;
  }
}

function read(
  content: Buffer | "too long",
  decoder: TextDecoder,
  at: { row: number; line: number },
  fields: Fields,
): Row | BadRow | undefined {
  const bad = (reason: string): BadRow => ({ kind: "bad", ...at, reason });
  if (content === "too long") return bad(`it is over ${LINE_BYTES_MAX} bytes: one JSON value must stand on each line`);
  let text;
  try {
    text = decoder.decode(content);
  } catch {
    return bad("it is not UTF-8: save the file as UTF-8");
  }
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return bad(`it is not JSON (${error instanceof Error ? error.message : "unreadable"}): one value on each line`);
  }
  return rowOf(value, at, fields);
}

/** The lines of each arriving piece, without their ends; for one that is too long, only that fact. */
async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<readonly (Buffer | "too long")[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  const whole = (last: Buffer): Buffer | "too long" => {
    const length = restBytes + last.length;
    const line = rest.length === 0 ? last : Buffer.concat([...rest, last]);
    rest = [];
    restBytes = 0;
    return length > LINE_BYTES_MAX ? "too long" : line;
  };
  for await (const piece of bytes) {
    const lines: (Buffer | "too long")[] = [];
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      lines.push(whole(piece.subarray(from, end)));
      from = end + 1;
    }
    restBytes += piece.length - from;
    if (restBytes > LINE_BYTES_MAX) rest = [];
    else if (from < piece.length) rest.push(piece.subarray(from));
    yield lines;
  }
  if (restBytes > 0) yield [whole(Buffer.alloc(0))];
}
