// Wrong ledgers, which prove that the simulation can fail.

import { AccountCore } from "../../edge/ledger/account-core.ts";
import { ZERO, amount } from "../../edge/ledger/amount.ts";
import type { Lease } from "../../edge/ledger/lease-table.ts";
import type { Ledger } from "../../edge/ledger/ledger.ts";
import type { StatementPage } from "../../edge/ledger/storage.ts";
import type { SyncAnswer, SyncMessage } from "../../edge/ledger/types.ts";
import { must } from "../../shared/assert.ts";
import { MemoryStorage } from "./memory-storage.ts";
import { REAL } from "./run.ts";
import type { Rig } from "./run.ts";
import type { MakeCore } from "./world.ts";

/** Empties every lease at once. Isolates learn of it at their next report, so it is rarely caught. */
class Forgetful extends AccountCore {
  override sync(messages: readonly SyncMessage[], nowMs: number): SyncAnswer[] {
    this.turn(nowMs, ({ leases }) => {
      for (const [id, lease] of Array.from(leases.entries())) leases.put(id, { ...lease, held: ZERO });
      return true;
    });
    return super.sync(messages, nowMs);
  }
}

export const FORGETFUL: Rig = {
  ...REAL,
  makeCore: (storage, settings, newIncarnation) => new Forgetful(storage, settings, newIncarnation),
};

/** Checks the credit without counting other leases. */
class CheckThenAdd extends AccountCore {
  override sync(messages: readonly SyncMessage[], nowMs: number): SyncAnswer[] {
    return messages.flatMap((message) => {
      const hidden = new Map<string, Lease>();
      this.turn(nowMs, ({ leases }) => {
        for (const id of [...leases.ids()].filter((other) => other !== message.session)) {
          hidden.set(id, must(leases.get(id), "a lease by its id"));
          leases.remove(id);
        }
        return true;
      });
      const answers = super.sync([message], nowMs);
      this.turn(nowMs, ({ leases }) => {
        for (const [id, lease] of hidden) leases.put(id, lease);
        return true;
      });
      return answers;
    });
  }
}

export const CHECK_THEN_ADD: Rig = {
  ...REAL,
  makeCore: (storage, settings, newIncarnation) => new CheckThenAdd(storage, settings, newIncarnation),
};

/** Knows the running idempotency keys but not the charged ones. */
class NoAnswers extends MemoryStorage {
  override readAnswer(): undefined {
    return undefined;
  }
}

export const FORGETS_KEYS: Rig = { ...REAL, storage: () => new NoAnswers() };

/** Changes the amount of a posted charge when the next page is posted. */
class RewritesHistory extends MemoryStorage {
  override putStatementPage(page: StatementPage): void {
    const [last] = this.readStatementPages(page.first, 1);
    if (last !== undefined)
      super.putStatementPage({ ...last, body: last.body.replace(/("amountNanoUsd":-\d*)\d/, "$17") });
    super.putStatementPage(page);
  }
}

export const REWRITES_HISTORY: Rig = { ...REAL, storage: () => new RewritesHistory() };

/** Holds leased credit until the isolate returns, which it may never do. */
export const ESCROW_WITHOUT_EXPIRY: Rig = {
  ...REAL,
  settings: { ...REAL.settings, leaseMarginMs: 100 * 365 * 86_400_000 },
};

/** Does something wrong in the first turn of each instance. */
abstract class BadWaker extends AccountCore {
  private isAwake = false;

  override turn<Result>(nowMs: number, work: (ledger: Ledger) => Result): Result | undefined {
    return super.turn(nowMs, (ledger) => {
      if (!this.isAwake) this.wake(ledger, nowMs);
      this.isAwake = true;
      return work(ledger);
    });
  }

  protected abstract wake(ledger: Ledger, nowMs: number): void;
}

/** Prolongs every lease at each wake, and also holds an allowance of a thirty-second of everything free. */
class RecallsAgain extends BadWaker {
  protected override wake(ledger: Ledger, nowMs: number): void {
    const { leases, settings, limits } = ledger;
    const expiresAtMs = nowMs + settings.leaseTtlMs + settings.leaseMarginMs;
    for (const [id, lease] of Array.from(leases.entries())) leases.put(id, { ...lease, expiresAtMs });
    const { grantableNanoUsd } = ledger.funds(nowMs);
    const share = amount(
      Math.floor(grantableNanoUsd / 32),
      Math.floor(limits.requestsPerMinute / 32),
      Math.floor(limits.tokensPerMinute / 32),
    );
    const [key] = ledger.keys.live;
    if (key !== undefined) leases.put(`phantom:${nowMs}`, { keyId: key.id, held: share, expiresAtMs });
    ledger.requests.take(share.requests);
    ledger.tokens.take(share.tokens);
  }
}

export const RECALLS_AGAIN: MakeCore = (...parts) => new RecallsAgain(...parts);

/** At each wake, takes from the buckets what leases hold, although it was taken when they were granted. */
class TakesTwice extends BadWaker {
  protected override wake({ leases, requests, tokens }: Ledger): void {
    requests.take(leases.total.requests);
    tokens.take(leases.total.tokens);
  }
}

export const TAKES_TWICE: MakeCore = (...parts) => new TakesTwice(...parts);

/** Remembers each lease for ten minutes, even if it has ended, and at most eight. */
class TableFills extends AccountCore {
  private readonly seenAtMs = new Map<string, number>();

  override sync(messages: readonly SyncMessage[], nowMs: number): SyncAnswer[] {
    return messages.flatMap((message) => {
      for (const [id, atMs] of this.seenAtMs) if (atMs + 600_000 < nowMs) this.seenAtMs.delete(id);
      if (!this.seenAtMs.has(message.session) && this.seenAtMs.size >= 8) return [{ kind: "busy", seq: message.seq }];
      this.seenAtMs.set(message.session, nowMs);
      return super.sync([message], nowMs);
    });
  }
}

export const TABLE_FILLS: MakeCore = (...parts) => new TableFills(...parts);

/** Not wrong: built again from its rows for every turn. */
class AlwaysWoken extends AccountCore {
  override turn<Result>(nowMs: number, work: (ledger: Ledger) => Result): Result | undefined {
    this.forget();
    return super.turn(nowMs, work);
  }
}

export const ALWAYS_WOKEN: MakeCore = (...parts) => new AlwaysWoken(...parts);
