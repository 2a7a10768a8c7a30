// The ledger of one account in memory: books, leases, limits, keys, usage. Synchronous; the clock is passed in; durable
// things go through the storage port. The caller runs each turn inside `storage.transaction` and ends it with
// `flush`; when a turn throws, it forgets this object and opens a new one, because a rolled-back transaction does not
// roll back fields (account-core.ts). sync.ts and acts.ts hold what happens in a turn.

import { assert } from "../../shared/assert.ts";
import type { AccountId, KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { ZERO, amount, covers, least, lessNano, minus, plus } from "./amount.ts";
import { Books, NO_TOTALS } from "./books.ts";
import { decodeHot, decodeSession, encodeHot, encodeSession } from "./hot.ts";
import type { AccountLimits, Hot, SessionMemory } from "./hot.ts";
import { KeyRing } from "./key-ring.ts";
import { LeaseTable } from "./lease-table.ts";
import { monthStartMs } from "./periods.ts";
import { RateBucket } from "./rate-bucket.ts";
import { ReplayPace } from "./replay-pace.ts";
import type { LedgerSettings } from "./settings.ts";
import { NO_STATEMENT, Statement } from "./statement.ts";
import type { KeyRecord, LedgerStorage } from "./storage.ts";
import type { AccountStatus, Amount, Funds, RateView, SyncAnswer } from "./types.ts";
import { UsageCells, decodeCells, encodeCells } from "./usage-cells.ts";

/** The part of the hot row's `held` that belongs to no key. */
const NO_KEY = "";
const PHANTOM = "phantom:";

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
  readonly sessions: Map<string, SessionMemory>;
  /** The last answer of each session, for copies of its last message; gone after a crash. */
  readonly answers = new Map<string, SyncAnswer>();
  readonly replayPace = new ReplayPace();
  readonly statement: Statement;
  readonly cells: UsageCells;
  private month: { startMs: number; spentNanoUsd: NanoUsd };
  /** What may be leased between two writes, as the last write promised, and what has been. */
  private allowance: Amount;
  private unwritten: Amount = ZERO;
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
    this.sessions = new Map(Object.entries(hot.sessions).map(([id, state]) => [id, decodeSession(state)]));
    this.statement = new Statement(hot.statement, settings.hotPendingMax);
    this.cells = new UsageCells(decodeCells(hot.cells));
    this.month = { ...hot.month };
    this.allowance = hot.allowance;
  }

  /** The account's ledger as last written (`incarnation` is new each time), or undefined when it was never set up. */
  static open(
    storage: LedgerStorage,
    settings: LedgerSettings,
    nowMs: number,
    incarnation: string,
  ): Ledger | undefined {
    const body = storage.readHot();
    if (body === undefined) return undefined;
    const hot = decodeHot(body);
    const ledger = new Ledger(hot, storage, settings, incarnation);
    ledger.recallHeld(hot, nowMs);
    return ledger;
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

  /** Lets time pass: leases end, grants expire, what is receivable is collected. Call it first in every turn. */
  tick(nowMs: number): void {
    this.endLeases(nowMs);
    for (const [id, memory] of this.sessions) {
      if (memory.untilMs > nowMs) continue;
      this.books.noteLost(memory.atRiskNanoUsd);
      this.forget(id);
    }
    const held = this.leases.total.nanoUsd;
    const expired = this.books.expire(nowMs, held, this.settings.strictLifeMsMax + this.settings.leaseMarginMs);
    if (expired > 0) this.post(nowMs, "expiry", -expired, "Credit expired");
    const collected = this.books.collect(held);
    if (collected > 0) this.post(nowMs, "refund", -collected, "Taken for an earlier refund or dispute");
  }

  /** Ends leases one after the other: until its end each kept what it held from refilling the buckets. */
  private endLeases(nowMs: number): void {
    for (;;) {
      const endMs = this.leases.earliestExpiryMs();
      if (endMs === undefined || endMs > nowMs) break;
      this.drainAccountBuckets(endMs);
      for (const [keyId] of this.leases.totals()) {
        const record = this.keys.get(keyId);
        if (record !== undefined) this.buckets(endMs, record);
      }
      this.leases.expire(endMs);
    }
    this.drainAccountBuckets(nowMs);
  }

  private drainAccountBuckets(nowMs: number): void {
    this.requests.drain(nowMs, this.limits.requestsPerMinute, this.leases.total.requests);
    this.tokens.drain(nowMs, this.limits.tokensPerMinute, this.leases.total.tokens);
  }

  /** A name for the beginning of a session that no other beginning has, in this life of the object or another. */
  nextEpoch(): string {
    this.epochs += 1;
    return `${this.incarnation}.${this.epochs}`;
  }

  forget(session: string): void {
    this.sessions.delete(session);
    this.answers.delete(session);
  }

  /** Posts a line that changed the balance by `change` (the books were changed already). */
  post(
    atMs: number,
    kind: "grant" | "topup" | "refund" | "dispute" | "expiry",
    change: number,
    description: string,
  ): void {
    this.statement.post({ atMs, kind, amountNanoUsd: nanoUsd(change), description }, this.storage);
    this.touch();
  }

  /** Credit as `record` sees it (any key: undefined). Call after `tick`. */
  funds(nowMs: number, record?: KeyRecord): Funds {
    const held = this.leases.total.nanoUsd;
    const spendable = nanoUsd(this.books.balance - held);
    const bounds: { by: Funds["boundBy"]; potential: number; free: number }[] = [
      { by: "account", potential: this.books.lasting(nowMs), free: spendable },
    ];
    if (this.limits.monthlyNanoUsd !== undefined) {
      const left = Math.max(0, this.limits.monthlyNanoUsd - this.monthSpent(nowMs));
      bounds.push({ by: "monthly_limit", potential: left, free: left - held });
    }
    if (record?.capNanoUsd !== undefined) {
      const left = Math.max(0, record.capNanoUsd - this.keys.use(record.id).spentIn(record, nowMs));
      bounds.push({ by: "key_cap", potential: left, free: left - this.leases.totalOf(record.id).nanoUsd });
    }
    const tightest = bounds.reduce((lowest, bound) => (bound.potential < lowest.potential ? bound : lowest));
    return {
      balanceNanoUsd: this.books.balance,
      spendableNanoUsd: spendable,
      potentialNanoUsd: nanoUsd(tightest.potential),
      boundBy: tightest.by,
      grantableNanoUsd: nanoUsd(Math.max(0, Math.min(...bounds.map(({ free }) => free)))),
    };
  }

  /** The buckets that bound `record`, drained to now. */
  buckets(
    nowMs: number,
    record: KeyRecord,
  ): { bucket: RateBucket; window: RateView["window"]; which: RateView["which"]; limit: number }[] {
    const list: ReturnType<Ledger["buckets"]> = [
      { bucket: this.requests, window: "requests", which: "account", limit: this.limits.requestsPerMinute },
      { bucket: this.tokens, window: "tokens", which: "account", limit: this.limits.tokensPerMinute },
    ];
    const out = this.leases.totalOf(record.id);
    if (record.requestsPerMinute !== undefined) {
      const { requests } = this.keys.use(record.id);
      requests.drain(nowMs, record.requestsPerMinute, out.requests);
      list.push({ bucket: requests, window: "requests", which: "key", limit: record.requestsPerMinute });
    }
    if (record.tokensPerMinute !== undefined) {
      const { tokens } = this.keys.use(record.id);
      tokens.drain(nowMs, record.tokensPerMinute, out.tokens);
      list.push({ bucket: tokens, window: "tokens", which: "key", limit: record.tokensPerMinute });
    }
    return list;
  }

  monthSpent(nowMs: number): NanoUsd {
    const startMs = monthStartMs(nowMs);
    if (startMs > this.month.startMs) this.month = { startMs, spentNanoUsd: nanoUsd(0) };
    return this.month.spentNanoUsd;
  }

  addMonthSpent(nowMs: number, value: NanoUsd): void {
    const before = this.monthSpent(nowMs); // may begin a new month: a new object
    this.month.spentNanoUsd = nanoUsd(before + value);
  }

  /** A cap, a limit or a month's end that bounds this key: whatever it is leased is written at once. */
  hasOwnBounds(record: KeyRecord): boolean {
    return (
      record.capNanoUsd !== undefined ||
      record.requestsPerMinute !== undefined ||
      record.tokensPerMinute !== undefined ||
      this.limits.monthlyNanoUsd !== undefined
    );
  }

  /** Notes that `granted` was leased: inside the allowance it needs no write; a key with bounds of its own always does. */
  noteGranted(granted: Amount, exact: boolean): void {
    this.unwritten = plus(this.unwritten, granted);
    if (exact || !covers(this.allowance, this.unwritten)) this.touch();
  }

  /** Writes the hot row if the turn changed it. Call it last in every turn, inside its transaction. */
  flush(nowMs: number): void {
    if (!this.dirty) return;
    const { nanoUsd: held } = this.leases.total;
    assert(held <= this.books.balance, "held never passes the balance");
    this.allowance = this.nextAllowance(nowMs);
    this.storage.writeHot(encodeHot(this.toHot()));
    this.unwritten = ZERO;
    this.dirty = false;
  }

  private nextAllowance(nowMs: number): Amount {
    const { allowanceShare, allowanceBalanceMinNanoUsd } = this.settings;
    const { balance } = this.books;
    const { grantableNanoUsd } = this.funds(nowMs);
    const money = balance < allowanceBalanceMinNanoUsd ? 0 : Math.floor(grantableNanoUsd / allowanceShare);
    if (money === 0) return ZERO;
    return amount(
      money,
      Math.floor(this.limits.requestsPerMinute / allowanceShare),
      Math.floor(this.limits.tokensPerMinute / allowanceShare),
    );
  }

  private toHot(): Hot {
    const held: Record<string, Amount> = {};
    for (const [keyId, total] of this.leases.totals()) held[keyId] = total;
    const orphan = this.leases.get(PHANTOM + NO_KEY);
    if (orphan !== undefined) held[NO_KEY] = orphan.held;
    return {
      version: 1,
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
      held,
      heldUntilMs: this.leases.latestExpiryMs(),
      allowance: this.allowance,
      sessions: Object.fromEntries([...this.sessions].map(([id, memory]) => [id, encodeSession(memory)])),
      statement: this.statement.state,
      cells: encodeCells(this.cells.values()),
    };
  }

  /**
   * After a crash: what was held when the row was written, and what may have been leased since, counts as held until
   * every such lease has ended. Their requests and tokens count as used: the buckets take them.
   */
  private recallHeld(hot: Hot, nowMs: number): void {
    const ttlEndMs = nowMs + this.settings.leaseTtlMs + this.settings.leaseMarginMs;
    for (const [keyId, held] of Object.entries(hot.held) as [KeyId, Amount][]) {
      const expiresAtMs = Math.max(hot.heldUntilMs, ttlEndMs);
      this.leases.put(PHANTOM + keyId, { keyId: keyId === NO_KEY ? undefined : keyId, held, expiresAtMs });
    }
    const orphan = this.leases.get(PHANTOM + NO_KEY);
    this.leases.put(PHANTOM + NO_KEY, {
      keyId: undefined,
      held: plus(orphan?.held ?? ZERO, hot.allowance),
      expiresAtMs: orphan?.expiresAtMs ?? ttlEndMs,
    });
    this.requests.drain(nowMs, this.limits.requestsPerMinute, this.leases.total.requests);
    this.tokens.drain(nowMs, this.limits.tokensPerMinute, this.leases.total.tokens);
    this.requests.take(hot.allowance.requests);
    this.tokens.take(hot.allowance.tokens);
  }

  /** Takes up to `most` of what a crash left as held for `keyId`, for a session that has come back. */
  adopt(keyId: KeyId, most: Amount, nowMs: number): Amount {
    const own = this.takePhantom(PHANTOM + keyId, most);
    return plus(own, this.takePhantom(PHANTOM + NO_KEY, this.withinCap(keyId, minus(most, own), nowMs)));
  }

  private takePhantom(id: string, most: Amount): Amount {
    const phantom = this.leases.get(id);
    if (phantom === undefined) return ZERO;
    const part = least(phantom.held, most);
    this.leases.put(id, { ...phantom, held: minus(phantom.held, part) });
    return part;
  }

  /** The allowance was never part of a key's cap: a capped key takes of it only what its cap leaves. */
  private withinCap(keyId: KeyId, wanted: Amount, nowMs: number): Amount {
    const record = this.keys.get(keyId);
    if (record?.capNanoUsd === undefined) return wanted;
    const used = this.keys.use(keyId).spentIn(record, nowMs) + this.leases.totalOf(keyId).nanoUsd;
    const room = nanoUsd(Math.max(0, record.capNanoUsd - used));
    return { ...wanted, nanoUsd: lessNano(wanted.nanoUsd, room) };
  }
}

function newHot(account: NewAccount, settings: LedgerSettings, nowMs: number): Hot {
  return {
    version: 1,
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
    held: {},
    heldUntilMs: 0,
    allowance: ZERO,
    sessions: {},
    statement: NO_STATEMENT,
    cells: encodeCells([]),
  };
}
