// One suite for both implementations of the storage port: the Durable Object's SQLite and the simulation's memory. The
// simulation proves something about the product only if the two behave alike.

import { env, runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { SqliteStorage } from "../../../edge/account/sqlite-storage.ts";
import type { AnswerRow, KeyRecord, LedgerStorage } from "../../../edge/ledger/storage.ts";
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
  return runInDurableObject(stub, (_object, state) => use(new SqliteStorage(state.storage, () => undefined)));
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
const ROW: AnswerRow = { route: "/v1/embeddings", key: "k", bodyHash: "ab", leaseId: "s", atMs: 5000 };
const SEGMENT = 3;

describe.each(IMPLEMENTATIONS)("%s", (_name, over) => {
  test("an empty storage has nothing", () =>
    over((storage) => {
      expect(storage.readHot()).toBeUndefined();
      expect(storage.readKeys()).toEqual([]);
      expect(storage.readGrant("g")).toBeUndefined();
      expect(storage.readSegments(0, 1e15)).toEqual([]);
      expect(storage.readStatementPages(1e15, 10)).toEqual([]);
      expect(storage.hasReference("r")).toBe(false);
      expect(storage.readAudit(1e15, 10)).toEqual([]);
      expect(storage.readReceipt("batch:1")).toBeUndefined();
      expect(storage.deleteReceiptsBefore(1e15, 10)).toBe(0);
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
          storage.putReceipt("batch:1", "lost", 9000);
          storage.putAnswer(SEGMENT, ROW, { meta: "lost", vectors: new Uint8Array(1) });
          throw new Error("stop");
        });
      expect(broken).toThrow("stop");
      expect(storage.readHot()).toBe("kept");
      expect(storage.readKeys()).toEqual([]);
      expect(storage.readReceipt("batch:1")).toBeUndefined();
      storage.putAnswer(SEGMENT, ROW, { meta: "kept", vectors: new Uint8Array(1) });
      expect(storage.readStoredAnswer(SEGMENT, ROW.route, ROW.key)?.meta).toBe("kept");
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

  test("the statement is read from any position on, and seals newest first, before a position", () =>
    over((storage) => {
      expect(storage.readStatementFrom(1, 5)).toEqual([]);
      expect(storage.readSeals({ before: 1e15, limit: 5 })).toEqual([]);
      for (const first of [1, 4, 7]) storage.putStatementPage({ first, last: first + 2, body: `${first}` });
      const bodies = (from: number, limit: number) => storage.readStatementFrom(from, limit).map(({ body }) => body);
      expect(bodies(1, 5)).toEqual(["1", "4", "7"]);
      expect(bodies(6, 5)).toEqual(["4", "7"]);
      expect(bodies(7, 5)).toEqual(["7"]);
      expect(bodies(10, 5)).toEqual([]);
      expect(bodies(2, 2)).toEqual(["1", "4"]);
      const seals = [0, 1, 2].map((index) => ({
        index,
        first: 1 + 3 * index,
        last: 3 + 3 * index,
        entry: `{${index}}`,
      }));
      for (const seal of seals) storage.putSeal(seal);
      expect(storage.readSeals({ before: 7, limit: 5 })).toEqual([seals[1], seals[0]]);
      expect(storage.readSeals({ before: 1e15, limit: 1 })).toEqual([seals[2]]);
    }));

  test("an answer is found whole in its segment and is dropped with it", () =>
    over((storage) => {
      const vectors = new Uint8Array(2_500_001).map((_, index) => index % 251);
      storage.putAnswer(SEGMENT, ROW, { meta: '{"a":1}', vectors });
      storage.putAnswer(SEGMENT, { ...ROW, key: "other" }, { meta: "without vectors", vectors: new Uint8Array() });
      storage.putAnswer(SEGMENT + 1, { ...ROW, leaseId: "later" }, { meta: "later", vectors: new Uint8Array(1) });
      expect(storage.readAnswer(SEGMENT, ROW.route, ROW.key)).toEqual(ROW);
      expect(storage.readAnswer(SEGMENT, ROW.route, "unknown")).toBeUndefined();
      const stored = storage.readStoredAnswer(SEGMENT, ROW.route, ROW.key);
      expect(stored?.meta).toBe('{"a":1}');
      expect(stored?.vectors.byteLength).toBe(vectors.byteLength);
      expect(stored?.vectors.every((byte, index) => byte === index % 251)).toBe(true);
      expect(storage.readStoredAnswer(SEGMENT, ROW.route, "other")).toEqual({
        meta: "without vectors",
        vectors: new Uint8Array(),
      });
      storage.dropAnswers(SEGMENT);
      expect(storage.readAnswer(SEGMENT + 1, ROW.route, ROW.key)?.leaseId).toBe("later");
    }));

  test("answers are listed by route and key, in order, with the meta that was last written", () =>
    over((storage) => {
      for (const key of ["s/2", "s/1", "s0", "s/3", "r/9"]) {
        storage.putAnswer(SEGMENT, { ...ROW, key }, { meta: key, vectors: new Uint8Array() });
      }
      storage.putAnswer(SEGMENT, { ...ROW, route: "other", key: "s/1" }, { meta: "other", vectors: new Uint8Array() });
      storage.putAnswerMeta(SEGMENT, ROW.route, "s/2", "changed");
      const listed = (from: string, limit: number) =>
        storage.listAnswers(SEGMENT, ROW.route, { from, below: "s0" }, limit).map(({ key, meta }) => [key, meta]);
      expect(listed("s/1", 2)).toEqual([
        ["s/1", "s/1"],
        ["s/2", "changed"],
      ]);
      expect(listed("s/2", 9)).toEqual([
        ["s/2", "changed"],
        ["s/3", "s/3"],
      ]);
      expect(storage.readStoredAnswer(SEGMENT, "other", "s/1")?.meta).toBe("other");
    }));

  test("a receipt is what was last written, until it expires", () =>
    over((storage) => {
      storage.putReceipt("batch:1", "one", 5000);
      storage.putReceipt("batch:1", "two", 9000);
      storage.putReceipt("batch:2", "three", 9001);
      expect(storage.readReceipt("batch:1")).toBe("two");
      expect(storage.deleteReceiptsBefore(8999, 10)).toBe(0);
      expect(storage.deleteReceiptsBefore(9000, 10)).toBe(1);
      expect(storage.readReceipt("batch:1")).toBeUndefined();
      expect(storage.readReceipt("batch:2")).toBe("three");
    }));
});
