// One suite for both implementations of the storage port: the Durable Object's SQLite, and the memory that the
// simulation runs on. What the simulation proves is only worth what the two have in common.

import { env, runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { SqliteStorage } from "../../../edge/account/sqlite-storage.ts";
import type { IdempotencyRow, KeyRecord, LedgerStorage } from "../../../edge/account/storage.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MemoryStorage } from "../../sim/memory-storage.ts";

type Use = (storage: LedgerStorage) => void;

/** Runs `use` over an empty storage. */
const IMPLEMENTATIONS: readonly (readonly [string, (use: Use) => Promise<void>])[] = [
  ["SQLite", (use) => inSqlite(use)],
  ["memory", (use) => Promise.resolve(use(new MemoryStorage()))],
];

function inSqlite(use: Use): Promise<void> {
  const stub = env.ACCOUNT.get(env.ACCOUNT.newUniqueId());
  return runInDurableObject(stub, (_object, state) => use(new SqliteStorage(state.storage)));
}

const KEY: KeyRecord = {
  id: newId("key"),
  name: "schlüssel \u{1f511}",
  prefix: "gr-Ab…x9Zk",
  pepperId: "p",
  hash: "ff",
  scopes: ["embeddings"],
  cache: "standard",
  createdAtMs: 1_795_000_000_123,
  capNanoUsd: nanoUsd(Number.MAX_SAFE_INTEGER),
};
const ROW: IdempotencyRow = {
  route: "/v1/embeddings",
  key: "k",
  bodyHash: "ab",
  session: "s",
  expiresAtMs: 5000,
  done: false,
};

describe.each(IMPLEMENTATIONS)("%s", (_name, over) => {
  test("an empty storage answers nothing", () =>
    over((storage) => {
      expect(storage.readHot()).toBeUndefined();
      expect(storage.readKeys()).toEqual([]);
      expect(storage.readGrant("g")).toBeUndefined();
      expect(storage.readSegments(0, 1e15)).toEqual([]);
      expect(storage.readStatementPages(1e15, 10)).toEqual([]);
      expect(storage.hasReference("r")).toBe(false);
      expect(storage.readAudit(1e15, 10)).toEqual([]);
      expect(storage.readIdempotency("/v1/embeddings", "k")).toBeUndefined();
      expect(storage.readStoredAnswer("/v1/embeddings", "k")).toBeUndefined();
      expect(storage.deleteIdempotencyBefore(1e15, 10)).toBe(0);
    }));

  test("the hot row, keys, grants and references are what was last written", () =>
    over((storage) => {
      storage.writeHot("one");
      storage.writeHot("two");
      expect(storage.readHot()).toBe("two");
      storage.putKey({ ...KEY, name: "before" });
      storage.putKey(KEY);
      expect(storage.readKeys()).toEqual([KEY]);
      storage.deleteKey(KEY.id);
      storage.deleteKey(KEY.id);
      expect(storage.readKeys()).toEqual([]);
      const grant = { id: "g", kind: "paid" as const, amountNanoUsd: nanoUsd(5), atMs: 1, expiresAtMs: 2 };
      storage.putGrant(grant);
      expect(storage.readGrant("g")).toEqual(grant);
      storage.putReference("r");
      expect(storage.hasReference("r")).toBe(true);
    }));

  test("a transaction that throws leaves nothing behind, nested calls included", () =>
    over((storage) => {
      storage.writeHot("kept");
      const broken = () =>
        storage.transaction(() => {
          storage.writeHot("lost");
          storage.transaction(() => storage.putKey(KEY));
          storage.putIdempotency(ROW);
          throw new Error("stop");
        });
      expect(broken).toThrow("stop");
      expect(storage.readHot()).toBe("kept");
      expect(storage.readKeys()).toEqual([]);
      expect(storage.readIdempotency(ROW.route, ROW.key)).toBeUndefined();
      expect(storage.transaction(() => "answer")).toBe("answer");
    }));

  test("segments are found by overlap and by age, the oldest first", () =>
    over((storage) => {
      for (const startMs of [100, 200, 300]) {
        storage.putSegment({ level: "minute", startMs, endMs: startMs + 50, body: `at ${startMs}` });
      }
      storage.putSegment({ level: "hour", startMs: 0, endMs: 1000, body: "hour" });
      const bodies = (startMs: number, endMs: number) => storage.readSegments(startMs, endMs).map(({ body }) => body);
      expect(bodies(250, 300)).toEqual(["hour"]);
      expect(bodies(249, 301)).toEqual(["at 200", "at 300", "hour"]);
      const old = storage.readSegmentsBefore("minute", 250, 10);
      expect(old.map(({ body, level }) => [body, level])).toEqual([
        ["at 100", "minute"],
        ["at 200", "minute"],
      ]);
      expect(storage.readSegmentsBefore("minute", 350, 1).map(({ body }) => body)).toEqual(["at 100"]);
      for (const { id } of old) storage.deleteSegment(id);
      expect(bodies(0, 1000)).toEqual(["at 300", "hour"]);
    }));

  test("statement pages and the audit log are read newest first, before a position", () =>
    over((storage) => {
      for (const first of [1, 4, 7]) storage.putStatementPage({ first, last: first + 2, body: `${first}` });
      expect(storage.readStatementPages(7, 5).map(({ first, last }) => [first, last])).toEqual([
        [4, 6],
        [1, 3],
      ]);
      expect(storage.readStatementPages(1e15, 1).map(({ body }) => body)).toEqual(["7"]);
      for (const atMs of [1, 2, 3]) storage.appendAudit({ atMs, actor: "a", action: "b", facts: "{}" });
      const [newest, older] = storage.readAudit(Number.MAX_SAFE_INTEGER, 2);
      expect([newest?.atMs, older?.atMs]).toEqual([3, 2]);
      expect(storage.readAudit(older?.id ?? 0, 5).map(({ atMs }) => atMs)).toEqual([1]);
    }));

  test("an idempotency key runs, is finished with its answer, and goes with it", () =>
    over((storage) => {
      storage.putIdempotency(ROW);
      expect(storage.readIdempotency(ROW.route, ROW.key)).toEqual(ROW);
      expect(storage.readStoredAnswer(ROW.route, ROW.key)).toBeUndefined();
      const vectors = new Uint8Array(2_500_001).map((_, index) => index % 251);
      storage.putIdempotency({ ...ROW, done: true, expiresAtMs: 9000 }, { meta: '{"a":1}', vectors });
      const stored = storage.readStoredAnswer(ROW.route, ROW.key);
      expect(stored?.meta).toBe('{"a":1}');
      expect(stored?.vectors.byteLength).toBe(vectors.byteLength);
      expect(stored?.vectors.every((byte, index) => byte === index % 251)).toBe(true);
      storage.putIdempotency({ ...ROW, key: "other" });
      expect(storage.deleteIdempotencyBefore(8999, 10)).toBe(1);
      expect(storage.readIdempotency(ROW.route, "other")).toBeUndefined();
      expect(storage.deleteIdempotencyBefore(9000, 10)).toBe(1);
      expect(storage.readStoredAnswer(ROW.route, ROW.key)).toBeUndefined();
    }));

  test("an answer without vectors is an answer", () =>
    over((storage) => {
      storage.putIdempotency({ ...ROW, done: true }, { meta: "receipt", vectors: new Uint8Array() });
      expect(storage.readStoredAnswer(ROW.route, ROW.key)).toEqual({ meta: "receipt", vectors: new Uint8Array() });
    }));
});
