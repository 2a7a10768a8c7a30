// Two ledgers that are known to be wrong, so that the simulation is known to be able to fail.

import { AccountCore } from "../../edge/account/account-core.ts";
import type { SyncAnswer, SyncMessage } from "../../edge/account/types.ts";
import { REAL } from "./run.ts";
import type { Rig } from "./run.ts";

/** Looks whether the credit is there and forgets that others were promised it: every lease is let go at once. */
class CheckThenAdd extends AccountCore {
  override sync(messages: readonly SyncMessage[], nowMs: number): SyncAnswer[] {
    this.turn(nowMs, (ledger) => {
      for (const id of ledger.leases.ids()) ledger.leases.remove(id);
      return true;
    });
    return super.sync(messages, nowMs);
  }
}

export const CHECK_THEN_ADD: Rig = {
  ...REAL,
  makeCore: (storage, settings, newIncarnation) => new CheckThenAdd(storage, settings, newIncarnation),
};

/** Holds what was leased until the isolate comes back, which it may never do. */
export const ESCROW_WITHOUT_EXPIRY: Rig = {
  ...REAL,
  settings: { ...REAL.settings, leaseMarginMs: 100 * 365 * 86_400_000 },
};
