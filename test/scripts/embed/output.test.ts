// What a job writes, for each type and format: read back, the vectors are those that the API's own rules make.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeEmbeddingApi, fakeVector } from "../../support/fake-embedding-api.ts";
import { TestJob } from "./job.ts";
import { float16BitsToFloat32, float32ToFloat16Bits } from "../../../shared/float16.ts";
import { quantise } from "../../../shared/vectors.ts";

const api = new FakeEmbeddingApi();
let url: string;
beforeAll(async () => void (url = await api.start()));
afterAll(() => api.stop());

const TEXTS = ["first", "second", "first", "third"];
const half = (text: string) => float32ToFloat16Bits(fakeVector(text));
/** Of each type: NumPy's name, the bytes of a row, the numbers of a row. */
const TYPES = {
  float32: ["<f4", (text: string) => fakeVector(text), (text: string) => fakeVector(text)],
  float16: ["<f2", half, (text: string) => float16BitsToFloat32(half(text))],
  int8: [
    "|i1",
    (text: string) => quantise(fakeVector(text), "int8"),
    (text: string) => quantise(fakeVector(text), "int8"),
  ],
  binary: [
    "|u1",
    (text: string) => quantise(fakeVector(text), "ubinary"),
    (text: string) => quantise(fakeVector(text), "ubinary"),
  ],
} as const;

test.each(Object.entries(TYPES))("%s in each format", async (dtype, [descr, stored, numbers]) => {
  const job = new TestJob(url);
  const corpus = job.corpus(TEXTS);
  const calls = api.calls.length;
  for (const format of ["npy", "jsonl", "parquet"]) {
    const { code } = await job.run([corpus, "--yes", "--dtype", dtype, "--format", format]);
    expect(code).toBe(0);
  }
  // Another format of the same vectors costs nothing.
  expect(api.calls.slice(calls).filter(({ path }) => path === "/v1/embeddings")).toHaveLength(1);

  const npy = job.npy();
  expect([npy.descr, npy.shape]).toEqual([descr, [4, dtype === "binary" ? 2 : 16]]);
  const bytes = TEXTS.map((text) => stored(text)).map(({ buffer }) => Buffer.from(buffer));
  expect(npy.data).toEqual(Buffer.concat(bytes));

  const rows = TEXTS.map((text, id) => ({ id, embedding: [...numbers(text)] }));
  const lines = readFileSync(join(job.out, "vectors.jsonl"), "utf8").trim().split("\n");
  const read = lines.map((line) => JSON.parse(line) as { id: number; embedding: number[] });
  const rounded = read.map(({ id, embedding }) => ({ id, embedding: embedding.map((value) => Math.fround(value)) }));
  expect(rounded).toEqual(rows);

  const file = await asyncBufferFromFile(join(job.out, "vectors.parquet"));
  const objects = await parquetReadObjects({ file });
  expect(objects.map(({ id, embedding }) => ({ id: Number(id), embedding: [...embedding] }))).toEqual(rows);
  job.remove();
});

test("ids keep their kind: numbers are INT64 in Parquet, and one string makes all of them strings", async () => {
  const job = new TestJob(url);
  const typeOf = async (lines: string) => {
    const { writeFileSync } = await import("node:fs");
    writeFileSync(job.path("ids.jsonl"), lines);
    expect((await job.run([job.path("ids.jsonl"), "--yes", "--format", "parquet"])).code).toBe(0);
    const file = await asyncBufferFromFile(join(job.out, "vectors.parquet"));
    const { schema } = await parquetMetadataAsync(file);
    return [schema[1]?.type, (await parquetReadObjects({ file, columns: ["id"] })).map(({ id }) => id as unknown)];
  };
  expect(await typeOf('{"text": "a", "id": 5}\n{"text": "b"}')).toEqual(["INT64", [5n, 1n]]);
  expect(await typeOf('{"text": "a", "id": 5}\n{"text": "b", "id": "x"}')).toEqual(["BYTE_ARRAY", ["5", "x"]]);
  job.remove();
});
