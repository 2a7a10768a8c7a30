// Builds the Worker's wallet: stubs from the namespace, hashes under the configured peppers, the isolate's clock.

import type { AccountObject } from "../account/account.ts";
import type { Clock } from "./lease-driver.ts";
import type { Peppers } from "../keys/secret-hash.ts";
import type { AccountStub } from "../ledger/types.ts";
import { LeaseWallet, WALLET_SETTINGS } from "./wallet.ts";
import { describeError, writeLog } from "../lib/log.ts";
import { encodeBase62 } from "../../shared/base62.ts";

const LEASE_ID_BYTES = 10;

/** One per isolate. */
export function createWallet(namespace: DurableObjectNamespace<AccountObject>, peppers: Peppers): LeaseWallet {
  return new LeaseWallet({
    stubOf: (accountId) => loggedStub(namespace.get(namespace.idFromName(accountId))),
    hashesOf: (secret) => peppers.hashes(secret),
    newLeaseId: () => encodeBase62(crypto.getRandomValues(new Uint8Array(LEASE_ID_BYTES))),
    clock: isolateClock(),
    settings: WALLET_SETTINGS,
  });
}

/** The caller only learns that the ledger did not answer; the log gets the reason. */
function loggedStub(stub: AccountStub): AccountStub {
  return {
    async sync(message) {
      try {
        return await stub.sync(message);
      } catch (error) {
        writeLog({ level: "error", event: "ledger_sync_failed", ...describeError(error) });
        throw error;
      }
    },
  };
}

/** A Worker's clock stands still while code runs, and may be set back: `nowMs` never goes back. */
function isolateClock(): Clock {
  let latestMs = 0;
  return {
    nowMs() {
      latestMs = Math.max(latestMs, Date.now());
      return latestMs;
    },
    sleep(ms) {
      let wake = (): void => undefined;
      const done = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const timer = setTimeout(wake, ms);
      return {
        done,
        cancel() {
          clearTimeout(timer);
          wake();
        },
      };
    },
  };
}
