// The books' bound of revenue lost with an isolate: counted once, and zero as long as no isolate dies.

import { expect, test } from "vitest";
import { AccountCore } from "../../../edge/ledger/account-core.ts";
import { grant } from "../../../edge/ledger/acts.ts";
import { amount } from "../../../edge/ledger/amount.ts";
import { addKey } from "../../../edge/keys/key-acts.ts";
import { KeyLease } from "../../../edge/wallet/key-lease.ts";
import type { Work } from "../../../edge/wallet/lease-types.ts";
import { DEFAULT_SETTINGS } from "../../../edge/ledger/settings.ts";
import { viewAccount } from "../../../edge/account/views.ts";
import { WALLET_SETTINGS } from "../../../edge/wallet/wallet.ts";
import { must } from "../../../shared/assert.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MemoryStorage } from "../../sim/memory-storage.ts";
import { settlement } from "../account/support.ts";

const SECRET = { pepperId: "p", hash: "hash" };
const NEED = amount(8000, 1, 1000);
const FORGOTTEN_MS = DEFAULT_SETTINGS.leaseTtlMs + 60_000;

/** An account and one isolate's lease of it, with their own clock. */
class Pair {
  readonly storage = new MemoryStorage();
  core = this.newCore();
  nowMs = Date.UTC(2026, 5, 1);
  readonly lease = new KeyLease([SECRET], WALLET_SETTINGS, () => "lease");

  constructor() {
    this.core.setUp({ accountId: newId("account"), name: "Test" }, this.nowMs, (ledger) => {
      grant(ledger, { id: "g", kind: "paid", amountNanoUsd: nanoUsd(1e9) }, "test", this.nowMs);
      const terms = { name: "key", scopes: ["embeddings" as const], cache: "standard" as const };
      addKey(ledger, { id: newId("key"), prefix: "gr-…", secret: SECRET, terms }, "test", this.nowMs);
    });
  }

  exchange(): void {
    const message = this.lease.compose(this.nowMs);
    this.lease.receive(message, must(this.core.sync([message], this.nowMs)[0], "answer"), this.nowMs);
  }

  begin(): Work {
    const waiter = this.lease.enqueue(NEED, "owner/model", "interactive", this.nowMs);
    this.exchange();
    this.lease.leaveQueue(waiter);
    return must(waiter.work, "admitted work");
  }

  crash(): void {
    this.core = this.newCore();
  }

  books() {
    return must(
      this.core.turn(this.nowMs, (ledger) => viewAccount(ledger, this.nowMs)),
      "account",
    );
  }

  private newCore(): AccountCore {
    return new AccountCore(this.storage, DEFAULT_SETTINGS, () => crypto.randomUUID());
  }
}

test("calls that ran when their isolate died are counted at their bound, once", () => {
  const pair = new Pair();
  pair.begin();
  pair.nowMs += 1000;
  expect(pair.books().lostBoundNanoUsd).toBe(0);
  pair.nowMs += FORGOTTEN_MS;
  expect(pair.books()).toMatchObject({ lostBoundNanoUsd: 8000, chargedNanoUsd: 0, heldNanoUsd: 0 });
  pair.nowMs += FORGOTTEN_MS;
  expect(pair.books().lostBoundNanoUsd).toBe(8000);
});

test("an isolate that has reported all its calls loses nothing when it dies", () => {
  const pair = new Pair();
  for (const work of [pair.begin(), pair.begin()]) pair.lease.settle(work, settlement(500), pair.nowMs);
  pair.lease.release(pair.begin(), { status: 500 }, pair.nowMs);
  pair.exchange();
  pair.nowMs += FORGOTTEN_MS;
  expect(pair.books()).toMatchObject({ lostBoundNanoUsd: 0, chargedNanoUsd: 8000 });
});

test("a call that was running at its isolate's last message is at risk", () => {
  const pair = new Pair();
  pair.lease.settle(pair.begin(), settlement(500), pair.nowMs);
  pair.begin();
  pair.exchange();
  pair.nowMs += FORGOTTEN_MS;
  expect(pair.books()).toMatchObject({ lostBoundNanoUsd: 8000, chargedNanoUsd: 4000 });
});

test("a report that is too late to be sent safely is counted once", () => {
  const pair = new Pair();
  pair.lease.settle(pair.begin(), settlement(500), pair.nowMs);
  pair.lease.compose(pair.nowMs); // lost: the isolate's network is down
  pair.nowMs += FORGOTTEN_MS + DEFAULT_SETTINGS.leaseTtlMs;
  pair.exchange(); // unknown lease: the object may have applied the message
  const before = pair.books().lostBoundNanoUsd;
  for (let message = 0; message < 4; message += 1) pair.exchange();
  expect(pair.books()).toMatchObject({ lostBoundNanoUsd: before + 4000, chargedNanoUsd: 0 });
});

test("the count survives a crash of the object", () => {
  const pair = new Pair();
  pair.lease.settle(pair.begin(), settlement(500), pair.nowMs);
  pair.begin();
  pair.exchange(); // a report: the hot row is written with it
  pair.crash();
  pair.nowMs += FORGOTTEN_MS;
  expect(pair.books().lostBoundNanoUsd).toBe(8000);
  pair.core.turn(pair.nowMs, (ledger) => ledger.touch());
  pair.crash();
  expect(pair.books().lostBoundNanoUsd).toBe(8000);
});
