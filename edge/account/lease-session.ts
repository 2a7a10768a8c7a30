// The isolate's side of a lease: one key, one isolate. It spends the lease locally, composes the next message, and takes
// the answer. Pure and synchronous; `nowMs` is a clock that only moves forward. wallet.ts drives it over the network,
// the simulation drives it step by step.
//
// Rules it keeps: one message outstanding, resent unchanged until answered; the lease ends TTL after its message was
// composed (before it was sent); work whose lease ended or was refused is cancelled; work is never charged above what
// it reserved.

import { assert, unreachable } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";
import { ZERO, amount, covers, isZero, least, minus, minusFloor, most, plus } from "./amount.ts";
import { RecentNeed } from "./recent-need.ts";
import type { SessionSettings, Standing, StrictTerms, Waiter, Work } from "./session-types.ts";
import type {
  Amount,
  Failure,
  IdempotencyStep,
  KeyRefusal,
  SecretHash,
  Settlement,
  SyncAnswer,
  SyncMessage,
} from "./types.ts";
import { LineBook } from "./usage-lines.ts";
import type { Tier } from "../../shared/wire.ts";

interface Outstanding {
  readonly message: SyncMessage;
  /** Spent under the session before, not told yet: the first message asks for it to be held. */
  readonly carried: Amount;
  readonly composedAtMs: number;
  /** The lease ended while this was on its way. */
  lapsed: boolean;
}

/** A lease of fewer calls than this is not renewed early: the report after the call renews it. */
const EARLY_UNITS = 4;

/** What a renewal may take, retries included. */
const RENEWAL_MS = 5000;
/** Most calls end within it. */
const SHORT_CALL_MS = 3000;
/** Calls in about ten seconds from which a session counts as busy. */
const BUSY_CALLS = 8;

export class LeaseSession {
  /** Messages composed and answered so far, across restarts of the session. */
  composed = 0;
  answered = 0;
  standing: Standing | undefined;
  ended: { readonly refusal: KeyRefusal; readonly atMs: number } | undefined;
  closed = false;
  /** The object did not know the session that was to be closed: its last message was not applied. */
  closedUnknown = false;
  /** The object refused a new session: it remembers too many. */
  busy = false;
  /** Revenue that could not be reported because the object might have it already. */
  lostNanoUsd = 0;
  private toldLostNanoUsd = 0;

  private readonly secret: readonly SecretHash[];
  private readonly settings: SessionSettings;
  private readonly newSessionId: () => string;
  private readonly strict: StrictTerms | undefined;
  private finish: IdempotencyStep | undefined;
  private id: string;
  private seq = 0;
  private epoch: string | undefined;
  private lease: Amount = ZERO;
  private leasedAtMs = 0;
  private expiresAtMs = 0;
  private objectLeaseEndMs: number | undefined;
  /** What the lease was when it was last renewed. */
  private renewedWith: Amount = ZERO;
  private reserved: Amount = ZERO;
  private spent: Amount = ZERO;
  private acknowledged: Amount = ZERO;
  private readonly lines = new LineBook();
  private unsentSinceMs: number | undefined;
  private outstanding: Outstanding | undefined;
  private readonly works = new Set<Work>();
  private readonly waiters: Waiter[] = [];
  private readonly recent = new RecentNeed();

  constructor(
    secret: readonly SecretHash[],
    settings: SessionSettings,
    newSessionId: () => string,
    strict?: StrictTerms,
  ) {
    this.secret = secret;
    this.settings = settings;
    this.newSessionId = newSessionId;
    this.strict = strict;
    this.id = newSessionId();
  }

  /** What may be spent at once. */
  free(nowMs: number): Amount {
    return nowMs < this.expiresAtMs && this.ended === undefined ? minus(this.lease, this.reserved) : ZERO;
  }

  /** Whether the rights last heard are still in force. */
  isCurrent(nowMs: number): boolean {
    return this.standing !== undefined && this.ended === undefined && nowMs < this.expiresAtMs;
  }

  /** Until when the lease is good, by this isolate's clock. */
  get leaseEndMs(): number {
    return this.expiresAtMs;
  }

  get hasWork(): boolean {
    return this.works.size > 0 || this.waiters.length > 0;
  }

  get hasUnsent(): boolean {
    return this.lines.size > 0 || this.outstanding !== undefined;
  }

  /** Reserves `need` from the lease; undefined when it does not cover it, or others wait already. */
  take(need: Amount, model: string, tier: Tier, nowMs: number): Work | undefined {
    this.lapse(nowMs);
    if (this.waiters.length > 0) return undefined;
    const work = this.takeFor({ need, model, tier, work: undefined }, nowMs);
    if (work !== undefined) this.recent.note(need, nowMs);
    return work;
  }

  /** Queues for the next answer. */
  enqueue(need: Amount, model: string, tier: Tier, nowMs: number): Waiter {
    this.recent.note(need, nowMs);
    const waiter: Waiter = { need, model, tier, work: undefined };
    this.waiters.push(waiter);
    return waiter;
  }

  leaveQueue(waiter: Waiter): void {
    const at = this.waiters.indexOf(waiter);
    if (at >= 0) this.waiters.splice(at, 1);
  }

  /** Charges finished work, here and now. "lapsed": its lease had ended; nothing is charged, it counts as a failure. */
  settle(work: Work, settlement: Settlement, nowMs: number): "charged" | "lapsed" {
    this.lapse(nowMs);
    if (work.state === "cancelled") {
      work.state = "done";
      this.lines.addFailure(work, { status: 503, latencyMs: settlement.latencyMs }, nowMs);
      this.noteUnsent(nowMs);
      return "lapsed";
    }
    assert(work.state === "running", "work is settled once");
    const cost = amount(settlement.costNanoUsd, 0, settlement.tokens);
    assert(covers(work.need, cost), "work costs at most what it reserved");
    this.endWork(work);
    this.lease = minus(this.lease, cost);
    this.spent = plus(this.spent, cost);
    this.lines.addSuccess(work.tier, settlement, nowMs);
    this.noteUnsent(nowMs);
    return "charged";
  }

  /** Ends work without a charge. */
  release(work: Work, failure: Failure, nowMs: number): void {
    this.lapse(nowMs);
    assert(work.state !== "done", "work is released once");
    if (work.state === "running") this.endWork(work);
    work.state = "done";
    this.lines.addFailure(work, failure, nowMs);
    this.noteUnsent(nowMs);
  }

  /** Ends work that is no call of the model (a read, a quote): the request counts, nothing else, and no line is kept. */
  discard(work: Work): void {
    if (work.state === "running") this.endWork(work);
    work.state = "done";
  }

  /** The next message, or the outstanding one unchanged. */
  compose(nowMs: number, close = false): SyncMessage {
    if (this.outstanding !== undefined) return this.outstanding.message;
    this.lapse(nowMs);
    this.seq += 1;
    const waits = this.waiters.reduce((sum, { need }) => plus(sum, need), ZERO);
    const target = this.strict === undefined ? this.recent.forecast(nowMs) : ZERO;
    const closing = close || this.finish !== undefined || this.ended !== undefined;
    const idle = closing || this.standing?.tight === true ? ZERO : plus(target, target);
    const free = this.free(nowMs);
    const kept = closing ? ZERO : plus(minus(this.lease, free), least(free, plus(waits, idle)));
    this.lease = kept;
    const first = this.seq === 1;
    const missing = minusFloor(waits, free);
    const idempotency = this.finish ?? this.strict?.begin;
    const untoldLoss = this.lostNanoUsd - this.toldLostNanoUsd;
    const message: SyncMessage = {
      session: this.id,
      seq: this.seq,
      ...(this.epoch === undefined ? {} : { epoch: this.epoch }),
      secret: this.secret,
      spent: first ? ZERO : this.spent,
      lines: first ? [] : this.lines.drain(),
      keep: first ? plus(kept, this.spent) : kept,
      ...(this.objectLeaseEndMs === undefined ? {} : { leaseEndMs: this.objectLeaseEndMs }),
      runningNanoUsd: this.reserved.nanoUsd,
      waitingNanoUsd: waits.nanoUsd,
      ...(first || untoldLoss === 0 ? {} : { lostNanoUsd: nanoUsd(untoldLoss) }),
      want: closing
        ? { min: ZERO, target: ZERO, unit: ZERO }
        : { min: missing, target: most(missing, minusFloor(plus(waits, target), free)), unit: this.recent.unit },
      ...(closing ? { close: true as const } : {}),
      ...(this.strict === undefined ? {} : { strictLifeMs: this.strict.lifeMs }),
      ...(idempotency === undefined ? {} : { idempotency }),
    };
    if (!first) this.unsentSinceMs = undefined;
    this.composed += 1;
    const carried = first ? this.spent : ZERO;
    this.outstanding = { message, carried, composedAtMs: nowMs, lapsed: false };
    return message;
  }

  /** Takes the answer to `message`. When that is not the outstanding one any more, nothing changes. */
  receive(message: SyncMessage, answer: SyncAnswer, nowMs: number): void {
    const sent = this.outstanding;
    if (sent === undefined || message !== sent.message) return;
    switch (answer.kind) {
      case "renewed":
        this.outstanding = undefined;
        this.acknowledged = sent.message.spent;
        this.toldLostNanoUsd += sent.message.lostNanoUsd ?? 0;
        this.renewed(answer, sent, nowMs);
        break;
      case "ended":
        this.outstanding = undefined;
        this.acknowledged = sent.message.spent;
        this.ended = { refusal: answer.refusal, atMs: nowMs };
        this.cancelAll();
        if (sent.message.seq === 1) this.giveUp();
        break;
      case "closed":
        this.outstanding = undefined;
        this.acknowledged = sent.message.spent;
        this.closed = true;
        this.cancelAll();
        break;
      case "unknown_session":
      case "stale":
        this.outstanding = undefined;
        this.lostSession(sent, nowMs);
        break;
      case "busy":
        this.busy = true;
        this.forgetSession(true, sent);
        this.outstanding = undefined;
        break;
      default:
        unreachable(answer);
    }
    this.answered = this.composed;
  }

  /** When the next message is due; undefined: not before something happens. */
  dueAtMs(nowMs: number): number | undefined {
    if (this.closed) return undefined;
    if (this.outstanding !== undefined || this.waiters.length > 0) return nowMs;
    const due: number[] = [];
    const tight = this.standing?.tight === true;
    if (this.strict !== undefined) return undefined;
    if (this.unsentSinceMs !== undefined) due.push(tight ? nowMs : this.unsentSinceMs + this.windowMs(nowMs));
    if (this.ended === undefined && nowMs < this.expiresAtMs) {
      const free = this.free(nowMs);
      if (tight && free.nanoUsd > 0) due.push(nowMs);
      const meantForMany = this.renewedWith.nanoUsd >= EARLY_UNITS * this.recent.unit.nanoUsd;
      if (!tight && this.works.size > 0 && meantForMany && isBelowHalf(free, this.renewedWith)) due.push(nowMs);
      const [oldest] = this.works;
      if (oldest !== undefined) due.push(this.renewalDueAtMs(oldest));
    }
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** After half of the lease; a call that has just begun gets time to end first, as long as there is time to renew. */
  private renewalDueAtMs(oldest: Work): number {
    const halfMs = (this.leasedAtMs + this.expiresAtMs) / 2;
    return Math.min(this.expiresAtMs - RENEWAL_MS, Math.max(halfMs, oldest.startedAtMs + SHORT_CALL_MS));
  }

  private windowMs(nowMs: number): number {
    const { syncWindowMs, busySyncWindowMs } = this.settings;
    return this.recent.forecast(nowMs).requests >= BUSY_CALLS ? busySyncWindowMs : syncWindowMs;
  }

  /** The strict path's last message: charge and stored answer together. */
  finishWith(step: Extract<IdempotencyStep, { kind: "finish" }>): void {
    assert(this.strict !== undefined && this.outstanding === undefined, "a strict session finishes between messages");
    this.finish = step;
  }

  /** Cancels everything when the lease has ended. Called by every other method that is given the time. */
  lapse(nowMs: number): void {
    if (nowMs < this.expiresAtMs || isZero(this.lease)) return;
    this.cancelAll();
    if (this.outstanding !== undefined) this.outstanding.lapsed = true;
  }

  private renewed(answer: Extract<SyncAnswer, { kind: "renewed" }>, sent: Outstanding, nowMs: number): void {
    const { rights, funds, rates, tight, idempotency } = answer;
    this.standing = { rights, funds, rates, tight, ...(idempotency === undefined ? {} : { idempotency }) };
    // Less than promised: the object crashed in between, and others hold what it could not find again.
    const promised = plus(sent.message.keep, answer.granted);
    const shortfall = sent.lapsed ? ZERO : minusFloor(minusFloor(promised, answer.held), sent.carried);
    const lease = minusFloor(plus(this.lease, answer.granted), shortfall);
    if (!covers(lease, this.reserved)) this.cancelAll();
    this.lease = lease;
    this.busy = false;
    this.epoch = answer.epoch;
    this.objectLeaseEndMs = answer.leaseEndMs;
    this.leasedAtMs = sent.composedAtMs;
    this.expiresAtMs = sent.composedAtMs + answer.ttlMs;
    this.lapse(nowMs);
    const queue = this.waiters.splice(0);
    for (const waiter of queue) {
      waiter.work = this.takeFor(waiter, nowMs);
      if (waiter.work === undefined) this.waiters.push(waiter);
    }
    this.renewedWith = this.free(nowMs);
  }

  /** The object does not know this session (it crashed before writing it, or much time passed). Begin another. */
  private lostSession(sent: Outstanding, nowMs: number): void {
    if (sent.message.close === true) {
      this.closed = true;
      this.closedUnknown = true;
      this.lostNanoUsd += sent.message.spent.nanoUsd - this.acknowledged.nanoUsd;
      return;
    }
    // Had the object applied a copy of this message, it would still remember the session for that long.
    const neverApplied = nowMs - sent.composedAtMs < this.settings.sessionMemoryMs;
    this.forgetSession(neverApplied, sent);
    if (neverApplied && sent.message.lines.length > 0) this.noteUnsent(nowMs);
  }

  private forgetSession(keepUnreported: boolean, sent: Outstanding): void {
    const from = keepUnreported ? this.acknowledged : sent.message.spent;
    if (keepUnreported) this.lines.putBack(sent.message.lines);
    else this.lostNanoUsd += sent.message.spent.nanoUsd - this.acknowledged.nanoUsd;
    this.spent = minus(this.spent, from);
    this.acknowledged = ZERO;
    this.id = this.newSessionId();
    this.seq = 0;
    this.epoch = undefined;
  }

  /** Refused before the session began: what a session before it left unreported can be told to nobody. */
  private giveUp(): void {
    this.lostNanoUsd += this.spent.nanoUsd;
    this.lines.drain();
    this.unsentSinceMs = undefined;
    this.closed = true;
  }

  private takeFor(waiter: Waiter, nowMs: number): Work | undefined {
    const { need, model, tier } = waiter;
    if (!covers(this.free(nowMs), need)) return undefined;
    const request = amount(0, need.requests, 0);
    this.lease = minus(this.lease, request);
    this.spent = plus(this.spent, request);
    this.reserved = plus(this.reserved, minus(need, request));
    const work: Work = { need, model, tier, startedAtMs: nowMs, state: "running", onCancel: undefined };
    this.works.add(work);
    return work;
  }

  private endWork(work: Work): void {
    work.state = "done";
    this.works.delete(work);
    this.reserved = minus(this.reserved, amount(work.need.nanoUsd, 0, work.need.tokens));
  }

  private cancelAll(): void {
    for (const work of this.works) {
      work.state = "cancelled";
      work.onCancel?.();
    }
    this.works.clear();
    this.reserved = ZERO;
    this.lease = ZERO;
  }

  private noteUnsent(nowMs: number): void {
    this.unsentSinceMs ??= nowMs;
  }
}

function isBelowHalf(free: Amount, before: Amount): boolean {
  return free.nanoUsd * 2 < before.nanoUsd || free.requests * 2 < before.requests || free.tokens * 2 < before.tokens;
}
