// The account's Durable Object: the only judge of the account's credit, requests and tokens. It owns storage, clock and
// alarm; each matter is a part in a file of its own, which is given turns of the ledger. What happens after a turn, at
// the alarm and when what is stored was replaced is listed here and nowhere else. Expected refusals are return values.

import { DurableObject } from "cloudflare:workers";
import type { Id, IdKind } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { Stripe } from "../billing/stripe.ts";
import type { StripeSettings } from "../billing/stripe.ts";
import type { Actor, Refused } from "../keys/acting-key.ts";
import * as acts from "../ledger/acts.ts";
import { chargeBatch, releaseBatch, reserveBatch } from "../ledger/batch-charge.ts";
import type { BatchCharge, BatchReservation, ChargeOutcome, ReserveOutcome } from "../ledger/batch-charge.ts";
import type { AccountLimits } from "../ledger/hot.ts";
import type { NewAccount } from "../ledger/ledger.ts";
import { chargedFrames } from "../ledger/stream-frames.ts";
import type { ChargedFrame } from "../ledger/stream-frames.ts";
import type { AuditRow } from "../ledger/storage.ts";
import type { AccountStatus, SyncAnswer, SyncMessage } from "../ledger/types.ts";
import { foldHistory } from "../ledger/usage-history.ts";
import { queryUsage } from "../ledger/usage-query.ts";
import type { UsagePage, UsageQuery } from "../ledger/usage-query.ts";
import { cipherOf } from "../lib/cipher.ts";
import type { NoticeSettings } from "../notices/settings.ts";
import type { Send } from "../notices/sinks.ts";
import { AccountKeys } from "./account-keys.ts";
import type { KeySecrets } from "./account-keys.ts";
import { AccountNotices } from "./account-notices.ts";
import { AccountRefunds } from "./account-refunds.ts";
import { AccountSessions } from "./account-sessions.ts";
import { ActOnce } from "./act-once.ts";
import { AutoTopUps } from "./auto-top-ups.ts";
import { BooksReport } from "./books-report.ts";
import { listSeals, proveLine } from "./proofs.ts";
import type { ProofOutcome, SealsPage } from "./proofs.ts";
import { SqliteStorage } from "./sqlite-storage.ts";
import { dumpTables, holdsTables, restoreTables } from "./table-dump.ts";
import { Turns } from "./turns.ts";
import { listTransactions, viewAccount } from "./views.ts";
import type { AccountView, TransactionsPage } from "./views.ts";

/** What the object needs of the Worker's environment. */
export interface AccountEnv extends KeySecrets, NoticeSettings, StripeSettings {
  readonly DIRECTORY: D1Database;
}

/** The most receipts of batches that one alarm deletes. */
const EXPIRED_ROWS_MAX = 500;
const ALARM_AGAIN_MS = 60_000;
const ALARM_DAILY_MS = 86_400_000;

interface Operations {
  readonly syncs: number;
  /** Groups of syncs that were committed together. */
  readonly commits: number;
  readonly rowsWritten: number;
}

export class AccountObject extends DurableObject<AccountEnv> {
  protected readonly turns: Turns;
  readonly #once: ActOnce;
  readonly #keys: AccountKeys;
  readonly #sessions: AccountSessions;
  readonly #notices: AccountNotices;
  readonly #report: BooksReport;
  readonly #topUps: AutoTopUps;
  readonly #refunds: AccountRefunds;
  /** Rows written by the last check of alerts; -1 makes an instance's first turn check. */
  #rowsSeen = -1;

  constructor(ctx: DurableObjectState, env: AccountEnv) {
    super(ctx, env);
    const { sql } = ctx.storage;
    const storage = new SqliteStorage(ctx.storage, () => this.#storedAnew());
    const turns = new Turns(
      storage,
      () => this.nowMs(),
      () => this.#afterTurn(),
    );
    const cipher = cipherOf(env);
    const send: Send = (url, init) => this.send(url, init);
    const stripe = stripeOf(env);
    this.turns = turns;
    this.#once = new ActOnce(turns, sql, cipher);
    this.#keys = new AccountKeys(turns, this.#once, sql, env);
    this.#sessions = new AccountSessions(turns, this.#keys, sql);
    this.#notices = new AccountNotices(turns, this.#once, sql, { env, cipher, send });
    this.#report = new BooksReport(turns, env.DIRECTORY);
    const payments = { stripe, isTaxAdded: env.STRIPE_AUTOMATIC_TAX === "true" };
    this.#topUps = new AutoTopUps(turns, payments, this.#notices, sql);
    this.#refunds = new AccountRefunds(turns, stripe, this.#topUps, sql);
  }

  /** The object's clock: Unix ms. */
  protected nowMs(): number {
    return Date.now();
  }

  /** Sends a notice; tests replace it. */
  protected send: Send = (url, init) => fetch(url, init);

  // What the object does by itself.

  /** Follows every turn that may have changed the books. */
  #afterTurn(): void {
    this.#checkNotices();
    this.#topUps.begin();
  }

  /** What is due. If a part throws, the runtime repeats the alarm. */
  override async alarm(): Promise<void> {
    this.turns.storage.woke();
    this.#keepHouse();
    this.#once.wipe();
    const account = this.getAccount();
    if (account === undefined) return;
    await this.#notices.deliver(account.email);
    await this.#report.send(account);
    await this.#refunds.finish();
    await this.#topUps.charge();
  }

  /** Drops everything in memory, because what is stored was deleted, rolled back or restored. */
  #storedAnew(): void {
    this.turns.forget();
    this.#once.forget();
    this.#keys.forget();
    this.#sessions.forget();
    this.#notices.forget();
    this.#report.forget();
    this.#topUps.forget();
    this.#refunds.forget();
    this.#rowsSeen = -1;
  }

  #checkNotices(): void {
    const { storage } = this.turns;
    if (storage.rowsWritten === this.#rowsSeen) return; // a turn that wrote nothing changed nothing
    this.#rowsSeen = storage.rowsWritten;
    try {
      this.turns.inner((ledger, nowMs) => {
        this.#notices.check(ledger, nowMs);
        this.#report.plan(ledger, nowMs);
      });
    } catch (error) {
      // The caller already has its answer. This failure is ours; the check runs again after the next turn.
      this.ctx.waitUntil(Promise.reject(error instanceof Error ? error : new Error("notices failed")));
    }
  }

  /** Folds the usage history and deletes expired answers and receipts. */
  #keepHouse(): void {
    const nowMs = this.nowMs();
    const { storage } = this.turns;
    const left = this.turns.inner((ledger) => {
      const more = foldHistory(ledger.storage, nowMs);
      ledger.expireAnswers(nowMs);
      return ledger.storage.deleteReceiptsBefore(nowMs, EXPIRED_ROWS_MAX) === EXPIRED_ROWS_MAX || more;
    });
    if (left === true) storage.wakeAt(nowMs + ALARM_AGAIN_MS);
    else if (left === false && storage.hasHousekeeping()) storage.wakeAt(nowMs + ALARM_DAILY_MS);
  }

  // Hot path.

  sync(message: SyncMessage): Promise<SyncAnswer> {
    return this.turns.sync(message);
  }

  // Streams: stream-frames.ts.

  chargedFrames(stream: string, from: number): readonly ChargedFrame[] | undefined {
    return this.turns.turn((ledger, nowMs) => chargedFrames(ledger, stream, from, nowMs));
  }

  // Batches: batch-charge.ts.

  reserveBatch(attempt: BatchReservation, needNanoUsd: NanoUsd): ReserveOutcome | undefined {
    return this.turns.turn((ledger, nowMs) => reserveBatch(ledger, attempt, needNanoUsd, nowMs));
  }

  chargeBatch(charge: BatchCharge): ChargeOutcome | undefined {
    return this.turns.turn((ledger, nowMs) => chargeBatch(ledger, charge, nowMs));
  }

  releaseBatch(batchId: string): void {
    this.turns.turn((ledger) => releaseBatch(ledger, batchId));
  }

  // The account. Every method but `setUp` returns undefined for an account that was never set up.

  /** Sets the account up with its first grant, unless it exists. Returns whether it is new. */
  setUp(account: NewAccount, firstGrant: acts.GrantInput | undefined, actor: string): boolean {
    return this.turns.setUp(account, (ledger, nowMs) => {
      acts.audit(ledger, nowMs, actor, "account.create", { name: account.name });
      if (firstGrant !== undefined) acts.grant(ledger, firstGrant, actor, nowMs);
    });
  }

  getAccount(): AccountView | undefined {
    return this.turns.turn(viewAccount);
  }

  grant(input: acts.GrantInput, actor: string): acts.GrantOutcome | undefined {
    return this.turns.turn((ledger, nowMs) => acts.grant(ledger, input, actor, nowMs));
  }

  setLimits(patch: acts.LimitsPatch, by: Actor): AccountLimits | Refused | undefined {
    return this.turns.act(by, (ledger, nowMs, { name }) => acts.setLimits(ledger, patch, name, nowMs));
  }

  setStatus(status: AccountStatus, actor: string): AccountView | undefined {
    return this.turns.turn((ledger, nowMs) => {
      acts.setStatus(ledger, status, actor, nowMs);
      return viewAccount(ledger, nowMs);
    });
  }

  usage(query: UsageQuery): UsagePage | undefined {
    return this.turns.turn((ledger, nowMs) => queryUsage(ledger, query, nowMs));
  }

  /** Newest first; `before` is the last page's `before`. */
  transactions(before: number | undefined, limit: number): TransactionsPage | undefined {
    return this.turns.turn((ledger, nowMs) => listTransactions(ledger, before, limit, nowMs));
  }

  /** Newest first; `before` is the last page's `before`. */
  seals(before: number | undefined, limit: number): SealsPage | undefined {
    return this.turns.turn((ledger, nowMs) => listSeals(ledger, before, limit, nowMs));
  }

  proof(position: number): ProofOutcome | undefined {
    return this.turns.turn((ledger, nowMs) => proveLine(ledger, position, nowMs));
  }

  /** Newest first, before row `before`. */
  auditLog(before: number | undefined, limit: number): (AuditRow & { readonly id: number })[] {
    return this.turns.storage.readAudit(before ?? Number.MAX_SAFE_INTEGER, limit);
  }

  /**
   * When the key, alert, webhook or session with this id was created, even if it is deleted; null: there never was one.
   */
  madeAtMs(id: Id<IdKind>): number | null | undefined {
    return this.turns.turn(() => this.turns.storage.madeAtMs(id) ?? null);
  }

  /** Deletes everything of the account. What isolates still hold ends within a lease TTL. */
  async deleteAccount(): Promise<void> {
    await this.#refunds.askOnceMore();
    this.turns.forget();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#storedAnew(); // drops the ledger again, because a turn during the deletion may have read it
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
    this.#storedAnew();
    return "restored";
  }

  /** What this instance has done since it started, for the operator's figures. */
  operations(): Operations {
    return { ...this.turns.done, rowsWritten: this.turns.storage.rowsWritten };
  }

  // The calls of the parts: a stub has the methods of this class alone. Each takes and returns what its part says.

  rightsNow(...call: Parameters<AccountKeys["rightsNow"]>) {
    return this.#keys.rightsNow(...call);
  }
  noteRefusal(...call: Parameters<AccountKeys["noteRefusal"]>) {
    return this.#keys.noteRefusal(...call);
  }
  listKeys() {
    return this.#keys.list();
  }
  getKey(...call: Parameters<AccountKeys["get"]>) {
    return this.#keys.get(...call);
  }
  createKey(...call: Parameters<AccountKeys["create"]>) {
    return this.#keys.create(...call);
  }
  patchKey(...call: Parameters<AccountKeys["patch"]>) {
    return this.#keys.patch(...call);
  }
  rotateKey(...call: Parameters<AccountKeys["rotate"]>) {
    return this.#keys.rotate(...call);
  }
  revokeKey(...call: Parameters<AccountKeys["revoke"]>) {
    return this.#keys.revoke(...call);
  }
  reportLeak(...call: Parameters<AccountKeys["reportLeak"]>) {
    return this.#keys.reportLeak(...call);
  }
  beginSession(...call: Parameters<AccountSessions["begin"]>) {
    return this.#sessions.begin(...call);
  }
  beginOwnSession(...call: Parameters<AccountSessions["beginOwn"]>) {
    return this.#sessions.beginOwn(...call);
  }
  session(...call: Parameters<AccountSessions["get"]>) {
    return this.#sessions.get(...call);
  }
  listSessions() {
    return this.#sessions.list();
  }
  endSessions(...call: Parameters<AccountSessions["end"]>) {
    return this.#sessions.end(...call);
  }
  announceBatch(...call: Parameters<AccountNotices["announceBatch"]>) {
    return this.#notices.announceBatch(...call);
  }
  listAlerts() {
    return this.#notices.listAlerts();
  }
  createAlert(...call: Parameters<AccountNotices["createAlert"]>) {
    return this.#notices.createAlert(...call);
  }
  deleteAlert(...call: Parameters<AccountNotices["deleteAlert"]>) {
    return this.#notices.deleteAlert(...call);
  }
  listWebhooks() {
    return this.#notices.listWebhooks();
  }
  getWebhook(...call: Parameters<AccountNotices["getWebhook"]>) {
    return this.#notices.getWebhook(...call);
  }
  createWebhook(...call: Parameters<AccountNotices["createWebhook"]>) {
    return this.#notices.createWebhook(...call);
  }
  patchWebhook(...call: Parameters<AccountNotices["patchWebhook"]>) {
    return this.#notices.patchWebhook(...call);
  }
  rotateWebhook(...call: Parameters<AccountNotices["rotateWebhook"]>) {
    return this.#notices.rotateWebhook(...call);
  }
  deleteWebhook(...call: Parameters<AccountNotices["deleteWebhook"]>) {
    return this.#notices.deleteWebhook(...call);
  }
  testWebhook(...call: Parameters<AccountNotices["testWebhook"]>) {
    return this.#notices.testWebhook(...call);
  }
  billing() {
    return this.#topUps.state();
  }
  setAutoTopUp(...call: Parameters<AutoTopUps["setTerms"]>) {
    return this.#topUps.setTerms(...call);
  }
  rememberCard(...call: Parameters<AutoTopUps["rememberCard"]>) {
    return this.#topUps.rememberCard(...call);
  }
  refund(...call: Parameters<AccountRefunds["refund"]>) {
    return this.#refunds.refund(...call);
  }
  takeBack(...call: Parameters<AccountRefunds["takeBack"]>) {
    return this.#refunds.takeBack(...call);
  }
  giveBack(...call: Parameters<AccountRefunds["giveBack"]>) {
    return this.#refunds.giveBack(...call);
  }
}

/** Undefined: this deployment takes no cards. Both secrets or none: what happens to a payment must arrive. */
function stripeOf(env: StripeSettings): Stripe | undefined {
  const { STRIPE_SECRET_KEY: key, STRIPE_WEBHOOK_SECRET: webhook, STRIPE_API_ORIGIN: origin } = env;
  return key && webhook ? new Stripe(key, origin) : undefined;
}
