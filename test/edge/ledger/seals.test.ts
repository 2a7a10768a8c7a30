// Seals of the statement: which lines are sealed when, the chain, and what a proof and a seal cost.
import { describe, expect, test } from "vitest";
import { proveLine, listSeals } from "../../../edge/account/proofs.ts";
import { AccountCore } from "../../../edge/ledger/account-core.ts";
import { grant } from "../../../edge/ledger/acts.ts";
import type { Ledger } from "../../../edge/ledger/ledger.ts";
import { hashOfText } from "../../../edge/ledger/merkle-tree.ts";
import { DEFAULT_SETTINGS } from "../../../edge/ledger/settings.ts";
import { must } from "../../../shared/assert.ts";
import { newId } from "../../../shared/ids.ts";
import type { KeyId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MemoryStorage } from "../../sim/memory-storage.ts";

const START_MS = Date.UTC(2026, 2, 1, 10, 20);
const HOUR_MS = 3_600_000;
const SEALED_MS = Date.UTC(2026, 2, 1, 11, 1);
const MODEL = "boboliu/Qwen3-Embedding-4B-W4A16-G128";
const COST = nanoUsd(80);
const ACCOUNT = newId("account");
const KEY = newId("key");
const newKeys = (count: number): KeyId[] => Array.from({ length: count }, () => newId("key"));

/** An account with one grant at 10:20. */
class Account {
  readonly storage = new MemoryStorage();
  private readonly core = new AccountCore(this.storage, DEFAULT_SETTINGS, () => "life");

  constructor() {
    this.core.setUp({ accountId: ACCOUNT, name: "test" }, START_MS, (ledger) => {
      this.grant(ledger, "first", START_MS);
    });
  }

  grant(ledger: Ledger, id: string, atMs: number): void {
    grant(ledger, { id, kind: "paid", amountNanoUsd: nanoUsd(1e9) }, "test", atMs);
  }

  turn<Result>(atMs: number, work: (ledger: Ledger) => Result): Result {
    return must(
      this.core.turn(atMs, (ledger) => ({ result: work(ledger) })),
      "an account",
    ).result;
  }

  /** A line for each of `keys`. */
  charge(atMs: number, ...keys: readonly KeyId[]): void {
    this.turn(atMs, (ledger) => {
      for (const keyId of keys) {
        ledger.charge(undefined, COST, atMs);
        ledger.statement.charge("charge", { atMs, keyId, model: MODEL }, COST, this.storage);
      }
      ledger.touch();
    });
  }

  prove(position: number, atMs: number) {
    return this.turn(atMs, (ledger) => proveLine(ledger, position, atMs));
  }

  seals(atMs: number, limit = 100, before?: number) {
    return this.turn(atMs, (ledger) => listSeals(ledger, before, limit, atMs));
  }
}

const read = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe("a line", () => {
  test("is sealed a minute after its hour's end, and says when before", () => {
    const account = new Account();
    account.charge(START_MS + 60_000, KEY);
    expect(account.prove(2, SEALED_MS - 1)).toEqual({ kind: "unsealed", untilMs: SEALED_MS });
    expect(account.seals(SEALED_MS - 1)).toEqual({ seals: [] });
    const proof = account.prove(2, SEALED_MS);
    if (proof.kind !== "proof") throw new Error(proof.kind);
    expect(read(proof.leaf)).toMatchObject({ id: "txn_2", kind: "charge", amount_nano_usd: -80, model: MODEL });
    expect(read(proof.entry)).toMatchObject({ account: ACCOUNT, index: 0, previous: null, lines: 2, first: "txn_1" });
    expect(read(proof.entry)["hour"]).toBe(Date.UTC(2026, 2, 1, 10) / 1000);
    expect(account.prove(3, SEALED_MS)).toEqual({ kind: "unknown" });
    expect(account.prove(0, SEALED_MS)).toEqual({ kind: "unknown" });
  });

  test("keeps its exact text for ever: version 1", () => {
    const account = new Account();
    account.charge(START_MS + 61_000, KEY);
    const leafOf = (position: number) => {
      const proof = account.prove(position, SEALED_MS);
      return proof.kind === "proof" ? proof.leaf : proof.kind;
    };
    expect(leafOf(1)).toBe(
      '{"id":"txn_1","at":1772360400,"kind":"topup","amount_nano_usd":1000000000,"balance_after_nano_usd":1000000000,"description":"Top-up"}',
    );
    expect(leafOf(2)).toBe(
      `{"id":"txn_2","at":1772360461,"kind":"charge","amount_nano_usd":-80,"balance_after_nano_usd":999999920,"description":"Embeddings with ${MODEL}","key_id":"${KEY}","model":"${MODEL}"}`,
    );
  });

  test("that was posted among others of its hour has its place in it", () => {
    const account = new Account();
    account.charge(START_MS + 1000, KEY);
    account.turn(START_MS + 2000, (ledger) => account.grant(ledger, "second", START_MS + 2000));
    account.charge(START_MS + HOUR_MS, KEY);
    account.turn(START_MS + HOUR_MS + 1, (ledger) => account.grant(ledger, "third", START_MS + HOUR_MS + 1));
    const kinds = [1, 2, 3].map((position) => {
      const proof = account.prove(position, SEALED_MS);
      return proof.kind === "proof" ? [read(proof.leaf)["kind"], proof.index] : proof.kind;
    });
    expect(kinds).toEqual([
      ["topup", 0],
      ["topup", 1],
      ["charge", 2],
    ]);
    expect(account.prove(4, SEALED_MS)).toEqual({ kind: "unsealed", untilMs: SEALED_MS + HOUR_MS });
  });

  test("among four thousand of an hour has a proof of at most 2 KB, signature included", () => {
    const account = new Account();
    account.charge(START_MS, ...newKeys(4000));
    const proof = account.prove(2001, SEALED_MS);
    if (proof.kind !== "proof") throw new Error(proof.kind);
    const { leaf, index, path, entry } = proof;
    expect(read(entry)["lines"]).toBe(4001);
    const signed = { kid: "k".repeat(43), signature: "s".repeat(86) };
    const answer = JSON.stringify({ object: "transaction.proof", leaf, index, path, entry, ...signed });
    expect(answer.length).toBeLessThanOrEqual(2048);
    expect(answer.length).toBeGreaterThan(1000);
  });
});

describe("the chain", () => {
  test("has an entry for each hour with lines, each with the hash of the one before, whenever it is asked for", () => {
    const [now, later] = [new Account(), new Account()];
    for (const hour of [0, 1, 5]) {
      for (const account of [now, later]) account.charge(START_MS + hour * HOUR_MS, KEY);
      now.seals(START_MS + (hour + 1) * HOUR_MS);
    }
    const end = START_MS + 7 * HOUR_MS;
    const { seals } = later.seals(end);
    expect(now.seals(end)).toEqual({ seals });
    const entries = seals.map(({ entry }) => read(entry)).toReversed();
    expect(entries.map(({ index, lines, first }) => [index, lines, first])).toEqual([
      [0, 2, "txn_1"],
      [1, 1, "txn_3"],
      [2, 1, "txn_4"],
    ]);
    const hashes = seals.map(({ entry }) => hashOfText(entry)).toReversed();
    expect(entries.map(({ previous }) => previous)).toEqual([null, hashes[0], hashes[1]]);
    const first = later.seals(end, 2);
    expect(first.seals).toEqual(seals.slice(0, 2));
    expect(later.seals(end, 2, first.before)).toEqual({ seals: seals.slice(2) });
  });

  test("of a long history is made turn by turn, each hour whole", () => {
    const account = new Account();
    const own = newKeys(60);
    for (let hour = 0; hour < 300; hour += 1) {
      account.charge(START_MS + hour * HOUR_MS, ...own);
    }
    const end = START_MS + 400 * HOUR_MS;
    expect(account.prove(18_001, end)).toEqual({ kind: "unsealed", untilMs: end + 1000 });
    const proof = account.prove(18_001, end);
    if (proof.kind !== "proof") throw new Error(proof.kind);
    expect(read(proof.entry)).toMatchObject({ index: 299, lines: 60, first: "txn_17942" });
  });

  test("costs nothing that is not asked for, and nothing the second time", () => {
    const account = new Account();
    account.charge(START_MS, KEY);
    const { writes } = account.storage;
    account.seals(SEALED_MS - 1);
    expect(account.storage.writes - writes).toBe(0);
    account.seals(SEALED_MS);
    // A page of the statement, the hot row, the seal.
    expect(account.storage.writes - writes).toBe(3);
    account.prove(2, SEALED_MS + HOUR_MS);
    expect(account.storage.writes - writes).toBe(3);
  });

  test("does not hide that a sealed line was changed", () => {
    const account = new Account();
    account.charge(START_MS, KEY);
    account.seals(SEALED_MS);
    const [page] = account.storage.readStatementPages(3, 1);
    if (page === undefined) throw new Error("a page");
    account.storage.putStatementPage({ ...page, body: page.body.replace("-80", "-81") });
    expect(() => account.prove(2, SEALED_MS)).toThrow("sealed lines never change");
  });
});
