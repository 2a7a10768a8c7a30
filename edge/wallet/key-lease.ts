// An isolate's lease of one key, and the next one once it has ended. It is spent locally; this composes its next message
// and takes the answer. Pure and synchronous; `nowMs` is a clock that only moves forward. wallet.ts drives it over the network, the
// simulation drives it step by step.
//
// Rules it keeps: one message outstanding, resent unchanged until answered; the lease ends TTL after its message was
// composed (before it was sent); work whose lease ended or was refused is cancelled; work is never charged above what
// it reserved; a lease that has ended is not renewed: what follows begins another, under a new id; a lease that the
// next call will hardly find in force goes back with the report.

import { assert, unreachable } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";
import { ZERO, amount, covers, isZero, least, minus, minusFloor, plus } from "../ledger/amount.ts";
import { callStanding } from "./call-standing.ts";
import { RecentNeed } from "./recent-need.ts";
import type { Outstanding, LeaseSettings, Standing, Waiter, Work } from "./lease-types.ts";
import type { Amount, KeyRefusal, SecretHash, SyncAnswer, SyncMessage, Want } from "../ledger/types.ts";
import type { CallStanding, Failure, Settlement } from "./wallet-types.ts";
import { Unreported } from "./unreported.ts";
import { NOTHING_WANTED, sumOf, wantOf } from "./want.ts";
import { whenDue } from "./when-due.ts";
import type { Tier } from "../../shared/wire.ts";

export class KeyLease {
  /** Messages composed and answered so far, of all leases of this key. */
  composed = 0;
  answered = 0;
  standing: Standing | undefined;
  ended: { readonly refusal: KeyRefusal; readonly atMs: number } | undefined;
  closed = false;
  /** The object refused a new lease: it remembers too many. */
  busy = false;
  readonly unreported = new Unreported();

  private readonly secret: readonly SecretHash[];
  private readonly settings: LeaseSettings;
  private readonly newLeaseId: () => string;
  private id: string;
  private seq = 0;
  private epoch: string | undefined;
  private held: Amount = ZERO;
  protected leasedAtMs = 0;
  protected expiresAtMs = 0;
  /** What the lease was when it was last renewed. */
  private renewedWith: Amount = ZERO;
  private reserved: Amount = ZERO;
  protected outstanding: Outstanding | undefined;
  protected readonly works = new Set<Work>();
  private waiters: Waiter[] = [];
  private readonly recent = new RecentNeed();

  constructor(secret: readonly SecretHash[], settings: LeaseSettings, newLeaseId: () => string) {
    this.secret = secret;
    this.settings = settings;
    this.newLeaseId = newLeaseId;
    this.id = newLeaseId();
  }

  /** What may be spent at once. */
  free(nowMs: number): Amount {
    return nowMs < this.expiresAtMs && this.ended === undefined ? minus(this.held, this.reserved) : ZERO;
  }

  /** Whether the rights last heard are still in force. */
  isCurrent(nowMs: number): boolean {
    return this.standing !== undefined && this.ended === undefined && nowMs < this.expiresAtMs;
  }

  get leaseEndMs(): number {
    return this.expiresAtMs;
  }

  get hasUnsent(): boolean {
    return this.unreported.hasLines || this.outstanding !== undefined;
  }

  /** Whether the first message of a lease was the last that was answered. */
  get hasBegun(): boolean {
    return this.seq === 1 && this.outstanding === undefined;
  }

  /** What the isolate holds, free or reserved by calls that run. */
  get holds(): Amount {
    return this.held;
  }

  /** Where the caller stands, for its answer's headers. */
  callStanding(nowMs: number): CallStanding {
    return callStanding(this.standing, this.unreported.used, nowMs);
  }

  /** Reserves `need` from the lease; undefined when it does not cover it, or others wait already. */
  take(need: Amount, model: string, tier: Tier, nowMs: number): Work | undefined {
    this.lapse(nowMs);
    if (this.waiters.length > 0) return undefined;
    const work = this.takeFor({ need, model, tier, work: undefined }, nowMs);
    if (work !== undefined) this.recent.note(need, nowMs);
    return work;
  }

  /** Queues for the next answer. `again`: the same call has queued before, for another need. */
  enqueue(need: Amount, model: string, tier: Tier, nowMs: number, again = false): Waiter {
    if (!again) this.recent.note(need, nowMs);
    const waiter: Waiter = { need, model, tier, work: undefined };
    this.waiters.push(waiter);
    return waiter;
  }

  leaveQueue(waiter: Waiter): void {
    this.waiters = this.waiters.filter((one) => one !== waiter);
  }

  /** Charges finished work, here and now. "lapsed": its lease had ended; nothing is charged, it counts as a failure. */
  settle(work: Work, settlement: Settlement, nowMs: number): "charged" | "lapsed" {
    this.lapse(nowMs);
    if (work.state === "cancelled") {
      work.state = "done";
      this.unreported.addFailure(work, { status: 503 }, nowMs);
      return "lapsed";
    }
    assert(work.state === "running", "work is settled once");
    const cost = amount(settlement.costNanoUsd, 0, settlement.tokens);
    assert(covers(work.need, cost), "work costs at most what it reserved");
    this.endWork(work);
    this.held = minus(this.held, cost);
    this.unreported.addSuccess(work.tier, settlement, cost, nowMs);
    return "charged";
  }

  /** Ends work without a charge. */
  release(work: Work, failure: Failure, nowMs: number): void {
    this.lapse(nowMs);
    assert(work.state !== "done", "work is released once");
    if (work.state === "running") this.endWork(work);
    work.state = "done";
    this.unreported.addFailure(work, failure, nowMs);
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
    // The object's lease has ended too, or is about to; what it was told was acknowledged: nothing is outstanding.
    if (this.seq > 0 && nowMs >= this.expiresAtMs) this.beginAnother();
    this.seq += 1;
    const message = this.seq === 1 ? this.firstMessage(nowMs) : this.nextMessage(nowMs, close);
    this.composed += 1;
    this.outstanding = { message, composedAtMs: nowMs, lapsed: false };
    return message;
  }

  /** A first message spends nothing, so that a late copy of it charges nothing. */
  private firstMessage(nowMs: number): SyncMessage {
    const waits = sumOf(this.waiters);
    return {
      session: this.id,
      seq: 1,
      secret: this.secret,
      spent: ZERO,
      lines: [],
      keep: ZERO,
      ...this.unreported.carried(),
      runningNanoUsd: nanoUsd(0),
      waitingNanoUsd: waits.nanoUsd,
      want: this.wanted(ZERO, nowMs),
      ...this.step,
    };
  }

  private nextMessage(nowMs: number, close: boolean): SyncMessage {
    const waits = sumOf(this.waiters);
    const closing = close || this.ended !== undefined || this.isOver(waits);
    const free = this.free(nowMs);
    const idle = closing || this.isTight ? ZERO : this.forecast(nowMs);
    const kept = closing ? ZERO : plus(minus(this.held, free), least(free, plus(waits, plus(idle, idle))));
    this.held = kept;
    return {
      session: this.id,
      seq: this.seq,
      ...(this.epoch === undefined ? {} : { epoch: this.epoch }),
      secret: this.secret,
      ...this.unreported.tell(),
      keep: kept,
      runningNanoUsd: this.reserved.nanoUsd,
      waitingNanoUsd: waits.nanoUsd,
      want: closing ? NOTHING_WANTED : this.wanted(free, nowMs),
      ...(this.works.size === 0 && this.waiters.length === 0 ? { idle: true as const } : {}),
      ...(closing ? { close: true as const } : {}),
      ...this.step,
    };
  }

  /** What a message says of an `Idempotency-Key`. */
  protected get step(): Pick<SyncMessage, "idempotency"> {
    return {};
  }

  /** What the next ten seconds take; requests alone where only reads wait and nothing runs: reading takes no credit. */
  protected forecast(nowMs: number): Amount {
    if (this.recent.isSparse(this.settings.leaseTtlMs)) return ZERO;
    const readsAlone = this.waiters.length > 0 && this.waiters.every(({ need }) => need.tokens === 0);
    const forecast = this.recent.forecast(nowMs);
    return readsAlone && this.works.size === 0 ? amount(0, forecast.requests, 0) : forecast;
  }

  private wanted(free: Amount, nowMs: number): Want {
    return wantOf(this.waiters, this.forecast(nowMs), free, this.recent.unit);
  }

  /** Nothing runs or waits, and the next call is far off, or nothing may be held idle: the report gives the lease back. */
  protected isOver(waits: Amount): boolean {
    const holdsNone = this.isTight || this.recent.isSparse(this.settings.leaseTtlMs);
    return holdsNone && this.works.size === 0 && isZero(waits);
  }

  /** Takes the answer to `message`. When that is not the outstanding one any more, nothing changes. */
  receive(message: SyncMessage, answer: SyncAnswer, nowMs: number): void {
    const sent = this.outstanding;
    if (sent === undefined || message !== sent.message) return;
    this.outstanding = undefined;
    switch (answer.kind) {
      case "renewed":
        this.answered = this.composed;
        this.unreported.acknowledge(sent.message);
        this.renewed(answer, sent, nowMs);
        break;
      case "ended":
        this.answered = this.composed;
        this.unreported.acknowledge(sent.message);
        this.ended = { refusal: answer.refusal, atMs: nowMs };
        this.cancelAll();
        if (sent.message.seq === 1) this.giveUp();
        break;
      case "closed":
        this.answered = this.composed;
        this.unreported.acknowledge(sent.message);
        this.wasClosed();
        break;
      case "unknown_session":
      case "stale":
        // The question was not answered: the waiting calls ask again, under the lease that begins now.
        this.forgotten(sent, nowMs);
        break;
      case "busy":
        this.answered = this.composed;
        this.busy = true;
        this.restart();
        break;
      default:
        unreachable(answer);
    }
  }

  /** When the next message is due; undefined: not before something happens. */
  dueAtMs(nowMs: number): number | undefined {
    if (this.closed) return undefined;
    if (this.outstanding !== undefined || this.waiters.length > 0) return nowMs;
    return this.nextDueAtMs(nowMs);
  }

  /** The same where nothing waits for an answer. */
  protected nextDueAtMs(nowMs: number): number | undefined {
    const { leasedAtMs, renewedWith } = this;
    const expiresAtMs = this.ended === undefined ? this.expiresAtMs : 0;
    const [oldest] = this.works;
    return whenDue(
      {
        lease: { leasedAtMs, expiresAtMs, free: this.free(nowMs), renewedWith },
        oldestStartedAtMs: oldest?.startedAtMs,
        tight: this.isTight,
        unit: this.recent.unit,
        tellByMs: this.tellByMs(nowMs),
      },
      nowMs,
    );
  }

  private tellByMs(nowMs: number): number | undefined {
    const { sinceMs, hasSpend } = this.unreported;
    if (sinceMs === undefined) return undefined;
    if (this.isTight && hasSpend) return nowMs;
    const { syncWindowMs, busySyncWindowMs } = this.settings;
    return sinceMs + (hasSpend && !this.recent.isBusy(nowMs) ? syncWindowMs : busySyncWindowMs);
  }

  private get isTight(): boolean {
    return this.standing?.tight === true;
  }

  /** Cancels everything when the lease has ended. Called by every other method that is given the time. */
  lapse(nowMs: number): void {
    if (nowMs < this.expiresAtMs || isZero(this.held)) return;
    this.cancelAll();
    if (this.outstanding !== undefined) this.outstanding.lapsed = true;
  }

  private renewed(answer: Extract<SyncAnswer, { kind: "renewed" }>, sent: Outstanding, nowMs: number): void {
    const { rights, funds, rates, tight, others = [], idempotency } = answer;
    const heard = { rights, funds, rates, tight, others, atMs: nowMs };
    this.standing = idempotency === undefined ? heard : { ...heard, idempotency };
    // Less than it kept: its lease had ended at the object, and others hold what it was.
    const kept = minusFloor(answer.held, plus(answer.granted, amount(sent.message.untoldNanoUsd ?? 0, 0, 0)));
    const shortfall = sent.lapsed ? ZERO : minusFloor(sent.message.keep, kept);
    const held = minusFloor(plus(this.held, answer.granted), shortfall);
    if (!covers(held, this.reserved)) this.cancelAll();
    this.held = held;
    this.busy = false;
    this.epoch = answer.epoch;
    this.leasedAtMs = sent.composedAtMs;
    this.expiresAtMs = sent.composedAtMs + answer.ttlMs;
    this.lapse(nowMs);
    for (const waiter of this.waiters) waiter.work = this.takeFor(waiter, nowMs);
    this.waiters = this.waiters.filter(({ work }) => work === undefined);
    this.renewedWith = this.free(nowMs);
    if (answer.epoch === undefined) this.beginAnother();
  }

  /** The object does not know this lease: it had ended there. Begin another. */
  protected forgotten({ message, composedAtMs }: Outstanding, nowMs: number): void {
    this.cancelAll();
    if (message.close === true && this.ended !== undefined) {
      this.unreported.lose(message);
      this.closed = true;
      return;
    }
    // A closing message is forgotten as soon as it is applied; any other, no sooner than a lease's life after.
    const neverApplied = message.close !== true && nowMs - composedAtMs < this.settings.leaseTtlMs;
    if (neverApplied) this.unreported.takeBack(message, nowMs);
    else this.unreported.lose(message);
    this.restart();
  }

  protected wasClosed(): void {
    if (this.ended === undefined) this.restart();
    else this.closed = true;
  }

  /** The lease is over: what follows goes on under the next one. */
  protected beginAnother(): void {
    this.restart();
  }

  /** Later messages belong to a new lease. */
  private restart(): void {
    this.unreported.restart();
    this.id = this.newLeaseId();
    this.seq = 0;
    this.epoch = undefined;
  }

  /** Refused before the lease began: what an earlier one left unreported can no longer be reported. */
  private giveUp(): void {
    this.unreported.loseAll();
    this.closed = true;
  }

  private takeFor(waiter: Waiter, nowMs: number): Work | undefined {
    const { need, model, tier } = waiter;
    if (!covers(this.free(nowMs), need)) return undefined;
    const request = amount(0, need.requests, 0);
    this.held = minus(this.held, request);
    this.unreported.addRequest(request);
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

  protected cancelAll(): void {
    for (const work of this.works) {
      work.state = "cancelled";
      work.onCancel?.();
    }
    this.works.clear();
    this.reserved = ZERO;
    this.held = ZERO;
  }
}
