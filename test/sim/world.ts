// The world of a plan: one account object, several isolates with their own clocks, a network that loses, doubles,
// delays and reorders messages, and machines that stop. steps.ts applies one step at a time; invariants.ts checks the
// world after each. The code under test is real: AccountCore on the object's side, KeyLease on the isolates'.

import type { AccountCore } from "../../edge/ledger/account-core.ts";
import * as acts from "../../edge/ledger/acts.ts";
import * as keyActs from "../../edge/keys/key-acts.ts";
import type { Ledger } from "../../edge/ledger/ledger.ts";
import { KeyLease } from "../../edge/wallet/key-lease.ts";
import type { StrictTerms } from "../../edge/wallet/lease-types.ts";
import { StrictLease } from "../../edge/wallet/strict-lease.ts";
import { sealHours } from "../../edge/ledger/seals.ts";
import { DEFAULT_SETTINGS } from "../../edge/ledger/settings.ts";
import type { LedgerSettings } from "../../edge/ledger/settings.ts";
import type { SecretHash, SyncAnswer, SyncMessage } from "../../edge/ledger/types.ts";
import { foldHistory } from "../../edge/ledger/usage-history.ts";
import { must } from "../../shared/assert.ts";
import { idFromBytes } from "../../shared/ids.ts";
import type { KeyId } from "../../shared/ids.ts";
import { nanoUsd } from "../../shared/money.ts";
import { Batches } from "./batches.ts";
import { newIsolate } from "./isolate.ts";
import type { Isolate } from "./isolate.ts";
import { Stopped } from "./memory-storage.ts";
import type { StoppableStorage } from "./memory-storage.ts";
import type { Plan } from "./plan.ts";
import { Replays } from "./replays.ts";
import { Timeliness } from "./timeliness.ts";

const ACCOUNT_ID = idFromBytes("account", new Uint8Array(10));
const START_MS = Date.UTC(2026, 0, 31, 23, 50);
const LEASE_SETTINGS = {
  syncWindowMs: 1000,
  busySyncWindowMs: 2000,
  leaseTtlMs: DEFAULT_SETTINGS.leaseTtlMs,
};

export type MakeCore = (
  storage: StoppableStorage,
  settings: LedgerSettings,
  newIncarnation: () => string,
) => AccountCore;

interface Letter {
  readonly isolate: Isolate;
  readonly lease: KeyLease;
  readonly message: SyncMessage;
}

interface Reply {
  readonly isolate: Isolate;
  readonly lease: KeyLease;
  readonly message: SyncMessage;
  readonly answer: SyncAnswer;
}

interface SimKey {
  id: KeyId;
  hash: SecretHash;
}

/** One use of a limit, at its true time, for the rate check. */
export interface UseEvent {
  readonly key: number;
  readonly requests: number;
  readonly tokens: number;
}

export class World {
  readonly plan: Plan;
  readonly storage: StoppableStorage;
  readonly settings: LedgerSettings;
  core: AccountCore;
  nowMs = START_MS;
  readonly isolates: Isolate[];
  readonly network: Letter[] = [];
  readonly replies: Reply[] = [];
  readonly keys: SimKey[] = [];
  /** Uses since the last rate check. */
  uses: UseEvent[] = [];
  readonly timeliness = new Timeliness();
  /** Changes after which a check no longer makes sense. */
  ratesChanged = false;
  capsChanged = false;
  monthChanged = false;
  /** Whether all messages since the last check arrived while their lease was in force. */
  allTimely = true;
  readonly replays = new Replays();
  readonly batches = new Batches();
  /** The first wrong answer under an idempotency key, in words. */
  wrongReplay: string | undefined;
  /** Charges of strict calls whose last answer never arrived: they may or may not have been made. */
  strictMaybeNanoUsd = 0;
  private readonly makeCore: MakeCore;
  private names = 0;

  constructor(plan: Plan, storage: StoppableStorage, makeCore: MakeCore, settings: LedgerSettings = DEFAULT_SETTINGS) {
    this.plan = plan;
    this.storage = storage;
    this.makeCore = makeCore;
    this.settings = settings;
    this.core = this.newCore();
    this.isolates = Array.from({ length: plan.terms.isolates }, (_, index) => newIsolate(plan.seed + index));
    this.setUp();
  }

  isolateNow(isolate: Isolate): number {
    const elapsedMs = this.nowMs - START_MS;
    return START_MS + isolate.offsetMs + elapsedMs + Math.floor((elapsedMs * isolate.driftMsPerS) / 1000);
  }

  /** Reads the ledger as it is, without a tick. */
  look<Result>(read: (ledger: Ledger) => Result): Result {
    const stop = this.storage.stopAfterWrites;
    this.storage.stopAfterWrites = undefined;
    try {
      return must(this.core.turn(this.nowMs, read), "the account is set up");
    } finally {
      this.storage.stopAfterWrites = stop;
    }
  }

  /** The object is evicted or crashes: what is not written is lost. */
  crashObject(): void {
    this.core = this.newCore();
  }

  fold(): void {
    this.attempt((ledger) => foldHistory(ledger.storage, this.nowMs));
  }

  /** Somebody asks for the statement's roots. */
  seal(): void {
    this.attempt((ledger) => sealHours(ledger, this.nowMs));
  }

  /** Delivers up to `count` messages, from position `at` on, as one group. */
  deliver(at: number, count: number): void {
    const letters: Letter[] = [];
    while (letters.length < count && this.network.length > 0) letters.push(must(take(this.network, at), "letter"));
    if (letters.length === 0) return;
    this.allTimely &&= letters.every(({ message }) => this.timeliness.isTimely(message, this.nowMs));
    let answers: SyncAnswer[];
    try {
      answers = this.core.sync(
        letters.map(({ message }) => message),
        this.nowMs,
      );
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      return; // the messages are lost with the machine
    }
    for (const [index, letter] of letters.entries()) {
      const answer = must(answers[index], "an answer for each message");
      if (answer.kind === "renewed") {
        const endMs = this.nowMs + answer.ttlMs + this.settings.leaseMarginMs;
        this.timeliness.noteRenewed(letter.message, this.nowMs, endMs, answer.held);
      }
      this.noteStrict(letter, answer);
      this.wrongReplay ??= this.replays.check(letter.message, answer, this.nowMs);
      this.replies.push({ ...letter, answer });
    }
  }

  private noteStrict({ isolate, lease, message }: Letter, answer: SyncAnswer): void {
    const call = isolate.strict.find((one) => one.lease === lease);
    if (call === undefined || call.applied || answer.kind !== "closed" || message.idempotency?.kind !== "finish")
      return;
    call.applied = true;
    this.uses.push({ key: call.accountKey, requests: 1, tokens: message.spent.tokens });
  }

  /** Delivers an answer; undefined: there was none, or its isolate is gone. calls.ts continues from there. */
  takeReply(at: number): Reply | undefined {
    const reply = take(this.replies, at);
    if (reply === undefined || !reply.isolate.alive) return undefined;
    reply.lease.receive(reply.message, reply.answer, this.isolateNow(reply.isolate));
    return reply;
  }

  /** Sends the due message of one isolate's lease; `force` sends a renewal even if none is due. */
  sendFrom(isolate: Isolate, lease: KeyLease, force: boolean): boolean {
    const nowMs = this.isolateNow(isolate);
    const strict = isolate.strict.find((call) => call.lease === lease);
    const close = strict?.closeSoon === true;
    const due = lease.dueAtMs(nowMs);
    if (lease.closed || (!force && !close && strict?.state !== "finishing" && (due === undefined || due > nowMs)))
      return false;
    if (strict !== undefined && strict.state === "running" && !close) return false;
    this.network.push({ isolate, lease, message: lease.compose(nowMs, close) });
    return true;
  }

  private setUp(): void {
    const { terms } = this.plan;
    this.core.setUp({ accountId: ACCOUNT_ID, name: "sim" }, this.nowMs, (ledger) => {
      ledger.limits = {
        requestsPerMinute: terms.requestsPerMinute,
        tokensPerMinute: terms.tokensPerMinute,
        ...(terms.monthlyNanoUsd === undefined ? {} : { monthlyNanoUsd: nanoUsd(terms.monthlyNanoUsd) }),
      };
      if (terms.firstGrantNanoUsd > 0) {
        const amountNanoUsd = nanoUsd(terms.firstGrantNanoUsd);
        acts.grant(ledger, { id: "first", kind: "free", amountNanoUsd }, "sim", this.nowMs);
      }
      for (const [index, cap] of terms.caps.entries()) this.addKey(ledger, cap, terms.keyRequestsPerMinute[index]);
    });
  }

  addKey(ledger: Ledger, cap: number | undefined, requestsPerMinute: number | undefined): SimKey {
    const key = { id: keyIdOf(this.nextName()), hash: this.newHash() };
    const terms: keyActs.KeyTerms = {
      name: "sim",
      scopes: ["embeddings"],
      cache: "standard",
      ...(cap === undefined ? {} : { capNanoUsd: nanoUsd(cap), capReset: "day" }),
      ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    };
    keyActs.addKey(ledger, { id: key.id, prefix: "gr-…", secret: key.hash, terms }, "sim", this.nowMs);
    this.keys.push(key);
    return key;
  }

  newLease(isolate: Isolate, key: number): KeyLease {
    const { hash } = must(this.keys[key], "key");
    const lease = new KeyLease([hash], LEASE_SETTINGS, () => `lease-${this.nextName()}`);
    isolate.all.push(lease);
    return lease;
  }

  newStrictLease(isolate: Isolate, key: number, begin: StrictTerms): StrictLease {
    const { hash } = must(this.keys[key], "key");
    const lease = new StrictLease([hash], LEASE_SETTINGS, () => `lease-${this.nextName()}`, begin);
    isolate.all.push(lease);
    return lease;
  }

  pickIsolate(chance: number): Isolate | undefined {
    const alive = this.isolates.filter((isolate) => isolate.alive);
    return alive[chance % Math.max(1, alive.length)];
  }

  /** Runs a turn; false: the machine stopped, and the turn had no effect. */
  attempt(work: (ledger: Ledger) => unknown): boolean {
    const keys = this.keys.slice();
    try {
      this.core.turn(this.nowMs, (ledger) => {
        work(ledger);
        return true;
      });
      return true;
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      this.keys.splice(0, this.keys.length, ...keys);
      return false;
    }
  }

  private newCore(): AccountCore {
    return this.makeCore(this.storage, this.settings, () => `life-${this.nextName()}`);
  }

  newHash(): SecretHash {
    return { pepperId: "pepper", hash: `hash-${this.nextName()}` };
  }

  nextName(): number {
    this.names += 1;
    return this.names;
  }
}

function keyIdOf(name: number): KeyId {
  const bytes = new Uint8Array(10);
  new DataView(bytes.buffer).setUint32(6, name);
  return idFromBytes("key", bytes);
}

export function take<Item>(list: Item[], at: number): Item | undefined {
  return list.length === 0 ? undefined : list.splice(at % list.length, 1)[0];
}
