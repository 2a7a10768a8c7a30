// The world of a plan: one account object, several isolates with clocks of their own, a network that loses, doubles,
// delays and reorders, and machines that stop. Everything happens in `apply`, one step at a time; invariants.ts looks
// at the world after each. The code under test is the real one: AccountCore on the object's side, LeaseSession on the
// isolates'.

import type { AccountCore } from "../../edge/ledger/account-core.ts";
import * as acts from "../../edge/ledger/acts.ts";
import { amount } from "../../edge/ledger/amount.ts";
import * as keyActs from "../../edge/keys/key-acts.ts";
import type { Ledger } from "../../edge/ledger/ledger.ts";
import { LeaseSession } from "../../edge/wallet/lease-session.ts";
import { DEFAULT_SETTINGS } from "../../edge/ledger/settings.ts";
import type { LedgerSettings } from "../../edge/ledger/settings.ts";
import type { SecretHash, SyncAnswer, SyncMessage } from "../../edge/ledger/types.ts";
import { foldHistory } from "../../edge/ledger/usage-history.ts";
import { must } from "../../shared/assert.ts";
import { idFromBytes } from "../../shared/ids.ts";
import type { KeyId } from "../../shared/ids.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { Batches } from "./batches.ts";
import * as calls from "./calls.ts";
import { MODEL, newIsolate } from "./isolate.ts";
import type { Isolate } from "./isolate.ts";
import { Stopped } from "./memory-storage.ts";
import type { StoppableStorage } from "./memory-storage.ts";
import * as operator from "./operator.ts";
import type { Plan, Step } from "./plan.ts";
import { Replays } from "./replays.ts";
import { Timeliness } from "./timeliness.ts";

const ACCOUNT_ID = idFromBytes("account", new Uint8Array(10));
const START_MS = Date.UTC(2026, 0, 31, 23, 50);
const SESSION_SETTINGS = {
  syncWindowMs: 1000,
  busySyncWindowMs: 2000,
  leaseTtlMs: DEFAULT_SETTINGS.leaseTtlMs,
};

/** An object that hears nothing for so long is evicted. */
const IDLE_MS = 10_000;

export type MakeCore = (
  storage: StoppableStorage,
  settings: LedgerSettings,
  newIncarnation: () => string,
) => AccountCore;

interface Letter {
  readonly isolate: Isolate;
  readonly session: LeaseSession;
  readonly message: SyncMessage;
}

interface Reply {
  readonly isolate: Isolate;
  readonly session: LeaseSession;
  readonly message: SyncMessage;
  readonly answer: SyncAnswer;
}

interface SimKey {
  id: KeyId;
  hash: SecretHash;
}

/** One unit of limited use, by true time: what the rate check counts. */
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
  /** Uses since the last look of the rate check. */
  uses: UseEvent[] = [];
  readonly timeliness = new Timeliness();
  /** What changed and makes a check meaningless from then on. */
  ratesChanged = false;
  capsChanged = false;
  monthChanged = false;
  /** Whether all messages since the last look came while the lease they report on was in force. */
  allTimely = true;
  readonly replays = new Replays();
  readonly batches = new Batches();
  /** What an answer under an idempotency key got wrong. */
  wrongReplay: string | undefined;
  /** Charges that strict calls may or may not have caused: their last answer never came. */
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

  /** One step; those that mean nothing now do nothing. */
  apply(step: Step): void {
    this.handlers[step.kind](step);
  }

  isolateNow(isolate: Isolate): number {
    const elapsedMs = this.nowMs - START_MS;
    return START_MS + isolate.offsetMs + elapsedMs + Math.floor((elapsedMs * isolate.driftMsPerS) / 1000);
  }

  /** Reads the ledger as it is, without letting time pass in it. */
  look<Result>(read: (ledger: Ledger) => Result): Result {
    const stop = this.storage.stopAfterWrites;
    this.storage.stopAfterWrites = undefined;
    try {
      return must(this.core.turn(this.nowMs, read), "the account is set up");
    } finally {
      this.storage.stopAfterWrites = stop;
    }
  }

  private readonly handlers: Record<Step["kind"], (step: Step) => void> = {
    call: (step) => calls.startCall(this, step),
    settle: (step) => calls.endWork(this, step, true),
    fail: (step) => calls.endWork(this, step, false),
    send: (step) => this.send(step),
    deliver: (step) => this.deliver(step.a, 1 + (step.b % 3)),
    answer: (step) => this.answer(step.a),
    drop: (step) => void (step.b % 2 === 0 ? take(this.network, step.a) : take(this.replies, step.a)),
    double: (step) => {
      const letter = this.network[step.a % Math.max(1, this.network.length)];
      if (letter !== undefined) this.network.push(letter);
    },
    pass: (step) => this.pass(step),
    crash_object: () => this.crashObject(),
    stop_mid_turn: (step) => {
      this.storage.stopAfterWrites = step.a % 3;
    },
    crash_isolate: (step) => this.crashIsolate(step),
    grant: (step) => operator.grant(this, step),
    take_back: (step) => operator.takeBack(this, step),
    status: (step) => operator.setStatus(this, step.a % 3 === 0),
    key: (step) => operator.changeKey(this, step),
    limits: (step) => operator.changeLimits(this, step),
    strict: (step) => calls.strictCall(this, step),
    finish: (step) => calls.finishStrict(this, step),
    fold: () => this.fold(),
    batch: (step) => this.batches.step(this, step),
  };

  /** The object is evicted, or it crashes: what is not written is gone. */
  crashObject(): void {
    this.core = this.newCore();
  }

  fold(): void {
    this.attempt((ledger) => foldHistory(ledger.storage, this.nowMs));
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

  private noteStrict({ isolate, session, message }: Letter, answer: SyncAnswer): void {
    const call = isolate.strict.find((one) => one.session === session);
    if (call === undefined || call.applied || answer.kind !== "closed" || message.idempotency?.kind !== "finish")
      return;
    call.applied = true;
    this.uses.push({ key: call.accountKey, requests: 1, tokens: message.spent.tokens });
  }

  answer(at: number): void {
    const reply = take(this.replies, at);
    if (reply === undefined || !reply.isolate.alive) return;
    reply.session.receive(reply.message, reply.answer, this.isolateNow(reply.isolate));
    calls.afterAnswer(this, reply.isolate, reply.session);
  }

  /** Sends what is due of one isolate's session; `force` sends a renewal even if nothing is due. */
  sendFrom(isolate: Isolate, session: LeaseSession, force: boolean): boolean {
    const nowMs = this.isolateNow(isolate);
    const strict = isolate.strict.find((call) => call.session === session);
    const close = strict?.closeSoon === true;
    const due = session.dueAtMs(nowMs);
    if (session.closed || (!force && !close && strict?.state !== "finishing" && (due === undefined || due > nowMs)))
      return false;
    if (strict !== undefined && strict.state === "running" && !close) return false;
    this.network.push({ isolate, session, message: session.compose(nowMs, close) });
    return true;
  }

  /**
   * One call for `value` with the first key, alone in the world. Answers whether it was admitted and charged;
   * undefined where the key's own bounds forbid it.
   */
  callForAll(value: NanoUsd): boolean | undefined {
    const isolate = newIsolate(0);
    this.isolates.push(isolate);
    const record = this.look((ledger) => ledger.keys.get(must(this.keys[0], "key").id) ?? null);
    if (record?.capNanoUsd !== undefined) return undefined;
    const session = this.newSession(isolate, 0);
    const waiter = session.enqueue(amount(value, 1, 1), MODEL, "interactive", this.isolateNow(isolate));
    this.exchange(isolate, session);
    if (waiter.work === undefined) return false;
    const settlement = {
      model: MODEL,
      tokens: 1,
      cachedTokens: 0,
      costNanoUsd: value,
      savedNanoUsd: nanoUsd(0),
      latencyMs: 1,
    };
    const outcome = session.settle(waiter.work, settlement, this.isolateNow(isolate));
    isolate.chargedNanoUsd += value;
    this.exchange(isolate, session);
    return outcome === "charged";
  }

  /** One message of `session` and its answer, past all others; `copied` leaves a copy of it on the way. */
  exchange(isolate: Isolate, session: LeaseSession, copied = false): void {
    if (!this.sendFrom(isolate, session, true)) return;
    const letter = must(this.network.at(-1), "what was just sent");
    if (copied) this.network.push(letter);
    this.deliver(this.network.length - 1, 1);
    if (this.replies.at(-1)?.message === letter.message) this.answer(this.replies.length - 1);
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

  private send({ a, b, c }: Step): void {
    const isolate = this.pickIsolate(a);
    if (isolate === undefined) return;
    const sessions = [...isolate.sessions.values(), ...isolate.strict.map(({ session }) => session)];
    const session = sessions[b % Math.max(1, sessions.length)];
    if (session !== undefined) this.sendFrom(isolate, session, c % 4 === 0);
  }

  private pass({ a, b }: Step): void {
    const kinds = [500, 500, 5000, 5000, 20_000, 40_000, 200_000, 1_500_000, 4_000_000, 60 * 86_400_000];
    const limit = must(kinds[a % 100 === 0 ? 9 : a % 9], "span");
    const spanMs = b % limit;
    this.nowMs += spanMs;
    if (spanMs >= IDLE_MS) this.crashObject();
  }

  private crashIsolate({ a }: Step): void {
    const isolate = this.pickIsolate(a);
    if (isolate === undefined) return;
    isolate.alive = false;
    this.isolates.push(newIsolate(a));
  }

  newSession(isolate: Isolate, key: number, strict?: ConstructorParameters<typeof LeaseSession>[3]): LeaseSession {
    const { hash } = must(this.keys[key], "key");
    const session = new LeaseSession([hash], SESSION_SETTINGS, () => `session-${this.nextName()}`, strict);
    isolate.all.push(session);
    return session;
  }

  pickIsolate(chance: number): Isolate | undefined {
    const alive = this.isolates.filter((isolate) => isolate.alive);
    return alive[chance % Math.max(1, alive.length)];
  }

  /** A turn that may meet a stopping machine: then it never happened, and the answer is false. */
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

function take<Item>(list: Item[], at: number): Item | undefined {
  return list.length === 0 ? undefined : list.splice(at % list.length, 1)[0];
}
