// Shared by the account's tests: an account in the real Durable Object, and a wallet with its own clock.

import { env } from "cloudflare:test";
import type { CreatedKey } from "../../../edge/account/account-keys.ts";
import type { KeyTerms } from "../../../edge/keys/key-acts.ts";
import { Peppers } from "../../../edge/keys/secret-hash.ts";
import type { Clock } from "../../../edge/wallet/lease-driver.ts";
import type { AccountStub, SecretHash, SyncMessage } from "../../../edge/ledger/types.ts";
import type { Admission, AdmitRequest, AdmitResult, Settlement } from "../../../edge/wallet/wallet-types.ts";
import { LeaseWallet, WALLET_SETTINGS } from "../../../edge/wallet/wallet.ts";
import { encodeBase62 } from "../../../shared/base62.ts";
import { importHmacKey } from "../../../shared/hmac.ts";
import { newId } from "../../../shared/ids.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { parseKey } from "../../../shared/keys.ts";
import type { ParsedKey } from "../../../shared/keys.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { SleepersClock } from "../../support/sleepers.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";

export const MODEL = "owner/model";

export const ALL_SCOPES: KeyTerms = {
  name: "test",
  scopes: ["embeddings", "rerank", "batches", "usage:read", "keys:write", "account:write"],
  cache: "standard",
};

export interface TestAccount {
  readonly id: AccountId;
  /** A new stub each time, because a stub whose object crashed stays broken. */
  readonly stub: ReturnType<typeof env.ACCOUNT.get>;
  readonly key: ParsedKey;
  readonly created: CreatedKey;
}

/** A new account with `credit` nano-USD and one key. */
export async function openAccount(credit: number, terms: Partial<KeyTerms> = {}): Promise<TestAccount> {
  const id = newId("account");
  const stub = stubOf(id);
  const grant = credit > 0 ? { id: "first", kind: "free" as const, amountNanoUsd: nanoUsd(credit) } : undefined;
  await stub.setUp({ accountId: id, name: "Test" }, grant, "test");
  const created = await stub.createKey(id, { ...ALL_SCOPES, ...terms }, "test");
  if (typeof created !== "object" || !("key" in created)) throw new Error(`no key: ${JSON.stringify(created)}`);
  return {
    id,
    get stub() {
      return stubOf(id);
    },
    key: await parsed(created.key),
    created,
  };
}

export function stubOf(id: AccountId): TestAccount["stub"] {
  return env.ACCOUNT.get(env.ACCOUNT.idFromName(id));
}

export async function parsed(text: string): Promise<ParsedKey> {
  const key = await parseKey(text, [await importHmacKey(TEST_BINDINGS.KEY_TAG_SECRET)]);
  if (key === undefined) throw new Error("the key does not parse");
  return key;
}

export function hashesOf(key: ParsedKey): Promise<SecretHash[]> {
  return new Peppers([TEST_BINDINGS.KEY_PEPPER]).hashes(key.secret);
}

/** A clock that the test moves: sleepers wake when it passes them, and it waits for their calls to the object. */
class TestClock extends SleepersClock implements Clock {
  constructor() {
    super(Date.now());
  }

  /** Lets `ms` pass and wakes the sleepers. */
  async pass(ms: number): Promise<void> {
    this.now += ms;
    for (const sleeper of this.sleepers) {
      if (sleeper.atMs > this.now) continue;
      this.sleepers.delete(sleeper);
      sleeper.wake();
    }
    await this.quiet();
  }

  /** Waits until no promise is ready and no call to the object is in flight. */
  private async quiet(): Promise<void> {
    for (let still = 0; still < QUIET_TURNS; still = this.inFlight > 0 ? 0 : still + 1) await nextTurn();
  }
}

/** Turns of the event loop without a message in flight, after which everything that was ready has run. */
const QUIET_TURNS = 3;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}

/** A wallet whose clock, network and background work the test controls. */
export class TestIsolate {
  readonly clock = new TestClock();
  readonly background: Promise<unknown>[] = [];
  readonly sent: SyncMessage[] = [];
  readonly wallet: LeaseWallet;
  /** Replaces the call to the object. */
  intercept: ((message: SyncMessage, stub: AccountStub) => ReturnType<AccountStub["sync"]>) | undefined;

  constructor() {
    const peppers = new Peppers([TEST_BINDINGS.KEY_PEPPER]);
    this.wallet = new LeaseWallet({
      stubOf: (accountId) => ({ sync: (message) => this.sync(accountId, message) }),
      hashesOf: (secret) => peppers.hashes(secret),
      newLeaseId: () => encodeBase62(crypto.getRandomValues(new Uint8Array(10))),
      clock: this.clock,
      settings: WALLET_SETTINGS,
    });
  }

  admit(account: TestAccount, tokens: number, more: Partial<AdmitRequest> = {}): Promise<AdmitResult> {
    return Promise.resolve(this.wallet.admit(this.request(account, tokens, more)));
  }

  request(account: TestAccount, tokens: number, more: Partial<AdmitRequest> = {}): AdmitRequest {
    return {
      key: account.key,
      scope: "embeddings",
      model: MODEL,
      ip: "203.0.113.7",
      tier: "interactive",
      boundTokens: tokens,
      boundNanoUsd: nanoUsd(tokens * 8),
      leastNanoUsd: nanoUsd(8),
      exact: () => Promise.resolve({ tokens, nanoUsd: nanoUsd(tokens * 8) }),
      waitUntil: (work) => this.background.push(work),
      ...more,
    };
  }

  /** Lets the sync window pass, so that due reports are sent, and waits for all background work. */
  async report(): Promise<void> {
    await this.clock.pass(WALLET_SETTINGS.busySyncWindowMs);
    await Promise.all(this.background.splice(0));
  }

  private async sync(accountId: AccountId, message: SyncMessage): ReturnType<AccountStub["sync"]> {
    this.sent.push(message);
    const object: AccountStub = stubOf(accountId);
    const stub: AccountStub = { sync: (asked) => this.clock.during(object.sync(asked)) };
    return this.intercept === undefined ? stub.sync(message) : this.intercept(message, stub);
  }
}

export function settlement(tokens: number): Settlement {
  return {
    model: MODEL,
    tokens,
    cachedTokens: 0,
    costNanoUsd: nanoUsd(tokens * 8),
    savedNanoUsd: nanoUsd(0),
    latencyMs: 20,
  };
}

export function admissionOf(result: AdmitResult): Admission {
  if (result.kind !== "admitted") throw new Error(`refused: ${JSON.stringify(result.refusal)}`);
  return result.admission;
}
