// The lines of a file, however it is cut into chunks, read from any position.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { InputReader, START } from "../../../edge/batch/input-lines.ts";
import type { InputLine } from "../../../edge/batch/input-lines.ts";
import type { ChunkStore } from "../../../edge/files/chunk-store.ts";
import { newId } from "../../../shared/ids.ts";

const encoder = new TextEncoder();

function readerOf(bytes: Uint8Array, size: number): InputReader {
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => ({
    name: `${index}`,
    bytes: Math.min(size, bytes.length - index * size),
  }));
  const store = {
    read: (_: unknown, { name }: { name: string }) =>
      Promise.resolve(bytes.slice(Number(name) * size, (Number(name) + 1) * size)),
  } as unknown as ChunkStore;
  return new InputReader(store, { accountId: newId("account"), fileId: newId("file") }, { format: "lines", chunks });
}

async function read(reader: InputReader, from = START): Promise<InputLine[]> {
  const lines: InputLine[] = [];
  for await (const line of reader.lines(from)) lines.push(line);
  return lines;
}

test("every non-blank line is read once, with its number, from any chunks; reading on from any line gives the rest", async () => {
  const text = fc
    .array(fc.constantFrom("a", "é", "🙂", "\n", "\r\n", " ", "\t", "{}"), { maxLength: 60, size: "max" })
    .map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (content, size) => {
      const expected = content
        .split("\n")
        .flatMap((line, index) => (line.trim() === "" ? [] : [{ line: index + 1, text: line }]));
      const reader = readerOf(encoder.encode(content), size);
      const lines = await read(reader);
      expect(lines.map(({ line, text: own }) => ({ line, text: own }))).toEqual(expected);
      for (const [index, { next }] of lines.entries()) {
        expect((await read(reader, next)).map(({ line }) => line)).toEqual(
          expected.slice(index + 1).map(({ line }) => line),
        );
      }
    }),
    { numRuns: 200 },
  );
});

test("a byte order mark is not part of the first line; a line that is not UTF-8 has no text", async () => {
  const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0x0a, 0x62, 0xff, 0x0a, 0x63]);
  expect((await read(readerOf(bytes, 2))).map(({ line, text }) => [line, text])).toEqual([
    [1, "a"],
    [2, undefined],
    [3, "c"],
  ]);
});

test("a line over the limit has a length and no text; the next one is complete", async () => {
  const long = 8 * 1024 * 1024 + 1;
  const bytes = new Uint8Array(long + 2).fill(0x61);
  bytes[long] = 0x0a;
  const lines = await read(readerOf(bytes, 1024 * 1024));
  expect(lines.map(({ text, bytes: length }) => [text, length])).toEqual([
    [undefined, long],
    ["a", 1],
  ]);
});
