// What a job's folder is after a kill between any two writes, or within one.

import { appendFileSync, existsSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newJob } from "../../../scripts/embed/job.ts";
import { TextTable } from "../../../scripts/embed/text-table.ts";
import { VectorStore, hashesOf, loadRecords } from "../../../scripts/embed/vector-store.ts";
import { TestJob } from "./job.ts";

const JOB = newJob({
  model: "a/b",
  revision: "r",
  dimensions: 2,
  dtype: "float32",
  input_type: null,
  instruction: null,
  truncate: "none",
});
const GUARD = { check: () => undefined, sync: false };
const bodyOf = (texts: readonly string[]) => JSON.stringify({ model: "a/b", input: texts });

let job: TestJob;
let folder: string;
beforeEach(() => {
  job = new TestJob("");
  folder = job.folder;
});
afterEach(() => job.remove());

/** Writes a request down and its answer; every byte of a text's vector is its number. Resolves to its key. */
async function answer(store: VectorStore, texts: readonly string[], number: number): Promise<string> {
  const key = await store.expect(bodyOf(texts), 1000);
  const vectors = Buffer.alloc(8 * texts.length, number);
  await store.append({ key, hashes: hashesOf(texts), vectors, tokens: 10, costNanoUsd: 80 });
  return key;
}

test("an answer counts from the last byte of its line in the journal on, and not one byte before", async () => {
  const store = await VectorStore.open(folder, JOB, GUARD);
  await answer(store, ["a", "b"], 1);
  const before = statSync(join(folder, "journal.jsonl")).size;
  const key = await answer(store, ["c"], 2);
  await store.close();
  const journal = readFileSync(join(folder, "journal.jsonl"));
  for (let cut = journal.length - 1; cut >= before; cut -= 17) {
    writeFileSync(join(folder, "journal.jsonl"), journal.subarray(0, cut));
    // The request is there until the line is.
    writeFileSync(join(folder, "pending", key), `1000\n${bodyOf(["c"])}`);
    appendFileSync(join(folder, "vectors.bin"), "half");
    const opened = await VectorStore.open(folder, JOB, GUARD);
    expect(opened.totals).toEqual({ records: 2, tokens: 10, costNanoUsd: 80 });
    expect([...opened.pending()]).toEqual([{ key, body: bodyOf(["c"]), sinceMs: 1000 }]);
    expect(await opened.read(0, 9)).toEqual(Buffer.alloc(16, 1));
    expect(await answer(opened, ["c"], 3)).toBe(key);
    expect(await opened.read(2, 1)).toEqual(Buffer.alloc(8, 3));
    await opened.close();
  }
});

test("a request whose line is whole is not sent again, though its file is still there", async () => {
  const store = await VectorStore.open(folder, JOB, GUARD);
  const key = await answer(store, ["a"], 1);
  await store.close();
  writeFileSync(join(folder, "pending", key), `1000\n${bodyOf(["a"])}`);
  const opened = await VectorStore.open(folder, JOB, GUARD);
  expect([...opened.pending()]).toEqual([]);
  await opened.close();
});

test("a request stays until its answer is written: where that fails, it is sent again", async () => {
  const store = await VectorStore.open(folder, JOB, GUARD);
  const key = await store.expect(bodyOf(["a"]), 1000);
  await store.close();
  const late = { key, hashes: hashesOf(["a"]), vectors: Buffer.alloc(8), tokens: 1, costNanoUsd: 1 };
  await expect(store.append(late)).rejects.toThrow();
  expect([...store.pending()].map((request) => request.key)).toEqual([key]);
});

test("a request that was not written to its end was not sent, and is dropped", async () => {
  const store = await VectorStore.open(folder, JOB, GUARD);
  const key = await store.expect(bodyOf(["a", "b"]), 1000);
  const path = join(folder, "pending", key);
  for (let size = statSync(path).size - 1; size >= 0; size -= 5) {
    truncateSync(path, size);
    expect([...store.pending()]).toEqual([]);
    expect(existsSync(path)).toBe(false);
    await store.expect(bodyOf(["a", "b"]), 1000);
  }
  await store.close();
});

test("answers that come together are written one behind the other, and each text finds its vector", async () => {
  const store = await VectorStore.open(folder, JOB, GUARD);
  const texts = Array.from({ length: 60 }, (_, index) => `text ${index}`);
  await Promise.all(texts.map((text, index) => answer(store, [text, `${text} too`], index)));
  expect(store.totals).toEqual({ records: 120, tokens: 600, costNanoUsd: 4800 });
  expect(readdirSync(join(folder, "pending"))).toEqual([]);
  const table = new TextTable();
  await loadRecords(folder, table);
  for (const [index, text] of texts.entries()) {
    const record = table.record(table.find(hashesOf([`${text} too`])));
    expect(await store.read(record ?? -1, 1)).toEqual(Buffer.alloc(8, index));
  }
  await store.close();
});

test("a job that another one took over writes nothing more", async () => {
  let isOurs = true;
  const check = () => {
    if (!isOurs) throw new Error("taken over");
  };
  const store = await VectorStore.open(folder, JOB, { check, sync: false });
  const key = await store.expect(bodyOf(["a"]), 1000);
  isOurs = false;
  const late = { key, hashes: hashesOf(["a"]), vectors: Buffer.alloc(8), tokens: 1, costNanoUsd: 1 };
  await expect(store.append(late)).rejects.toThrow("taken over");
  expect(statSync(join(folder, "vectors.bin")).size).toBe(0);
  await store.close();
});
