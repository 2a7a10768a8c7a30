// Four ledgers that are known to be wrong, so that the simulation is known to be able to fail.

import { AccountCore } from "../../edge/account/account-core.ts";
import type { Lease } from "../../edge/account/lease-table.ts";
import type { SyncAnswer, SyncMessage } from "../../edge/account/types.ts";
import type { IdempotencyRow } from "../../edge/account/storage.ts";
import { must } from "../../shared/assert.ts";
import { MemoryStorage } from "./memory-storage.ts";
import { REAL } from "./run.ts";
import type { Rig } from "./run.ts";

/** Forgets what it promised: every lease is let go at once. Isolates are told at their next report, so it is caught seldom. */
class Forgetful extends AccountCore {
  override sync(messages: readonly SyncMessage[], nowMs: number): SyncAnswer[] {
    this.turn(nowMs, (ledger) => {
      for (const id of ledger.leases.ids()) ledger.leases.remove(id);
      return true;
    });
    return super.sync(messages, nowMs);
  }
}

export const FORGETFUL: Rig = {
  ...REAL,
  makeCore: (storage, settings, newIncarnation) => new Forgetful(storage, settings, newIncarnation),
};

/** Looks whether the credit is there and forgets that others were promised it: their leases do not count while it looks. */
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

/** Knows which idempotency keys are running, not which were charged. */
class NoDoneKeys extends MemoryStorage {
  override readIdempotency(route: string, key: string): IdempotencyRow | undefined {
    const row = super.readIdempotency(route, key);
    return row?.done === true ? undefined : row;
  }
}

export const FORGETS_KEYS: Rig = { ...REAL, storage: () => new NoDoneKeys() };

/** Holds what was leased until the isolate comes back, which it may never do. */
export const ESCROW_WITHOUT_EXPIRY: Rig = {
  ...REAL,
  settings: { ...REAL.settings, leaseMarginMs: 100 * 365 * 86_400_000 },
};
