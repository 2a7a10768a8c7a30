// The real wallets and the real ledger in virtual time. The account's object is evicted after ten seconds without a
// message and built again from its rows; a replaced isolate sends nothing more.

import { AccountCore } from "../../edge/ledger/account-core.ts";
import * as acts from "../../edge/ledger/acts.ts";
import * as keyActs from "../../edge/keys/key-acts.ts";
import type { Ledger } from "../../edge/ledger/ledger.ts";
import { DEFAULT_SETTINGS } from "../../edge/ledger/settings.ts";
import type { SecretHash, SyncAnswer, SyncMessage } from "../../edge/ledger/types.ts";
import { LeaseWallet, WALLET_SETTINGS } from "../../edge/wallet/wallet.ts";
import type { AdmitResult } from "../../edge/wallet/wallet-types.ts";
import { must } from "../../shared/assert.ts";
import { idFromBytes } from "../../shared/ids.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import { nanoUsd } from "../../shared/money.ts";
import { VirtualTime } from "./virtual-time.ts";
import { MODEL, NANO_USD_PER_TOKEN } from "./isolate.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { MakeCore } from "./world.ts";

const ACCOUNT_ID = idFromBytes("account", new Uint8Array(10));
const START_MS = Date.UTC(2026, 0, 1);
/** An object is evicted after this long without a message. */
const IDLE_MS = 10_000;
const NETWORK_MS = 20;
const CALL_MS = 40;

export interface ServiceTerms {
  readonly keys: number;
  readonly grantNanoUsd: number;
  /** The first key's cap. */
  readonly capNanoUsd?: number | undefined;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
}

export const REAL_CORE: MakeCore = (storage, settings, newIncarnation) =>
  new AccountCore(storage, settings, newIncarnation);

export class ServiceWorld {
  readonly time = new VirtualTime(START_MS);
  readonly storage = new MemoryStorage();
  /** The total that served calls were charged. */
  chargedNanoUsd = 0;
  /** The largest hot row that was ever written, in bytes. */
  hotBytesMax = 0;
  messages = 0;
  private readonly keys: ParsedKey[] = [];
  private readonly makeCore: MakeCore;
  private core: AccountCore;
  private lives = 0;
  private names = 0;
  private heardAtMs = START_MS;

  constructor(terms: ServiceTerms, makeCore: MakeCore = REAL_CORE) {
    this.makeCore = makeCore;
    this.core = this.newCore();
    this.core.setUp({ accountId: ACCOUNT_ID, name: "service" }, START_MS, (ledger) => {
      const { requestsPerMinute, tokensPerMinute } = terms;
      ledger.limits = { requestsPerMinute, tokensPerMinute };
      if (terms.grantNanoUsd > 0) {
        acts.grant(ledger, { id: "g", kind: "free", amountNanoUsd: nanoUsd(terms.grantNanoUsd) }, "sim", START_MS);
      }
      for (let key = 0; key < terms.keys; key += 1) this.addKey(ledger, key === 0 ? terms.capNanoUsd : undefined);
    });
  }

  newIsolate(): ServiceIsolate {
    return new ServiceIsolate(this);
  }

  key(index: number): ParsedKey {
    return must(this.keys[index], "key");
  }

  /** The ledger as an object that wakes now has it. Reading it does not count as a message. */
  look<Result>(read: (ledger: Ledger) => Result): Result {
    return must(
      this.newCore().turn(this.time.nowMs(), (ledger) => {
        ledger.tick(this.time.nowMs());
        return read(ledger);
      }),
      "the account is set up",
    );
  }

  /** The hot row that an object with `row` writes if it wakes now. */
  rowAfterWake(row: string): string {
    const storage = new MemoryStorage();
    storage.writeHot(row);
    for (const key of this.storage.readKeys()) storage.putKey(key);
    const nowMs = this.time.nowMs();
    this.makeCore(storage, DEFAULT_SETTINGS, () => "life").turn(nowMs, (ledger) => {
      ledger.tick(nowMs);
      ledger.touch();
    });
    return must(storage.readHot(), "the row");
  }

  async deliver(message: SyncMessage): Promise<SyncAnswer> {
    await this.time.sleep(NETWORK_MS).done;
    const nowMs = this.time.nowMs();
    if (nowMs - this.heardAtMs >= IDLE_MS) this.core = this.newCore();
    this.heardAtMs = nowMs;
    this.messages += 1;
    const [answer] = this.core.sync([message], nowMs);
    this.hotBytesMax = Math.max(this.hotBytesMax, this.storage.readHot()?.length ?? 0);
    await this.time.sleep(NETWORK_MS).done;
    return must(answer, "an answer");
  }

  nextName(): number {
    this.names += 1;
    return this.names;
  }

  private newCore(): AccountCore {
    this.lives += 1;
    const life = this.lives;
    return this.makeCore(this.storage, DEFAULT_SETTINGS, () => `life-${life}`);
  }

  private addKey(ledger: Ledger, capNanoUsd: number | undefined): void {
    const bytes = new Uint8Array(20);
    new DataView(bytes.buffer).setUint32(0, this.keys.length + 1);
    const id = idFromBytes("key", bytes.subarray(0, 10));
    const terms = {
      name: "key",
      scopes: ["embeddings" as const],
      cache: "standard" as const,
      ...(capNanoUsd === undefined ? {} : { capNanoUsd: nanoUsd(capNanoUsd) }),
    };
    keyActs.addKey(ledger, { id, prefix: "gr-…", secret: hashOf(bytes), terms }, "sim", START_MS);
    this.keys.push({ accountId: ACCOUNT_ID, secret: bytes });
  }
}

/** One isolate's wallet. */
export class ServiceIsolate {
  readonly wallet: LeaseWallet;
  private readonly world: ServiceWorld;
  private alive = true;

  constructor(world: ServiceWorld) {
    this.world = world;
    const { time } = world;
    this.wallet = new LeaseWallet({
      stubOf: () => ({ sync: (message) => (this.alive ? world.deliver(message) : never()) }),
      hashesOf: (secret) => Promise.resolve([hashOf(secret)]),
      newLeaseId: () => `lease-${world.nextName()}`,
      clock: {
        nowMs: () => time.nowMs(),
        sleep: (ms) => (this.alive ? time.sleep(ms) : { done: never(), cancel: () => undefined }),
      },
      settings: WALLET_SETTINGS,
    });
  }

  die(): void {
    this.alive = false;
  }

  /** Makes one call. An admitted call takes CALL_MS and costs `tokens`. */
  async call(key: number, bound: number, tokens: number): Promise<AdmitResult> {
    const { world } = this;
    const result = await this.wallet.admit({
      key: world.key(key),
      scope: "embeddings",
      model: MODEL,
      ip: "203.0.113.7",
      tier: "interactive",
      boundTokens: bound,
      boundNanoUsd: nanoUsd(bound * NANO_USD_PER_TOKEN),
      leastNanoUsd: nanoUsd(NANO_USD_PER_TOKEN),
      exact: () => Promise.resolve({ tokens, nanoUsd: nanoUsd(tokens * NANO_USD_PER_TOKEN) }),
      waitUntil: () => undefined,
    });
    if (result.kind === "refused") return result;
    await world.time.sleep(CALL_MS).done;
    const costNanoUsd = nanoUsd(tokens * NANO_USD_PER_TOKEN);
    const settlement = {
      model: MODEL,
      tokens,
      cachedTokens: 0,
      costNanoUsd,
      savedNanoUsd: nanoUsd(0),
      latencyMs: CALL_MS,
    };
    if (result.admission.settle(settlement) === "charged") world.chargedNanoUsd += costNanoUsd;
    return result;
  }
}

function hashOf(secret: Uint8Array): SecretHash {
  return { pepperId: "p", hash: String(new DataView(secret.buffer, secret.byteOffset).getUint32(0)) };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
