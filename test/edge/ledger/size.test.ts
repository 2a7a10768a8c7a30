// The size of an account: its hot row and its tables do not grow with requests.

import { expect, test } from "vitest";
import { AccountCore } from "../../../edge/ledger/account-core.ts";
import { grant } from "../../../edge/ledger/acts.ts";
import { addKey } from "../../../edge/keys/key-acts.ts";
import { DEFAULT_SETTINGS } from "../../../edge/ledger/settings.ts";
import type { SyncMessage, UsageLine } from "../../../edge/ledger/types.ts";
import { foldHistory } from "../../../edge/ledger/usage-history.ts";
import { usageTotalNanoUsd } from "../../sim/usage-total.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MemoryStorage } from "../../sim/memory-storage.ts";

const HOT_BYTES_MAX = 32 * 1024;
const KEYS = 50;
const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 2, 1);
const NOTHING = { nanoUsd: nanoUsd(0), requests: 0, tokens: 0 };

/** One account with `KEYS` keys, each used from one isolate that begins, reports and ends a lease a minute. */
class BusyAccount {
  readonly storage = new MemoryStorage();
  readonly core = new AccountCore(this.storage, DEFAULT_SETTINGS, () => "life");
  nowMs = START_MS;
  private leases = 0;

  constructor() {
    this.core.setUp({ accountId: newId("account"), name: "busy" }, this.nowMs, (ledger) => {
      grant(ledger, { id: "g", kind: "paid", amountNanoUsd: nanoUsd(1e12) }, "test", this.nowMs);
      for (let key = 0; key < KEYS; key += 1) {
        const secret = { pepperId: "p", hash: `hash-${key}` };
        const terms = { name: `key ${key}`, scopes: ["embeddings" as const], cache: "standard" as const };
        addKey(ledger, { id: newId("key"), prefix: "gr-…", secret, terms }, "test", this.nowMs);
      }
    });
  }

  minute(): void {
    this.nowMs += MINUTE_MS;
    this.leases += 1;
    const line: UsageLine = {
      model: "boboliu/Qwen3-Embedding-4B-W4A16-G128",
      tier: "interactive",
      minute: Math.floor(this.nowMs / MINUTE_MS),
      requests: 1,
      tokens: 200,
      cachedTokens: 0,
      costNanoUsd: nanoUsd(1600),
      savedNanoUsd: nanoUsd(0),
      errors4xx: 0,
      errors5xx: 0,
      latency: { 20: 1 },
    };
    const begun = this.core.sync(this.messages(1, { untoldNanoUsd: nanoUsd(1600) }), this.nowMs);
    const spent = { nanoUsd: nanoUsd(1600), requests: 1, tokens: 200 };
    const reports = this.messages(2, { spent, lines: [line], close: true }).map((message, key) => {
      const answer = begun[key];
      return answer?.kind === "renewed" && answer.epoch !== undefined ? { ...message, epoch: answer.epoch } : message;
    });
    for (const answer of this.core.sync(reports, this.nowMs)) expect(answer.kind).toBe("closed");
  }

  private messages(seq: number, more: Partial<SyncMessage>): SyncMessage[] {
    return Array.from({ length: KEYS }, (_, key) => ({
      session: `lease-${this.leases}-${key}`,
      seq,
      secret: [{ pepperId: "p", hash: `hash-${key}` }],
      spent: NOTHING,
      lines: [],
      keep: NOTHING,
      runningNanoUsd: nanoUsd(0),
      waitingNanoUsd: nanoUsd(0),
      want: { min: NOTHING, least: NOTHING, target: NOTHING, unit: NOTHING },
      ...more,
    }));
  }
}

test("the hot row of an account with 50 busy keys stays under 32 KB, and its rows are few", () => {
  const account = new BusyAccount();
  const minutes = 6 * 60;
  let largest = 0;
  for (let minute = 0; minute < minutes; minute += 1) {
    account.minute();
    largest = Math.max(largest, account.storage.readHot()?.length ?? 0);
  }
  expect(largest).toBeLessThan(HOT_BYTES_MAX);
  // Two hot rows a minute, and what moves out of them: a segment every second minute, the statement's page an hour.
  expect(account.storage.writes).toBeLessThan(minutes * 2.6 + 2 * KEYS + 20);
});

test("history folds to hours, days and months, and its sum stays the ledger's to the nano-dollar", () => {
  const account = new BusyAccount();
  for (let minute = 0; minute < 180; minute += 1) account.minute();
  const segments = () => account.storage.readSegments(0, Number.MAX_SAFE_INTEGER);
  const check = () =>
    account.core.turn(account.nowMs, (ledger) => {
      expect(usageTotalNanoUsd(ledger)).toBe(ledger.books.totals.chargedNanoUsd);
      expect(ledger.books.totals.chargedNanoUsd).toBe(180 * KEYS * 1600);
      return true;
    });
  const cellsIn = () =>
    segments().reduce((sum, { body }) => sum + (JSON.parse(body) as { cells: unknown[] }).cells.length, 0);
  const before = cellsIn();
  for (const [days, level] of [
    [2, "hour"],
    [40, "day"],
    [500, "month"],
  ] as const) {
    account.nowMs = START_MS + days * 86_400_000;
    while (account.core.turn(account.nowMs, (ledger) => foldHistory(ledger.storage, account.nowMs)) === true);
    expect(new Set(segments().map((segment) => segment.level))).toEqual(new Set([level]));
    check();
  }
  expect(before).toBeGreaterThan(8000);
  expect(cellsIn()).toBe(KEYS);
});
