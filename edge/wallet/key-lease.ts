// An isolate's lease of one key, and the leases that follow it. The lease is spent locally; this class composes its
// messages to the object and takes the answers. Pure and synchronous; `nowMs` never goes back. lease-driver.ts carries
// the messages over the network, the simulation steps through them.
//
// Rules:
//   - at most one message is outstanding; it is resent unchanged until it is answered;
//   - a lease ends one TTL after its message was composed, which is before it was sent;
//   - work is cancelled when its lease ends or is refused, and is never charged above what it reserved;
//   - a lease that has ended is never renewed: the next one has a new id;
//   - a lease that will probably have ended before the next call is given back with the report.

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
  /** What was free right after the last renewal. */
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

  /** What may be spent now. */
  free(nowMs: number): Amount {
    return nowMs < this.expiresAtMs && this.ended === undefined ? minus(this.held, this.reserved) : ZERO;
  }

  /** Whether the rights in `standing` are still in force. */
  isCurrent(nowMs: number): boolean {
    return this.standing !== undefined && this.ended === undefined && nowMs < this.expiresAtMs;
  }

  get leaseEndMs(): number {
    return this.expiresAtMs;
  }

  get hasUnsent(): boolean {
    return this.unreported.hasLines || this.outstanding !== undefined;
  }

  /** Whether a new lease's first message, and no other, has been answered. */
  get hasBegun(): boolean {
    return this.seq === 1 && this.outstanding === undefined;
  }

  /** All that the lease holds: what is free and what running calls have reserved. */
  get holds(): Amount {
    return this.held;
  }

  /** The caller's limits and credit, for its answer's headers. */
  callStanding(nowMs: number): CallStanding {
    return callStanding(this.standing, this.unreported.used, nowMs);
  }

  /** Reserves `need` from the lease; undefined when the lease does not cover it, or other calls are waiting already. */
  take(need: Amount, model: string, tier: Tier, nowMs: number): Work | undefined {
    this.lapse(nowMs);
    if (this.waiters.length > 0) return undefined;
    const work = this.takeFor({ need, model, tier, work: undefined }, nowMs);
    if (work !== undefined) this.recent.note(need, nowMs);
    return work;
  }

  /** Queues for the next answer. `again`: this call has queued before, with another need, and is counted once. */
  enqueue(need: Amount, model: string, tier: Tier, nowMs: number, again = false): Waiter {
    if (!again) this.recent.note(need, nowMs);
    const waiter: Waiter = { need, model, tier, work: undefined };
    this.waiters.push(waiter);
    return waiter;
  }

  leaveQueue(waiter: Waiter): void {
    this.waiters = this.waiters.filter((one) => one !== waiter);
  }

  /**
   * Charges finished work, locally and at once. "lapsed": the lease had ended; nothing is charged, the call has failed.
   */
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

  /** Ends work that calls no model (a read, a quote): it counts as a request, and gets no usage line. */
  discard(work: Work): void {
    if (work.state === "running") this.endWork(work);
    work.state = "done";
  }

  /** The next message, or the outstanding one unchanged. */
  compose(nowMs: number, close = false): SyncMessage {
    if (this.outstanding !== undefined) return this.outstanding.message;
    this.lapse(nowMs);
    // Safe, since nothing is outstanding: the object has acknowledged all that it was told, and ends this lease too.
    if (this.seq > 0 && nowMs >= this.expiresAtMs) this.beginAnother();
    this.seq += 1;
    const message = this.seq === 1 ? this.firstMessage(nowMs) : this.nextMessage(nowMs, close);
    this.composed += 1;
    this.outstanding = { message, composedAtMs: nowMs, lapsed: false };
    return message;
  }

  /** The first message reports no spending: a copy of it that arrives late must charge nothing. */
  private firstMessage(nowMs: number): SyncMessage {
    const waits = sumOf(this.waiters);
    return {
      session: this.id,
      seq: 1,
      secret: this.secret,
      spent: ZERO,
      lines: [],
      keep: ZERO,
      ...this.unreported.carried(this.mustTell(nowMs)),
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

  /** A message's part about an `Idempotency-Key`; StrictLease has one. */
  protected get step(): Pick<SyncMessage, "idempotency"> {
    return {};
  }

  /** The need of the next ten seconds. Only requests where nothing but reads waits or runs: a read takes no credit. */
  protected forecast(nowMs: number): Amount {
    if (this.recent.isSparse(this.settings.leaseTtlMs)) return ZERO;
    const readsAlone = this.waiters.length > 0 && this.waiters.every(({ need }) => need.tokens === 0);
    const forecast = this.recent.forecast(nowMs);
    return readsAlone && this.works.size === 0 ? amount(0, forecast.requests, 0) : forecast;
  }

  private wanted(free: Amount, nowMs: number): Want {
    return wantOf(this.waiters, this.forecast(nowMs), free, this.recent.unit);
  }

  /**
   * Whether the report gives the lease back: no call is here, and nothing may be held idle or the next call is far off.
   */
  protected isOver(waits: Amount): boolean {
    const holdsNone = this.isTight || this.recent.isSparse(this.settings.leaseTtlMs);
    return holdsNone && this.works.size === 0 && isZero(waits);
  }

  /** Takes the answer to `message`; ignores it when that message is no longer the outstanding one. */
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
        // The waiting calls have no answer yet: they ask again, under the lease that begins now.
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

  /** The same beside a message on its way and the calls that wait for one. */
  nextDueAtMs(nowMs: number): number | undefined {
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

  private mustTell(nowMs: number): boolean {
    const byMs = this.tellByMs(nowMs);
    return byMs !== undefined && byMs <= nowMs;
  }

  private get isTight(): boolean {
    return this.standing?.tight === true;
  }

  /** Cancels all work once the lease has ended. Called before work is taken or ended, and around each message. */
  lapse(nowMs: number): void {
    if (nowMs < this.expiresAtMs || isZero(this.held)) return;
    this.cancelAll();
    if (this.outstanding !== undefined) this.outstanding.lapsed = true;
  }

  private renewed(answer: Extract<SyncAnswer, { kind: "renewed" }>, sent: Outstanding, nowMs: number): void {
    const { rights, funds, rates, tight, others = [], idempotency } = answer;
    const heard = { rights, funds, rates, tight, others, atMs: nowMs };
    this.standing = idempotency === undefined ? heard : { ...heard, idempotency };
    // Less than it kept: the lease had ended at the object, and other leases hold the difference now.
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

  /** The object no longer knows this lease, because it had ended there: begins another. */
  protected forgotten({ message, composedAtMs }: Outstanding, nowMs: number): void {
    this.cancelAll();
    if (message.close === true && this.ended !== undefined) {
      this.unreported.lose(message);
      this.closed = true;
      return;
    }
    // An object forgets a lease at once when it applies a closing message; after any other message it remembers the
    // lease for a TTL. So an unknown lease within that time means that the message was not applied.
    const neverApplied = message.close !== true && nowMs - composedAtMs < this.settings.leaseTtlMs;
    if (neverApplied) this.unreported.takeBack(message, nowMs);
    else this.unreported.lose(message);
    this.restart();
  }

  protected wasClosed(): void {
    if (this.ended === undefined) this.restart();
    else this.closed = true;
  }

  /** This lease is over; what follows belongs to the next one. */
  protected beginAnother(): void {
    this.restart();
  }

  private restart(): void {
    this.unreported.restart();
    this.id = this.newLeaseId();
    this.seq = 0;
    this.epoch = undefined;
  }

  /** The lease was refused before it began: what an earlier one left unreported can no longer be reported. */
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
