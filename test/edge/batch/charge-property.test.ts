// Batches on the ledger under all faults: abandoned attempts, late and doubled messages, crashes of the object between
// turns and in the middle of one, passing time, grants and refunds. Pure: the ledger over storage in memory.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { AccountCore } from "../../../edge/ledger/account-core.ts";
import * as acts from "../../../edge/ledger/acts.ts";
import { chargeBatch, reserveBatch } from "../../../edge/ledger/batch-charge.ts";
import type { BatchAttempt, BatchCharge } from "../../../edge/ledger/batch-charge.ts";
import { addKey } from "../../../edge/keys/key-acts.ts";
import type { Ledger } from "../../../edge/ledger/ledger.ts";
import { DEFAULT_SETTINGS } from "../../../edge/ledger/settings.ts";
import { viewAccount } from "../../../edge/account/views.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MemoryStorage, Stopped } from "../../sim/memory-storage.ts";
import { ALL_SCOPES, MODEL } from "../account/support.ts";

type Act =
  | { readonly kind: "reserve"; readonly batch: number; readonly need: number }
  /** A charge by an earlier attempt: `ago` 0 is the current one. */
  | { readonly kind: "charge"; readonly batch: number; readonly ago: number; readonly share: number }
  | { readonly kind: "next slice"; readonly batch: number }
  | { readonly kind: "crash" }
  | { readonly kind: "crash in the next turn"; readonly afterWrites: number }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "refund"; readonly amount: number };

const BATCHES = 3;
const CREDIT = 50_000;
const batch = fc.nat(BATCHES - 1);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant("reserve" as const), batch, need: fc.nat(20_000) }),
  fc.record({ kind: fc.constant("charge" as const), batch, ago: fc.nat(2), share: fc.nat(100) }),
  fc.record({ kind: fc.constant("next slice" as const), batch }),
  fc.constant({ kind: "crash" as const }),
  fc.record({ kind: fc.constant("crash in the next turn" as const), afterWrites: fc.nat(3) }),
  fc.record({ kind: fc.constant("time" as const), ms: fc.constantFrom(1, 1000, 40_000, 100_000) }),
  fc.record({ kind: fc.constant("refund" as const), amount: fc.nat(5000) }),
);

/** One account with a key, its batches, and the test's own record of what is true. */
class World {
  readonly storage = new MemoryStorage();
  readonly keyId = newId("key");
  nowMs = Date.UTC(2026, 10, 24);
  readonly slices = Array.from({ length: BATCHES }, () => 0);
  attempt = 0;
  /** Per batch: attempts at its current slice, newest first, and what each reserved. */
  readonly attempts: { attempt: BatchAttempt; need: number }[][] = Array.from({ length: BATCHES }, () => []);
  /** What was charged for each slice. */
  readonly paid = new Map<string, number>();
  refunds = 0;
  private lives = 0;
  private core = this.newCore();

  constructor() {
    const account = { accountId: newId("account"), name: "Test" };
    const grant = { id: "first", kind: "paid" as const, amountNanoUsd: nanoUsd(CREDIT) };
    const secret = { pepperId: "pepper", hash: "hash" };
    this.core.setUp(account, this.nowMs, (ledger) => {
      acts.grant(ledger, grant, "test", this.nowMs);
      addKey(ledger, { id: this.keyId, prefix: "gr-", secret, terms: ALL_SCOPES }, "test", this.nowMs);
    });
  }

  private newCore(): AccountCore {
    this.lives += 1;
    let names = 0;
    return new AccountCore(this.storage, DEFAULT_SETTINGS, () => `life ${this.lives}.${names++}`);
  }

  /** Undefined: the machine stopped in the middle, and the turn had no effect. */
  turn<Result>(work: (ledger: Ledger) => Result): Result | undefined {
    try {
      return this.core.turn(this.nowMs, work);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      this.storage.stopAfterWrites = undefined;
      this.core = this.newCore();
      return undefined;
    }
  }

  do(next: Act): void {
    switch (next.kind) {
      case "reserve":
        return this.reserve(next.batch, next.need);
      case "charge":
        return this.charge(next.batch, next.ago, next.share);
      case "next slice":
        this.slices[next.batch] = (this.slices[next.batch] ?? 0) + 1;
        this.attempts[next.batch] = [];
        return undefined;
      case "crash":
        this.core = this.newCore();
        return undefined;
      case "crash in the next turn":
        this.storage.stopAfterWrites = next.afterWrites;
        return undefined;
      case "time":
        this.nowMs += next.ms;
        return undefined;
      case "refund":
        this.refunds += 1;
        this.turn((ledger) => {
          const refund = { id: `${this.refunds}`, kind: "refund" as const, amountNanoUsd: nanoUsd(next.amount) };
          acts.takeBack(ledger, refund, "test", this.nowMs);
          acts.setStatus(ledger, "active", "test", this.nowMs);
        });
        return undefined;
    }
  }

  private reserve(index: number, need: number): void {
    this.attempt += 1;
    const attempt = { batchId: `b${index}`, slice: this.slices[index] ?? 0, attempt: this.attempt, keyId: this.keyId };
    const uses = { scopes: ["batches"], models: [] } as const;
    const outcome = this.turn((ledger) => reserveBatch(ledger, { ...attempt, uses }, nanoUsd(need), this.nowMs));
    if (outcome?.kind === "reserved") this.attempts[index]?.unshift({ attempt, need });
    // An earlier attempt was charged, so the test must know of that charge.
    if (outcome?.kind === "charged") expect(this.paid.has(keyOf(attempt))).toBe(true);
  }

  private charge(index: number, ago: number, share: number): void {
    const made = this.attempts[index]?.[ago];
    if (made === undefined) return;
    const cost = Math.floor((made.need * share) / 100);
    const outcome = this.turn((ledger) => chargeBatch(ledger, chargeOf(made.attempt, cost), this.nowMs));
    const key = keyOf(made.attempt);
    if (outcome?.kind !== "charged" || this.paid.has(key)) return;
    // Only the newest attempt may charge; a late charge of nothing is allowed.
    if (cost > 0) expect(ago).toBe(0);
    expect(outcome.receipt).toBe(`${made.attempt.attempt}`);
    this.paid.set(key, cost);
  }

  check(): void {
    const view = this.turn((ledger) => viewAccount(ledger, this.nowMs));
    if (view === undefined) return;
    const paid = [...this.paid.values()].reduce((sum, cost) => sum + cost, 0);
    expect(view.chargedNanoUsd).toBe(paid);
    expect(view.balanceNanoUsd).toBe(CREDIT - paid - view.refundedNanoUsd);
    expect(view.heldNanoUsd).toBeLessThanOrEqual(view.balanceNanoUsd);
    expect(view.balanceNanoUsd).toBeGreaterThanOrEqual(0);
  }
}

function keyOf({ batchId, slice }: BatchAttempt): string {
  return `${batchId} ${slice}`;
}

function chargeOf(attempt: BatchAttempt, cost: number): BatchCharge {
  const line = {
    model: MODEL,
    tier: "batch" as const,
    minute: 0,
    requests: 1,
    tokens: 1,
    cachedTokens: 0,
    costNanoUsd: nanoUsd(cost),
    savedNanoUsd: nanoUsd(0),
    errors4xx: 0,
    errors5xx: 0,
    latency: {},
  };
  return { ...attempt, costNanoUsd: nanoUsd(cost), lines: [line], receipt: `${attempt.attempt}` };
}

test("no slice is charged twice or by an abandoned attempt, and the held credit never exceeds the balance", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60, size: "max" }), (plan) => {
      const world = new World();
      for (const next of plan) {
        world.do(next);
        world.check();
      }
      // At rest every reservation expires, even after a last crash.
      for (let rounds = 0; rounds < 3; rounds += 1) {
        world.nowMs += 600_000;
        world.check();
      }
      expect(world.turn((ledger) => viewAccount(ledger, world.nowMs))?.heldNanoUsd).toBe(0);
    }),
    { numRuns: 150 },
  );
});
