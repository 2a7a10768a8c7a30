// The ledger of one account in memory: books, leases, limits, keys, usage. It is synchronous, is given the time, and
// stores through a port. What a turn does is in sync.ts and acts.ts. The caller (account-core.ts) runs each turn in a
// storage transaction and ends it with `flush`. If a turn throws, the caller drops this object and opens another one,
// because a rollback restores the storage but not the fields.
//
// The hot row is one row with the whole state. The object may be evicted or crash at any moment and is then built again
// from that row. Three rules make this safe:
//   1. A turn that grants, changes or ends a lease, a charge or a limit writes the row before its answer is sent. The
//      row has the end of each lease, and for each bucket the time when it was last drained.
//   2. Everything else depends on the time alone and is computed from it: `tick(now)` ends leases in the order of their
//      ends and drains the buckets between them, so tick(a) then tick(b) equals tick(b).
//   3. So an object built from the row has the state of one that was never evicted, whenever and however often it is
//      built. Reading the row adds nothing, extends no lease, and drops the leases that have ended.
// One thing is not in the row: the lease of a call with an `Idempotency-Key`. Only the last message of such a call
// charges it and lets its result out, and after a crash that message finds no lease (idempotency.ts). Others may be
// granted the same credit and rate meanwhile, but nothing is spent twice.

import { assert } from "../../shared/assert.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { AnswerLog } from "./answer-log.ts";
import { Books, NO_TOTALS } from "./books.ts";
import { decodeHot, decodeLease, encodeHot, encodeLease } from "./hot.ts";
import type { AccountLimits, Hot } from "./hot.ts";
import { KeyRing } from "./key-ring.ts";
import { LeaseTable } from "./lease-table.ts";
import { monthStartMs } from "./periods.ts";
import { RateBucket } from "./rate-bucket.ts";
import { ReplayPace } from "./replay-pace.ts";
import { HOT_BYTES_MAX } from "./settings.ts";
import type { LedgerSettings } from "./settings.ts";
import { NO_STATEMENT, Statement } from "./statement.ts";
import type { KeyRecord, LedgerStorage } from "./storage.ts";
import type { AccountStatus, Funds, FundsBound, RateView } from "./types.ts";
import { UsageCells, decodeCells, encodeCells } from "./usage-cells.ts";
import { archiveCells } from "./usage-segments.ts";

/** A rate bucket and what it bounds. */
export interface BoundBucket {
  readonly bucket: RateBucket;
  readonly window: RateView["window"];
  readonly which: RateView["which"];
  readonly limit: number;
}

export interface NewAccount {
  readonly accountId: AccountId;
  readonly name: string;
  readonly email?: string;
}

export class Ledger {
  readonly storage: LedgerStorage;
  readonly settings: LedgerSettings;
  readonly accountId: AccountId;
  readonly createdAtMs: number;
  name: string;
  email: string | undefined;
  status: AccountStatus;
  limits: AccountLimits;
  readonly books: Books;
  readonly keys: KeyRing;
  readonly leases = new LeaseTable();
  readonly requests: RateBucket;
  readonly tokens: RateBucket;
  readonly answers: AnswerLog;
  readonly replayPace = new ReplayPace();
  readonly statement: Statement;
  readonly cells: UsageCells;
  private month: { startMs: number; spentNanoUsd: NanoUsd };
  /**
   * Until then no lease holds idle credit or rate, because a caller was refused for what others hold and was told when
   * their leases end. Not stored: an eviction needs a silence in which no lease is prolonged.
   */
  scarceUntilMs = 0;
  private dirty = false;

  private readonly incarnation: string;
  private epochs = 0;

  private constructor(hot: Hot, storage: LedgerStorage, settings: LedgerSettings, incarnation: string) {
    this.incarnation = incarnation;
    this.storage = storage;
    this.settings = settings;
    this.accountId = hot.accountId;
    this.createdAtMs = hot.createdAtMs;
    this.name = hot.name;
    this.email = hot.email;
    this.status = hot.status;
    this.limits = hot.limits;
    this.books = new Books(
      { ...NO_TOTALS, ...hot.totals },
      hot.grants.map((grant) => ({ ...grant })),
    );
    this.keys = new KeyRing(storage.readKeys(), hot.keyUses);
    this.requests = new RateBucket(hot.requests);
    this.tokens = new RateBucket(hot.tokens);
    for (const state of hot.leases) this.leases.put(state[0], decodeLease(state));
    this.answers = new AnswerLog(hot.answers, storage);
    this.statement = new Statement(hot.statement, settings.hotPendingMax);
    this.cells = new UsageCells(decodeCells(hot.cells));
    this.month = { ...hot.month };
  }

  /** The account's ledger as last written; undefined: it was never set up. `incarnation` must be new each time. */
  static open(storage: LedgerStorage, settings: LedgerSettings, incarnation: string): Ledger | undefined {
    const body = storage.readHot();
    return body === undefined ? undefined : new Ledger(decodeHot(body), storage, settings, incarnation);
  }

  static create(
    account: NewAccount,
    storage: LedgerStorage,
    settings: LedgerSettings,
    nowMs: number,
    incarnation: string,
  ): Ledger {
    assert(storage.readHot() === undefined, "an account is set up once");
    const ledger = new Ledger(newHot(account, settings, nowMs), storage, settings, incarnation);
    ledger.touch();
    return ledger;
  }

  /** Marks the hot row as changed: `flush` will write it. */
  touch(): void {
    this.dirty = true;
  }

  /**
   * Brings the ledger to `nowMs`: leases end, grants expire, receivables are collected. Call it first in every turn.
   */
  tick(nowMs: number): void {
    this.endLeases(nowMs);
    const held = this.leases.total.nanoUsd;
    const expired = this.books.expire(nowMs, held, this.settings.expiredCreditGraceMs);
    if (expired > 0) this.post(nowMs, "expiry", -expired, "Credit expired");
    const collected = this.books.collect(held);
    if (collected > 0) this.post(nowMs, "refund", -collected, "Taken for an earlier refund or dispute");
  }

  /**
   * Ends leases one after the other, because until its end each lease keeps what it holds from refilling the buckets.
   */
  private endLeases(nowMs: number): void {
    for (;;) {
      const endMs = this.leases.earliestExpiryMs();
      if (endMs === undefined || endMs > nowMs) break;
      this.drainAccountBuckets(endMs);
      for (const keyId of this.leases.keyIds()) {
        const record = this.keys.get(keyId);
        if (record !== undefined) this.buckets(endMs, record);
      }
      for (const { memory } of this.leases.expire(endMs)) {
        if (memory !== undefined) this.books.noteLost(memory.atRiskNanoUsd);
      }
    }
    this.drainAccountBuckets(nowMs);
  }

  private drainAccountBuckets(nowMs: number): void {
    this.requests.drain(nowMs, this.limits.requestsPerMinute, this.leases.total.requests);
    this.tokens.drain(nowMs, this.limits.tokensPerMinute, this.leases.total.tokens);
  }

  /** A name for the beginning of a lease, unique over all instances of the object. */
  nextEpoch(): string {
    this.epochs += 1;
    return `${this.incarnation}.${this.epochs}`;
  }

  /** Drops stored answers that are past their time. */
  expireAnswers(nowMs: number): void {
    if (this.answers.expire(nowMs)) this.touch();
  }

  /** Posts a statement line for a change of the balance that the books have already made. */
  post(
    atMs: number,
    kind: "grant" | "topup" | "refund" | "dispute" | "expiry",
    change: number,
    description: string,
    paymentId?: string,
  ): void {
    const line = { atMs, kind, amountNanoUsd: nanoUsd(change), description };
    this.statement.post(paymentId === undefined ? line : { ...line, paymentId }, this.storage);
    this.touch();
  }

  /** Credit as `record` sees it; without `record`, as the account does. Call it after `tick`. */
  funds(nowMs: number, record?: KeyRecord): Funds {
    const held = this.leases.total.nanoUsd;
    const spendable = nanoUsd(this.books.balance - held);
    const bounds = [bound("account", this.books.lasting(nowMs), spendable)];
    if (this.limits.monthlyNanoUsd !== undefined) {
      const left = Math.max(0, this.limits.monthlyNanoUsd - this.monthSpent(nowMs));
      bounds.push(bound("monthly_limit", left, left - held));
    }
    if (record?.capNanoUsd !== undefined) {
      const left = Math.max(0, record.capNanoUsd - this.keys.use(record.id).spentIn(record, nowMs));
      bounds.push(bound("key_cap", left, left - this.leases.totalOf(record.id).nanoUsd));
    }
    return {
      balanceNanoUsd: this.books.balance,
      spendableNanoUsd: spendable,
      grantableNanoUsd: nanoUsd(Math.min(...bounds.map(({ freeNanoUsd }) => freeNanoUsd))),
      bounds,
      tightest: bounds.reduce((least, one) => (one.potentialNanoUsd < least.potentialNanoUsd ? one : least)),
    };
  }

  /** The buckets that bound `record`, drained to now. */
  buckets(nowMs: number, record: KeyRecord): BoundBucket[] {
    const { requestsPerMinute, tokensPerMinute } = this.limits;
    const list: BoundBucket[] = [
      { bucket: this.requests, window: "requests", which: "account", limit: requestsPerMinute },
      { bucket: this.tokens, window: "tokens", which: "account", limit: tokensPerMinute },
    ];
    const out = this.leases.totalOf(record.id);
    for (const window of ["requests", "tokens"] as const) {
      const limit = window === "requests" ? record.requestsPerMinute : record.tokensPerMinute;
      if (limit === undefined) continue;
      const bucket = this.keys.use(record.id)[window];
      bucket.drain(nowMs, limit, out[window]);
      list.push({ bucket, window, which: "key", limit });
    }
    return list;
  }

  monthSpent(nowMs: number): NanoUsd {
    const startMs = monthStartMs(nowMs);
    if (startMs > this.month.startMs) this.month = { startMs, spentNanoUsd: nanoUsd(0) };
    return this.month.spentNanoUsd;
  }

  /** Takes `value` from the balance, and counts it against the month's limit and the key's cap. */
  charge(record: KeyRecord | undefined, value: NanoUsd, nowMs: number): void {
    this.books.charge(value);
    const before = this.monthSpent(nowMs); // first, because it may replace `this.month`
    this.month.spentNanoUsd = nanoUsd(before + value);
    if (record !== undefined) this.keys.use(record.id).spend(record, value, nowMs);
  }

  /** Writes the hot row if the turn changed it. Call it last in every turn, inside its transaction. */
  flush(nowMs: number): void {
    if (!this.dirty) return;
    const { nanoUsd: held } = this.leases.total;
    assert(held <= this.books.balance, "held never passes the balance");
    let row = encodeHot(this.toHot());
    if (row.length > HOT_BYTES_MAX && this.cells.size > 0) {
      archiveCells(this.cells, this.storage, nowMs);
      row = encodeHot(this.toHot());
    }
    this.storage.writeHot(row);
    this.dirty = false;
  }

  private toHot(): Hot {
    const written = [...this.leases.entries()].filter(([, { memory }]) => memory?.strict === undefined);
    return {
      version: 2,
      accountId: this.accountId,
      name: this.name,
      ...(this.email === undefined ? {} : { email: this.email }),
      createdAtMs: this.createdAtMs,
      status: this.status,
      limits: this.limits,
      totals: this.books.totals,
      grants: this.books.grants,
      requests: this.requests.state,
      tokens: this.tokens.state,
      month: this.month,
      keyUses: this.keys.useStates,
      leases: written.map(([id, lease]) => encodeLease(id, lease)),
      answers: this.answers.state,
      statement: this.statement.state,
      cells: encodeCells(this.cells.values()),
    };
  }
}

function bound(by: FundsBound["by"], potential: number, free: number): FundsBound {
  return { by, potentialNanoUsd: nanoUsd(potential), freeNanoUsd: nanoUsd(Math.max(0, free)) };
}

function newHot(account: NewAccount, settings: LedgerSettings, nowMs: number): Hot {
  return {
    version: 2,
    ...account,
    createdAtMs: nowMs,
    status: "active",
    limits: { requestsPerMinute: settings.requestsPerMinute, tokensPerMinute: settings.tokensPerMinute },
    totals: NO_TOTALS,
    grants: [],
    requests: [0, nowMs],
    tokens: [0, nowMs],
    month: { startMs: monthStartMs(nowMs), spentNanoUsd: nanoUsd(0) },
    keyUses: {},
    leases: [],
    answers: [],
    statement: NO_STATEMENT,
    cells: encodeCells([]),
  };
}
