// What a job has paid for, in four parts of its folder:
//   pending/KEY     a request before it is sent: the moment, then the exact bytes of its body. KEY is its Idempotency-Key
//   hashes.bin      16 bytes a text, vectors.bin: the vector of each, in the order of the answers
//   journal.jsonl   a line for each answer that is whole in both: its key, its charge, and how many records there are now
// A line of the journal is what makes an answer count. A kill before it leaves a request in pending/, which is sent again
// under its key and answered from the first time; what stands behind the last line's records is cut off.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { Job } from "./job.ts";
import { vectorBytesOf } from "./job.ts";
import { HASH_BYTES, hashOf } from "./rows/row.ts";
import type { TextTable } from "./text-table.ts";
import { assert } from "../../shared/assert.ts";

const lineSchema = z.object({
  key: z.string(),
  texts: z.int(),
  tokens: z.int(),
  cost_nano_usd: z.int(),
  records: z.int(),
});
type JournalLine = z.infer<typeof lineSchema>;

export interface Answer {
  readonly key: string;
  /** Of the texts, 16 bytes each. */
  readonly hashes: Buffer;
  /** In the job's stored form, in the same order. */
  readonly vectors: Buffer;
  readonly tokens: number;
  readonly costNanoUsd: number;
}

export interface Totals {
  readonly records: number;
  readonly tokens: number;
  readonly costNanoUsd: number;
}

/** A request that was written to disk, and perhaps sent. */
export interface PendingRequest {
  readonly key: string;
  readonly body: string;
  readonly sinceMs: number;
}

export interface StoreGuard {
  /** Called before each write; throws if the folder is no longer ours. */
  readonly check: () => void;
  /** Whether a write is waited for until it is on the disk, so that a machine may die and not only the process. */
  readonly sync: boolean;
}

const READ_BYTES = 1024 * 1024;

export class VectorStore {
  readonly vectorBytes: number;
  readonly #folder: string;
  readonly #job: Job;
  readonly #guard: StoreGuard;
  readonly #hashes: FileHandle;
  readonly #vectors: FileHandle;
  readonly #journal: FileHandle;
  #totals: Totals;
  #journalBytes: number;
  /** The last write: answers are written one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    folder: string,
    job: Job,
    guard: StoreGuard,
    files: readonly [FileHandle, FileHandle, FileHandle],
    { totals, bytes }: Journal,
  ) {
    this.#folder = folder;
    this.#job = job;
    this.#guard = guard;
    [this.#hashes, this.#vectors, this.#journal] = files;
    this.#totals = totals;
    this.#journalBytes = bytes;
    this.vectorBytes = vectorBytesOf(job);
  }

  /** Opens the job's store, cuts off what the journal does not count, and drops requests that were answered. */
  static async open(folder: string, job: Job, guard: StoreGuard): Promise<VectorStore> {
    mkdirSync(join(folder, "pending"), { recursive: true });
    const journal = readJournal(folder);
    const { totals, bytes, keys } = journal;
    const files = await Promise.all([
      openAt(join(folder, "hashes.bin"), totals.records * HASH_BYTES),
      openAt(join(folder, "vectors.bin"), totals.records * vectorBytesOf(job)),
      openAt(join(folder, "journal.jsonl"), bytes),
    ]);
    for (const name of readdirSync(join(folder, "pending"))) {
      if (keys.has(name)) rmSync(join(folder, "pending", name));
    }
    return new VectorStore(folder, job, guard, files, journal);
  }

  /** The totals of `folder`, without opening it for writing. */
  static totals(folder: string): Totals {
    return readJournal(folder).totals;
  }

  get totals(): Totals {
    return this.#totals;
  }

  /** Writes a request to disk before it is sent; returns its Idempotency-Key, made from the job and the body. */
  async expect(body: string, nowMs: number): Promise<string> {
    this.#guard.check();
    const key = keyOf(this.#job, body);
    const file = await open(join(this.#folder, "pending", key), "w");
    await file.writeFile(`${nowMs}\n${body}`);
    if (this.#guard.sync) await file.datasync();
    await file.close();
    return key;
  }

  /** Deletes a request that came to nothing. */
  forget(key: string): void {
    rmSync(join(this.#folder, "pending", key), { force: true });
  }

  /** Requests that an earlier run wrote and got no answer for. One whose file is incomplete was never sent. */
  *pending(): Generator<PendingRequest> {
    for (const key of readdirSync(join(this.#folder, "pending")).sort()) {
      const content = readFileSync(join(this.#folder, "pending", key), "utf8");
      const end = content.indexOf("\n");
      const body = content.slice(end + 1);
      if (end > 0 && keyOf(this.#job, body) === key) yield { key, body, sinceMs: Number(content.slice(0, end)) };
      else this.forget(key);
    }
  }

  /** Makes an answer count: after this resolves, nothing can lose it. Returns the record of its first text. */
  async append(answer: Answer): Promise<number> {
    const written = this.#last.then(() => this.#write(answer));
    this.#last = written.catch(() => undefined);
    return written;
  }

  async #write({ key, hashes, vectors, tokens, costNanoUsd }: Answer): Promise<number> {
    const texts = hashes.length / HASH_BYTES;
    assert(vectors.length === texts * this.vectorBytes, "a vector for each text");
    this.#guard.check();
    const first = this.#totals.records;
    const line: JournalLine = { key, texts, tokens, cost_nano_usd: costNanoUsd, records: first + texts };
    await Promise.all([
      this.#writeAt(this.#hashes, hashes, first * HASH_BYTES),
      this.#writeAt(this.#vectors, vectors, first * this.vectorBytes),
    ]);
    const entry = Buffer.from(`${JSON.stringify(line)}\n`);
    await this.#writeAt(this.#journal, entry, this.#journalBytes);
    this.#journalBytes += entry.length;
    this.#totals = {
      records: line.records,
      tokens: this.#totals.tokens + tokens,
      costNanoUsd: this.#totals.costNanoUsd + costNanoUsd,
    };
    this.forget(key);
    return first;
  }

  async #writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
    for (let written = 0; written < bytes.length;) {
      written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
    }
    if (this.#guard.sync) await file.datasync();
  }

  /** vectors.bin from record `first` on, `count` records or up to the end. */
  async read(first: number, count: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(count * this.vectorBytes);
    const { bytesRead } = await this.#vectors.read(buffer, 0, buffer.length, first * this.vectorBytes);
    return buffer.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    await this.#last;
    await Promise.all([this.#hashes.close(), this.#vectors.close(), this.#journal.close()]);
  }
}

/** Enters every record of the folder's store into `table`. */
export async function loadRecords(folder: string, table: TextTable): Promise<void> {
  const { records } = VectorStore.totals(folder);
  if (records === 0) return;
  const file = await open(join(folder, "hashes.bin"));
  let record = 0;
  let rest: Buffer = Buffer.alloc(0);
  const pieces: AsyncIterable<Buffer> = file.createReadStream({
    highWaterMark: READ_BYTES,
    end: records * HASH_BYTES - 1,
  });
  for await (const piece of pieces) {
    const bytes = Buffer.concat([rest, piece]);
    let at = 0;
    for (; at + HASH_BYTES <= bytes.length; at += HASH_BYTES) {
      table.setRecord(table.add(bytes.subarray(at, at + HASH_BYTES)), record);
      record += 1;
    }
    rest = bytes.subarray(at);
  }
}

/** The texts of a request's body. */
export function textsOf(body: string): readonly string[] {
  return z.object({ input: z.array(z.string()) }).parse(JSON.parse(body)).input;
}

/** The hashes of `texts`, 16 bytes each. */
export function hashesOf(texts: readonly string[]): Buffer {
  return Buffer.concat(texts.map((text) => hashOf(text)));
}

function keyOf(job: Job, body: string): string {
  return `embed-${job.id}-${createHash("sha256").update(body).digest("hex").slice(0, 32)}`;
}

interface Journal {
  readonly totals: Totals;
  /** Of the answers that count. */
  readonly keys: ReadonlySet<string>;
  /** The end of its last complete line: a kill may have left half of one. */
  readonly bytes: number;
}

function readJournal(folder: string): Journal {
  const path = join(folder, "journal.jsonl");
  const content = existsSync(path) ? readFileSync(path, "utf8") : "";
  const bytes = content.lastIndexOf("\n") + 1;
  const keys = new Set<string>();
  let totals = { records: 0, tokens: 0, costNanoUsd: 0 };
  for (const text of content.slice(0, bytes).split("\n").slice(0, -1)) {
    const line = lineSchema.parse(JSON.parse(text));
    keys.add(line.key);
    totals = {
      records: line.records,
      tokens: totals.tokens + line.tokens,
      costNanoUsd: totals.costNanoUsd + line.cost_nano_usd,
    };
  }
  return { totals, keys, bytes };
}

/** Opens a file for reading and writing, creates it if it is missing, and cuts it to `bytes`. */
async function openAt(path: string, bytes: number): Promise<FileHandle> {
  const file = await open(path, existsSync(path) ? "r+" : "w+");
  const { size } = await file.stat();
  assert(size >= bytes, () => `${path} has what the journal counts`);
  await file.truncate(bytes);
  return file;
}
