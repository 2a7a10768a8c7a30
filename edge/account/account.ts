// The account's Durable Object: the only judge of the account's credit, requests and tokens, and a thin shell around
// the ledger. It reads the clock, collects syncs for a millisecond so that one commit serves them all (each commit is
// one fdatasync), and otherwise runs one turn of the ledger per call. Expected refusals are return values.

import { DurableObject } from "cloudflare:workers";
import { encodeBase62 } from "../../shared/base62.ts";
import type { Id, IdKind } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { AccountCore } from "../ledger/account-core.ts";
import { isRefused, judgeActor } from "../keys/acting-key.ts";
import type { Acting, Actor, Refused } from "../keys/acting-key.ts";
import * as acts from "../ledger/acts.ts";
import { chargeBatch, releaseBatch, reserveBatch } from "../ledger/batch-charge.ts";
import type { BatchCharge, BatchReservation, ChargeOutcome, ReserveOutcome } from "../ledger/batch-charge.ts";
import type { AccountLimits } from "../ledger/hot.ts";
import type { Ledger, NewAccount } from "../ledger/ledger.ts";
import type { StorageSecrets } from "../lib/cipher.ts";
import { DEFAULT_SETTINGS } from "../ledger/settings.ts";
import { SqliteStorage } from "./sqlite-storage.ts";
import type { AuditRow } from "../ledger/storage.ts";
import type { AccountStatus, SyncAnswer, SyncMessage } from "../ledger/types.ts";
import { dumpTables, holdsTables, restoreTables } from "./table-dump.ts";
import { foldHistory } from "../ledger/usage-history.ts";
import { queryUsage } from "../ledger/usage-query.ts";
import type { UsagePage, UsageQuery } from "../ledger/usage-query.ts";
import { listTransactions, viewAccount } from "./views.ts";
import type { AccountView, TransactionsPage } from "./views.ts";

/** What the object needs of the Worker's environment. */
export interface AccountEnv extends StorageSecrets {
  readonly KEY_TAG_SECRET: string;
}

/** Calls that arrive within it are committed together. */
const COLLECT_MS = 1;
/** The most receipts of batches that one alarm deletes. */
const EXPIRED_ROWS_MAX = 500;
const ALARM_AGAIN_MS = 60_000;
const ALARM_DAILY_MS = 86_400_000;

export interface Waiting {
  readonly message: SyncMessage;
  readonly answer: (answer: SyncAnswer) => void;
  readonly fail: (error: unknown) => void;
}

/** 40 random bits: two instances of one object share them with a chance of one in a million millions. */
function newIncarnation(): string {
  return encodeBase62(crypto.getRandomValues(new Uint8Array(5)));
}

export interface Operations {
  readonly syncs: number;
  /** Groups of syncs that were committed together. */
  readonly commits: number;
  readonly rowsWritten: number;
}

export class AccountObject extends DurableObject<AccountEnv> {
  protected readonly storage: SqliteStorage;
  protected readonly core: AccountCore;
  private waiting: Waiting[] = [];
  private readonly done = { syncs: 0, commits: 0 };

  constructor(ctx: DurableObjectState, env: AccountEnv) {
    super(ctx, env);
    this.storage = new SqliteStorage(ctx.storage, () => this.storedAnew());
    this.core = new AccountCore(this.storage, DEFAULT_SETTINGS, newIncarnation);
  }

  /** The object's clock: Unix ms. */
  protected nowMs(): number {
    return Date.now();
  }

  /** What this instance has done since it started, for the operator's figures. */
  operations(): Operations {
    return { ...this.done, rowsWritten: this.storage.rowsWritten };
  }

  // Backup (routes/admin/backup.ts).

  /**
   * Everything stored here, as JSON of dumpSchema; undefined: nothing is. Spend that isolates have not reported is
   * missing.
   */
  dump(): string | undefined {
    return dumpTables(this.ctx.storage.sql);
  }

  /** Restores a dump into an object that stores nothing. */
  restore(dump: string): "restored" | "exists" {
    if (holdsTables(this.ctx.storage.sql)) return "exists";
    this.ctx.storage.transactionSync(() => restoreTables(this.ctx.storage.sql, dump));
    this.storedAnew();
    return "restored";
  }

  // Hot path.

  sync(message: SyncMessage): Promise<SyncAnswer> {
    return new Promise((answer, fail) => {
      this.waiting.push({ message, answer, fail });
      if (this.waiting.length === 1) setTimeout(() => this.commitWaiting(), COLLECT_MS);
    });
  }

  private commitWaiting(): void {
    const group = this.waiting;
    this.waiting = [];
    try {
      this.commit(group);
    } catch (error) {
      // One message that breaks an assertion must not fail the others: nothing was written, so each is committed by
      // itself.
      if (group.length === 1) group[0]?.fail(error);
      else for (const one of group) this.commitAlone(one);
    }
    this.afterTurn();
  }

  /** Called after every turn that may have changed the books (account-with-notices.ts). Must not throw. */
  protected afterTurn(): void {}

  /** Commits one message by itself. */
  protected commitAlone(one: Waiting): void {
    try {
      this.commit([one]);
    } catch (error) {
      one.fail(error);
    }
  }

  private commit(group: readonly Waiting[]): void {
    this.done.syncs += group.length;
    this.done.commits += 1;
    const answers = this.core.sync(
      group.map(({ message }) => message),
      this.nowMs(),
    );
    for (const [index, { answer }] of group.entries()) {
      const given = answers[index];
      if (given !== undefined) answer(given);
    }
  }

  // The account. Every method but `setUp` returns undefined for an account that was never set up.

  /** Sets the account up with its first grant, unless it exists. Returns whether it is new. */
  setUp(account: NewAccount, firstGrant: acts.GrantInput | undefined, actor: string): boolean {
    const nowMs = this.nowMs();
    return this.core.setUp(account, nowMs, (ledger) => {
      acts.audit(ledger, nowMs, actor, "account.create", { name: account.name });
      if (firstGrant !== undefined) acts.grant(ledger, firstGrant, actor, nowMs);
    });
  }

  getAccount(): AccountView | undefined {
    return this.turn(viewAccount);
  }

  grant(input: acts.GrantInput, actor: string): acts.GrantOutcome | undefined {
    return this.turn((ledger, nowMs) => acts.grant(ledger, input, actor, nowMs));
  }

  takeBack(input: acts.RefundInput, actor: string): ReturnType<typeof acts.takeBack> | undefined {
    return this.turn((ledger, nowMs) => acts.takeBack(ledger, input, actor, nowMs));
  }

  giveBack(input: acts.RefundInput, actor: string): ReturnType<typeof acts.giveBack> | undefined {
    return this.turn((ledger, nowMs) => acts.giveBack(ledger, input, actor, nowMs));
  }

  setLimits(patch: acts.LimitsPatch, by: Actor): AccountLimits | Refused | undefined {
    return this.act(by, (ledger, nowMs, { name }) => acts.setLimits(ledger, patch, name, nowMs));
  }

  setStatus(status: AccountStatus, actor: string): AccountView | undefined {
    return this.turn((ledger, nowMs) => {
      acts.setStatus(ledger, status, actor, nowMs);
      return viewAccount(ledger, nowMs);
    });
  }

  usage(query: UsageQuery): UsagePage | undefined {
    return this.turn((ledger, nowMs) => queryUsage(ledger, query, nowMs));
  }

  /** Newest first; `before` is the last page's `before`. */
  transactions(before: number | undefined, limit: number): TransactionsPage | undefined {
    return this.turn((ledger, nowMs) => listTransactions(ledger, before, limit, nowMs));
  }

  /** Newest first, before row `before`. */
  auditLog(before: number | undefined, limit: number): (AuditRow & { readonly id: number })[] {
    return this.storage.readAudit(before ?? Number.MAX_SAFE_INTEGER, limit);
  }

  /**
   * When the key, alert, webhook or session with this id was created, even if it is deleted; null: there never was one.
   */
  madeAtMs(id: Id<IdKind>): number | null | undefined {
    return this.turn(() => this.storage.madeAtMs(id) ?? null);
  }

  // Batches: batch-charge.ts.

  reserveBatch(attempt: BatchReservation, needNanoUsd: NanoUsd): ReserveOutcome | undefined {
    return this.turn((ledger, nowMs) => reserveBatch(ledger, attempt, needNanoUsd, nowMs));
  }

  chargeBatch(charge: BatchCharge): ChargeOutcome | undefined {
    return this.turn((ledger, nowMs) => chargeBatch(ledger, charge, nowMs));
  }

  releaseBatch(batchId: string): void {
    this.turn((ledger) => releaseBatch(ledger, batchId));
  }

  /** Deletes everything of the account. What isolates still hold ends within a lease TTL. */
  async deleteAccount(): Promise<void> {
    this.core.forget();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.storedAnew();
  }

  /** Drops everything in memory, because what is stored was deleted, rolled back or restored. */
  protected storedAnew(): void {
    this.core.forget(); // also after a deletion, because a turn during it may have read the ledger
    this.storage.forget();
  }

  /** Housekeeping: folds the usage history and deletes expired answers and receipts. */
  override async alarm(): Promise<void> {
    this.storage.woke();
    const nowMs = this.nowMs();
    const left = this.core.turn(nowMs, (ledger) => {
      const more = foldHistory(ledger.storage, nowMs);
      ledger.expireAnswers(nowMs);
      return ledger.storage.deleteReceiptsBefore(nowMs, EXPIRED_ROWS_MAX) === EXPIRED_ROWS_MAX || more;
    });
    if (left === true) this.storage.wakeAt(nowMs + ALARM_AGAIN_MS);
    else if (left === false && this.storage.hasHousekeeping()) this.storage.wakeAt(nowMs + ALARM_DAILY_MS);
  }

  protected turn<Result>(work: (ledger: Ledger, nowMs: number) => Result): Result | undefined {
    const nowMs = this.nowMs();
    const result = this.core.turn(nowMs, (ledger) => work(ledger, nowMs));
    this.afterTurn();
    return result;
  }

  /** A turn on behalf of `by`. A key is judged in that turn, so that a key that has ended changes nothing. */
  protected act<Result>(
    by: Actor,
    work: (ledger: Ledger, nowMs: number, acting: Acting) => Result,
  ): Result | Refused | undefined {
    return this.turn((ledger, nowMs) => {
      const acting = judgeActor(ledger, by, nowMs);
      return isRefused(acting) ? acting : work(ledger, nowMs, acting);
    });
  }
}
