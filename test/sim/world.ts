// The world of a plan: one account object, several isolates with clocks of their own, a network that loses, doubles,
// delays and reorders, and machines that stop. Everything happens in `apply`, one step at a time; invariants.ts looks
// at the world after each. The code under test is the real one: AccountCore on the object's side, LeaseSession on the
// isolates'.

import { AccountCore } from "../../edge/account/account-core.ts";
import * as acts from "../../edge/account/acts.ts";
import { amount, covers } from "../../edge/account/amount.ts";
import * as keyActs from "../../edge/account/key-acts.ts";
import type { Ledger } from "../../edge/account/ledger.ts";
import { LeaseSession } from "../../edge/account/lease-session.ts";
import type { Waiter, Work } from "../../edge/account/session-types.ts";
import { DEFAULT_SETTINGS } from "../../edge/account/settings.ts";
import type { LedgerSettings } from "../../edge/account/settings.ts";
import type { Amount, SecretHash, SyncAnswer, SyncMessage } from "../../edge/account/types.ts";
import { foldHistory } from "../../edge/account/usage-history.ts";
import { must } from "../../shared/assert.ts";
import { idFromBytes } from "../../shared/ids.ts";
import type { KeyId } from "../../shared/ids.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { Stopped } from "./memory-storage.ts";
import type { StoppableStorage } from "./memory-storage.ts";
import type { Plan, Step } from "./plan.ts";

export const ACCOUNT_ID = idFromBytes("account", new Uint8Array(10));
/** One token's price in the simulation: the production price, 8,000,000 per million. */
export const NANO_USD_PER_TOKEN = 8;
const MODEL = "owner/model";
const START_MS = Date.UTC(2026, 0, 31, 23, 50);
const SESSION_SETTINGS = { syncWindowMs: 1000, sessionMemoryMs: DEFAULT_SETTINGS.sessionMemoryMs };
const STRICT_LIFE_MS = 70_000;

export type MakeCore = (
  storage: StoppableStorage,
  settings: LedgerSettings,
  newIncarnation: () => string,
) => AccountCore;

/** A call that runs in an isolate. */
interface Running {
  readonly session: LeaseSession;
  readonly work: Work;
  readonly key: number;
  readonly tokens: number;
  readonly strict: StrictCall | undefined;
}

interface Queued {
  readonly session: LeaseSession;
  readonly waiter: Waiter;
  readonly key: number;
  readonly tokens: number;
  readonly afterComposed: number;
  readonly strict: StrictCall | undefined;
}

export interface StrictCall {
  readonly session: LeaseSession;
  readonly key: string;
  costNanoUsd: number;
  state: "asking" | "running" | "finishing" | "over";
  closeSoon: boolean;
}

export interface Isolate {
  alive: boolean;
  readonly offsetMs: number;
  /** Its clock gains this much per second of true time. */
  readonly driftMsPerS: number;
  readonly sessions: Map<number, LeaseSession>;
  /** Every session it ever had. */
  readonly all: LeaseSession[];
  readonly queued: Queued[];
  readonly running: Running[];
  readonly strict: StrictCall[];
  /** Settled as charged here, in all. */
  chargedNanoUsd: number;
}

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
  /** Until when the object holds each session's lease, as far as the world knows. */
  readonly leaseEnds = new Map<string, { readonly seq: number; readonly endMs: number }>();
  /** Sessions that took over from a lost one, whose lease their first report speaks of. */
  private readonly predecessors = new Map<string, string>();
  /** Sessions that were told of less than they kept: a message had been so late that their lease was over. */
  private readonly broken = new Set<string>();
  /** What changed and makes a check meaningless from then on. */
  ratesChanged = false;
  capsChanged = false;
  monthChanged = false;
  /** Whether all messages since the last look came while the lease they report on was in force. */
  allTimely = true;
  /** Strict calls that the object closed as finished: idempotency key → session → true time. */
  readonly finished = new Map<string, Map<string, number>>();
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
    call: (step) => this.call(step),
    settle: (step) => this.endWork(step, true),
    fail: (step) => this.endWork(step, false),
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
    grant: (step) => this.grant(step),
    take_back: (step) => this.takeBack(step),
    status: (step) => this.setStatus(step.a % 3 === 0),
    key: (step) => this.changeKey(step),
    limits: (step) => this.changeLimits(step),
    strict: (step) => this.strictCall(step),
    finish: (step) => this.finishStrict(step),
    fold: () => this.fold(),
  };

  crashObject(): void {
    this.core = this.newCore();
  }

  setStatus(suspended: boolean): void {
    this.attempt((ledger) => acts.setStatus(ledger, suspended ? "suspended" : "active", "sim", this.nowMs));
  }

  fold(): void {
    this.attempt((ledger) => foldHistory(ledger.storage, this.nowMs));
  }

  /** Delivers up to `count` messages, from position `at` on, as one group. */
  deliver(at: number, count: number): void {
    const letters: Letter[] = [];
    while (letters.length < count && this.network.length > 0) letters.push(must(take(this.network, at), "letter"));
    if (letters.length === 0) return;
    this.allTimely &&= letters.every(({ message }) => this.isTimely(message));
    let answers: SyncAnswer[];
    try {
      answers = this.core.sync(
        letters.map(({ message }) => message),
        this.nowMs,
      );
    } catch (error) {
      if (error instanceof Stopped) return; // the messages are lost with the machine
      throw error;
    }
    for (const [index, letter] of letters.entries()) {
      const answer = must(answers[index], "an answer for each message");
      if (answer.kind === "renewed") this.noteRenewed(letter.message, answer.ttlMs, answer.held);
      this.noteFinished(letter.message, answer);
      this.replies.push({ ...letter, answer });
    }
  }

  /** Whether the lease that covers the message's report is in force at the object. */
  private isTimely({ session, seq }: SyncMessage): boolean {
    const before = seq === 2 ? this.predecessors.get(session) : undefined;
    if (before !== undefined && !(this.inForce(before) && !this.broken.has(before))) return false;
    return this.inForce(session) && !this.broken.has(session);
  }

  private noteFinished({ session, idempotency }: SyncMessage, answer: SyncAnswer): void {
    if (answer.kind !== "closed" || idempotency?.kind !== "finish") return;
    const sessions = this.finished.get(idempotency.key) ?? new Map<string, number>();
    this.finished.set(idempotency.key, sessions);
    if (!sessions.has(session)) sessions.set(session, this.nowMs);
  }

  private inForce(session: string): boolean {
    return (this.leaseEnds.get(session)?.endMs ?? 0) > this.nowMs;
  }

  private noteRenewed({ session, seq, keep }: SyncMessage, ttlMs: number, held: Amount): void {
    if (!covers(held, keep)) this.broken.add(session);
    if (seq <= (this.leaseEnds.get(session)?.seq ?? 0)) return; // a copy renews nothing
    this.leaseEnds.set(session, { seq, endMs: this.nowMs + ttlMs + this.settings.leaseMarginMs });
  }

  answer(at: number): void {
    const reply = take(this.replies, at);
    if (reply === undefined || !reply.isolate.alive) return;
    reply.session.receive(reply.message, reply.answer, this.isolateNow(reply.isolate));
    this.afterAnswer(reply.isolate, reply.session);
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

  endRunning(isolate: Isolate, running: Running, success: boolean): void {
    isolate.running.splice(isolate.running.indexOf(running), 1);
    const nowMs = this.isolateNow(isolate);
    const { session, work, tokens, strict } = running;
    if (!success) {
      session.release(work, { status: 500, latencyMs: 12 }, nowMs);
      if (strict !== undefined) strict.closeSoon = true;
      return;
    }
    const cost = nanoUsd(tokens * NANO_USD_PER_TOKEN);
    const settlement = {
      model: MODEL,
      tokens,
      cachedTokens: 0,
      costNanoUsd: cost,
      savedNanoUsd: nanoUsd(0),
      latencyMs: 80,
    };
    const outcome = session.settle(work, settlement, nowMs);
    if (outcome === "lapsed") return;
    this.uses.push({ key: running.key, requests: 0, tokens });
    if (strict === undefined) {
      isolate.chargedNanoUsd += cost;
      return;
    }
    strict.costNanoUsd = cost;
    strict.state = "finishing";
    this.strictMaybeNanoUsd += cost;
    session.finishWith({
      kind: "finish",
      route: "/v1/embeddings",
      key: strict.key,
      stored: { meta: "{}", vectors: new Uint8Array(4) },
    });
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
    const waiter = session.enqueue(amount(value, 1, 1), MODEL, "standard", this.isolateNow(isolate));
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

  private exchange(isolate: Isolate, session: LeaseSession): void {
    this.sendFrom(isolate, session, true);
    while (this.network.length > 0) this.deliver(0, 1);
    while (this.replies.length > 0) this.answer(0);
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

  private addKey(ledger: Ledger, cap: number | undefined, requestsPerMinute: number | undefined): SimKey {
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

  private call({ a, b, c }: Step): void {
    const isolate = this.pickIsolate(a);
    if (isolate === undefined) return;
    const key = b % this.plan.terms.caps.length;
    const session = this.sessionOf(isolate, key);
    const bound = 1 + ((c >>> 8) % (c % 5 === 0 ? 400 : 60));
    const need = amount(bound * NANO_USD_PER_TOKEN, 1, bound);
    const tokens = 1 + ((c >>> 16) % bound);
    const nowMs = this.isolateNow(isolate);
    const work = session.isCurrent(nowMs) ? session.take(need, MODEL, "standard", nowMs) : undefined;
    if (work !== undefined) this.start(isolate, { session, work, key, tokens, strict: undefined });
    else this.queue(isolate, session, bound, key, tokens, undefined);
  }

  private queue(
    isolate: Isolate,
    session: LeaseSession,
    bound: number,
    key: number,
    tokens: number,
    strict: StrictCall | undefined,
  ): void {
    const waiter = session.enqueue(
      amount(bound * NANO_USD_PER_TOKEN, 1, bound),
      MODEL,
      "standard",
      this.isolateNow(isolate),
    );
    isolate.queued.push({ session, waiter, key, tokens, afterComposed: session.composed, strict });
  }

  private start(isolate: Isolate, running: Running): void {
    isolate.running.push(running);
    this.uses.push({ key: running.key, requests: 1, tokens: 0 });
  }

  private endWork({ a, b }: Step, success: boolean): void {
    const isolate = this.pickIsolate(a);
    if (isolate === undefined || isolate.running.length === 0) return;
    this.endRunning(isolate, must(isolate.running[b % isolate.running.length], "running call"), success);
  }

  private send({ a, b, c }: Step): void {
    const isolate = this.pickIsolate(a);
    if (isolate === undefined) return;
    const sessions = [...isolate.sessions.values(), ...isolate.strict.map(({ session }) => session)];
    const session = sessions[b % Math.max(1, sessions.length)];
    if (session !== undefined) this.sendFrom(isolate, session, c % 4 === 0);
  }

  /** What a wallet does when an answer has come: calls start or are refused. */
  private afterAnswer(isolate: Isolate, session: LeaseSession): void {
    for (const queued of isolate.queued.filter((one) => one.session === session)) {
      const { waiter, key, tokens, strict } = queued;
      const settled =
        waiter.work !== undefined || session.answered > queued.afterComposed || session.ended !== undefined;
      if (!settled) continue;
      isolate.queued.splice(isolate.queued.indexOf(queued), 1);
      session.leaveQueue(waiter);
      if (waiter.work !== undefined) {
        if (strict !== undefined) strict.state = "running";
        this.start(isolate, { session, work: waiter.work, key, tokens, strict });
      } else if (strict !== undefined) strict.state = "over";
    }
    const strict = isolate.strict.find((call) => call.session === session);
    if (strict === undefined || !session.closed || strict.state === "over") return;
    if (strict.state === "finishing" && !session.closedUnknown) {
      this.strictMaybeNanoUsd -= strict.costNanoUsd;
      isolate.chargedNanoUsd += strict.costNanoUsd;
    }
    strict.state = "over";
  }

  private pass({ a, b }: Step): void {
    const kinds = [500, 500, 5000, 5000, 20_000, 40_000, 200_000, 1_500_000, 4_000_000, 60 * 86_400_000];
    const limit = must(kinds[a % 100 === 0 ? 9 : a % 9], "span");
    this.nowMs += b % limit;
  }

  private crashIsolate({ a }: Step): void {
    const isolate = this.pickIsolate(a);
    if (isolate === undefined) return;
    isolate.alive = false;
    this.isolates.push(newIsolate(a));
  }

  private grant({ a, b, c }: Step): void {
    const kind = must((["free", "paid", "promo"] as const)[a % 3], "kind");
    const expiry = b % 2 === 0 ? {} : { expiresAtMs: this.nowMs + (b % 300_000) };
    const input: acts.GrantInput = { id: `grant-${c % 6}`, kind, amountNanoUsd: nanoUsd(1 + (c % 9000)), ...expiry };
    this.attempt((ledger) => acts.grant(ledger, input, "sim", this.nowMs));
  }

  private takeBack({ a, b }: Step): void {
    const kind = a % 2 === 0 ? "refund" : "dispute";
    const input: acts.RefundInput = { id: `back-${b % 4}`, kind, amountNanoUsd: nanoUsd(1 + (b % 6000)) };
    this.attempt((ledger) => acts.takeBack(ledger, input, "sim", this.nowMs));
  }

  private changeKey({ a, b }: Step): void {
    const index = b % this.plan.terms.caps.length;
    const key = must(this.keys[index], "key");
    switch (a % 3) {
      case 0: {
        this.attempt((ledger) => {
          keyActs.revokeKey(ledger, key.id, "sim", this.nowMs);
          const { caps, keyRequestsPerMinute } = this.plan.terms;
          const fresh = this.addKey(ledger, caps[index], keyRequestsPerMinute[index]);
          this.keys.pop();
          this.keys[index] = fresh;
        });
        this.ratesChanged = true; // a new key has buckets of its own
        break;
      }
      case 1: {
        const hash = this.newHash();
        const fresh = { prefix: "gr-…", secret: hash, overlapMs: b % 20_000 };
        this.attempt((ledger) => {
          keyActs.rotateKey(ledger, key.id, fresh, "sim", this.nowMs);
          this.keys[index] = { id: key.id, hash };
        });
        break;
      }
      default: {
        this.capsChanged = true;
        this.attempt((ledger) =>
          keyActs.patchKey(ledger, key.id, { capNanoUsd: nanoUsd(b % 4000) }, "sim", this.nowMs),
        );
      }
    }
  }

  private changeLimits({ a, b }: Step): void {
    this.ratesChanged = true;
    this.monthChanged = true;
    const monthlyNanoUsd: NanoUsd | null = b % 3 === 0 ? null : nanoUsd(b % 5000);
    const patch: acts.LimitsPatch = { requestsPerMinute: 1 + (a % 600), monthlyNanoUsd };
    this.attempt((ledger) => acts.setLimits(ledger, patch, "sim", this.nowMs));
  }

  private strictCall({ a, b, c }: Step): void {
    const isolate = this.pickIsolate(a);
    if (isolate === undefined) return;
    const key = b % this.plan.terms.caps.length;
    const name = `idempotent-${c % 8 === 0 ? 1 : 0}`;
    const begin = { kind: "begin", route: "/v1/embeddings", key: name, bodyHash: "hash" } as const;
    const session = this.newSession(isolate, key, { lifeMs: STRICT_LIFE_MS, begin });
    const strict: StrictCall = { session, key: name, costNanoUsd: 0, state: "asking", closeSoon: false };
    isolate.strict.push(strict);
    const bound = 1 + ((c >>> 8) % 50);
    this.queue(isolate, session, bound, key, 1 + ((c >>> 16) % bound), strict);
  }

  private finishStrict({ a, b }: Step): void {
    const isolate = this.pickIsolate(a);
    const running = isolate?.running.filter(({ strict }) => strict !== undefined) ?? [];
    const one = running[b % Math.max(1, running.length)];
    if (isolate !== undefined && one !== undefined) this.endRunning(isolate, one, b % 5 !== 0);
  }

  private sessionOf(isolate: Isolate, key: number): LeaseSession {
    const known = isolate.sessions.get(key);
    const over = known === undefined || known.closed || (known.ended !== undefined && !known.hasUnsent);
    if (!over) return known;
    const session = this.newSession(isolate, key);
    isolate.sessions.set(key, session);
    return session;
  }

  private newSession(
    isolate: Isolate,
    key: number,
    strict?: ConstructorParameters<typeof LeaseSession>[3],
  ): LeaseSession {
    const { hash } = must(this.keys[key], "key");
    let previous: string | undefined;
    const newId = (): string => {
      const id = `session-${this.nextName()}`;
      if (previous !== undefined) this.predecessors.set(id, previous);
      previous = id;
      return id;
    };
    const session = new LeaseSession([hash], SESSION_SETTINGS, newId, strict);
    isolate.all.push(session);
    return session;
  }

  private pickIsolate(chance: number): Isolate | undefined {
    const alive = this.isolates.filter((isolate) => isolate.alive);
    return alive[chance % Math.max(1, alive.length)];
  }

  /** A turn that may meet a stopping machine: then it never happened. */
  private attempt(work: (ledger: Ledger) => unknown): void {
    const keys = this.keys.slice();
    try {
      this.core.turn(this.nowMs, (ledger) => {
        work(ledger);
        return true;
      });
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      this.keys.splice(0, this.keys.length, ...keys);
    }
  }

  private newCore(): AccountCore {
    return this.makeCore(this.storage, this.settings, () => `life-${this.nextName()}`);
  }

  private newHash(): SecretHash {
    return { pepperId: "pepper", hash: `hash-${this.nextName()}` };
  }

  private nextName(): number {
    this.names += 1;
    return this.names;
  }
}

function newIsolate(chance: number): Isolate {
  return {
    alive: true,
    offsetMs: (chance % 7) * 1_000_003 - 3_000_000,
    driftMsPerS: (chance % 11) - 5,
    sessions: new Map(),
    all: [],
    queued: [],
    running: [],
    strict: [],
    chargedNanoUsd: 0,
  };
}

function keyIdOf(name: number): KeyId {
  const bytes = new Uint8Array(10);
  new DataView(bytes.buffer).setUint32(6, name);
  return idFromBytes("key", bytes);
}

function take<Item>(list: Item[], at: number): Item | undefined {
  return list.length === 0 ? undefined : list.splice(at % list.length, 1)[0];
}
