// Reads CSV and TSV with a row of names first, by csv-parse. A row with a different number of cells is a bad row. A
// broken quote ends the reading, because the next row's beginning is unknown.

import { pipeline } from "node:stream";
import type { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import type { BadRow, Fields, Row } from "./row.ts";
import { CorpusError, rowOf } from "./row.ts";

const RECORD_BYTES_MAX = 32 * 1024 * 1024;
/** Rows that are passed on together. */
const ROWS = 1024;

export async function* csvRows(
  open: () => Readable,
  delimiter: "," | "\t",
  name: string,
  fields: Fields,
): AsyncGenerator<readonly (Row | BadRow)[]> {
  const parser = parse({
    delimiter,
    // Cells stay bytes: csv-parse would silently replace what is not UTF-8. (Its `bom` option would make strings of
    // them.)
    encoding: null,
    info: true,
    max_record_size: RECORD_BYTES_MAX,
    relax_column_count: true,
    skip_empty_lines: true,
  });
  // The parser passes an error of the source on to the loop below.
  pipeline(open(), withoutMark, parser, () => undefined);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let names: readonly string[] | undefined;
  let rows: (Row | BadRow)[] = [];
  let row = 0;
  try {
    const records: AsyncIterable<{ record: readonly Buffer[]; info: { lines: number } }> = parser;
    for await (const { record, info } of records) {
      if (names === undefined) {
        names = namesOf(record, name, fields);
        continue;
      }
      rows.push(read(record, names, decoder, { row, line: info.lines }, fields));
      row += 1;
      if (rows.length === ROWS) {
        yield rows;
        rows = [];
      }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new CorpusError(`${name}: ${error.message}. Quotes within a quoted cell are written twice ("").`);
  }
  yield rows;
}

const MARK = Buffer.from("\u{feff}");

/** The bytes without the byte order mark that Excel writes before UTF-8. */
async function* withoutMark(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const piece of bytes) {
    yield isFirst && piece.subarray(0, MARK.length).equals(MARK) ? piece.subarray(MARK.length) : piece;
    isFirst = false;
  }
}

function namesOf(record: readonly Buffer[], name: string, fields: Fields): readonly string[] {
  const names = record.map((cell) => cell.toString());
  for (const [field, option] of [
    [fields.text, "--field"],
    ...(fields.id === undefined ? [] : [[fields.id, "--id"] as const]),
  ] as const) {
    if (names.includes(field)) continue;
    const there = names.map((cell) => JSON.stringify(cell)).join(", ");
    throw new CorpusError(`${name}:1: there is no column "${field}" (${there}): name the right one with ${option}.`);
  }
  return names;
}

function read(
  record: readonly Buffer[],
  names: readonly string[],
  decoder: TextDecoder,
  at: { row: number; line: number },
  fields: Fields,
): Row | BadRow {
  if (record.length !== names.length) {
    const reason = `it has ${record.length} cells, the first row has ${names.length}: quote cells with separators`;
    return { kind: "bad", ...at, reason };
  }
  const cells: [string, string][] = [];
  try {
    for (const [index, name] of names.entries()) {
      if (name !== fields.text && name !== (fields.id ?? "id")) continue;
      cells.push([name, decoder.decode(record[index])]);
    }
  } catch {
    return { kind: "bad", ...at, reason: "it is not UTF-8: save the file as UTF-8" };
  }
  return rowOf(Object.fromEntries(cells), at, fields);
}
