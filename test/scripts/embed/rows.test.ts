// What a corpus's file may be: each kind with the same rows, and every fault with its place and its cure.

import { writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { parquetWriteFile } from "hyparquet-writer";
import { afterAll, describe, expect, test } from "vitest";
import { jsonlRows } from "../../../scripts/embed/rows/jsonl.ts";
import { openCorpus } from "../../../scripts/embed/rows/open-corpus.ts";
import type { BadRow, Fields, Row } from "../../../scripts/embed/rows/row.ts";
import { TestJob } from "./job.ts";

const job = new TestJob("");
afterAll(() => job.remove());
const TEXT: Fields = { text: "text", id: undefined };

async function all(rows: AsyncIterable<readonly (Row | BadRow)[]>): Promise<(Row | BadRow)[]> {
  const found: (Row | BadRow)[] = [];
  for await (const some of rows) found.push(...some);
  return found;
}
/** [line, id, text] of a row, [line, reason] of a bad one. */
async function read(name: string, content: string | Uint8Array | undefined, fields: Fields = TEXT) {
  const path = job.path(name);
  if (content !== undefined) writeFileSync(path, content);
  const rows = await all(openCorpus(path, fields).rows());
  return rows.map((row) => (row.kind === "row" ? [row.line, row.id, row.text] : [row.line, row.reason]));
}

describe("the same rows", () => {
  const rows = [
    [1, "a", "first"],
    [2, "b", 'with "quotes", commas\nand a line'],
    [3, "c", "größer – 日本 🎉"],
  ] as const;
  const jsonl = rows.map(([, id, text]) => JSON.stringify({ other: 1, id, text })).join("\n");
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const table = (separator: string) =>
    ["id", "other", "text"].join(separator) +
    rows.map(([, id, text]) => `\r\n${[id, "x", quoted(text)].join(separator)}`).join("");

  test.each([
    ["a.jsonl", jsonl],
    ["a.ndjson", `\u{feff}${jsonl}\n\n`],
    ["a.jsonl.gz", gzipSync(jsonl)],
    ["A.JSONL", jsonl.replaceAll("\n", "\r\n")],
  ])("of %s", async (name, content) => {
    expect(await read(name, content)).toEqual(rows);
  });

  test.each([
    ["a.csv", table(",")],
    ["a.tsv", `\u{feff}${table("\t")}\r\n`],
    ["a.csv.gz", gzipSync(table(","))],
  ])("of %s, whose lines are where a row ends", async (name, content) => {
    expect(await read(name, content)).toEqual([
      [2, ...rows[0].slice(1)],
      [4, ...rows[1].slice(1)],
      [5, ...rows[2].slice(1)],
    ]);
  });

  test("of Parquet, row group by row group", async () => {
    parquetWriteFile({
      filename: job.path("a.parquet"),
      columnData: [
        { name: "id", data: rows.map(([, id]) => id) },
        { name: "other", data: [1, 2, 3] },
        { name: "text", data: rows.map(([, , text]) => text) },
      ],
      rowGroupSize: 2,
    });
    expect(await read("a.parquet", undefined)).toEqual(rows);
  });

  test("of Parquet keep a 64-bit id", async () => {
    const id = 1_234_567_890_123_456_789n;
    parquetWriteFile({
      filename: job.path("b.parquet"),
      columnData: [
        { name: "key", data: [id] },
        { name: "text", data: ["a"] },
      ],
    });
    expect(await read("b.parquet", undefined, { text: "text", id: "key" })).toEqual([[1, id, "a"]]);
  });
});

test("JSON Lines are the same wherever the bytes are cut", async () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(text), fc.array(fc.nat(200)), async (texts, cuts) => {
      const bytes = Buffer.from(texts.map((value) => `${JSON.stringify(value)}\n`).join(""));
      const pieces: Buffer[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const end = at + 1 + (cuts[turn] ?? 7);
        pieces.push(bytes.subarray(at, end));
        at = end;
      }
      const rows = await all(jsonlRows(() => Readable.from(pieces), TEXT));
      expect(rows.map((row) => (row.kind === "row" ? row.text : row.reason))).toEqual(texts);
      expect(rows.map(({ line }) => line)).toEqual(texts.map((_, index) => index + 1));
    }),
  );
});

describe("a bad row", () => {
  test("of JSON Lines says what is wrong with it, and the others are read", async () => {
    const lines = [
      '{"text": "good", "id": 7}',
      '{"text": "broken',
      "",
      "[1]",
      '{"body": "x"}',
      '{"text": 5}',
      '{"text": ""}',
      '{"text": "x", "id": 1234567890123456789}',
      '{"text": "x", "id": [1]}',
      '"a bare string"',
    ];
    expect(await read("bad.jsonl", lines.join("\n"))).toEqual([
      [1, 7, "good"],
      [2, expect.stringContaining("not JSON")],
      [4, expect.stringContaining('an array: it must be a string, or an object with the field "text"')],
      [5, expect.stringContaining('there is no field "text" (it has "body"): name the one with the text with --field')],
      [6, expect.stringContaining("the number 5: it must be a string")],
      [7, expect.stringContaining("empty")],
      [8, expect.stringContaining("write a larger one as a string")],
      [9, expect.stringContaining("an array: it must be a string, or an integer")],
      [10, 8, "a bare string"],
    ]);
    expect(await read("bytes.jsonl", Buffer.from([0x22, 0xff, 0x22]))).toEqual([
      [1, expect.stringContaining("not UTF-8")],
    ]);
    expect(await read("named.jsonl", '{"text": "x"}', { text: "text", id: "key" })).toEqual([
      [1, expect.stringContaining('there is no field "key", which --id names')],
    ]);
  });

  test("of CSV has too few cells, or bytes that are no UTF-8", async () => {
    const latin = Buffer.concat([Buffer.from("id,text\n1,"), Buffer.from([0xe4]), Buffer.from("\n2\n3,good\n")]);
    expect(await read("bad.csv", latin)).toEqual([
      [2, expect.stringContaining("not UTF-8")],
      [3, expect.stringContaining("it has 1 cells, the first row has 2")],
      [4, "3", "good"],
    ]);
  });
});

test.each<[string, string | Uint8Array, RegExp]>([
  ["a.txt", "x", /must end in \.jsonl/],
  ["broken.csv", 'text\n"never closed\n', /broken\.csv: .*written twice/],
  ["columns.csv", "a,b\n1,2\n", /columns\.csv:1: there is no column "text" \("a", "b"\).*--field/],
  ["no.parquet", "not Parquet at all", /no\.parquet cannot be read as Parquet/],
  ["cut.jsonl.gz", gzipSync("x".repeat(10_000)).subarray(0, 30), /cut\.jsonl\.gz is damaged/],
])("the file %s cannot be read on, and says why", async (name, content, message) => {
  await expect(read(name, content)).rejects.toThrow(message);
});
