// The account's object with its notices: alerts, webhooks, and the report of the account's sums to the directory. None
// of them can fail a turn of the ledger.

import { must } from "../../shared/assert.ts";
import { EVENT_TYPES } from "../../shared/event-types.ts";
import { reportBooks } from "../directory/accounts.ts";
import type { NoticeSettings } from "../notices/settings.ts";
import { allowsLoopback, emailConfig, ownHosts } from "../notices/settings.ts";
import { newWebhookSecret } from "../notices/signature.ts";
import type { Notice, Outcome, Send } from "../notices/sinks.ts";
import { isRefused } from "../keys/acting-key.ts";
import type { Actor, Refused } from "../keys/acting-key.ts";
import { audit } from "../ledger/acts.ts";
import type { Once, Repeat } from "../lib/made-once.ts";
import { AccountWithKeys, isMade } from "./account-with-keys.ts";
import type { AccountEnv } from "./account.ts";
import { ALERTS_MAX } from "../notices/alerts.ts";
import type { AlertKind, AlertRecord } from "../notices/alerts.ts";
import type { KeyView } from "../keys/key-acts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { NoticeStore, WEBHOOKS_MAX } from "../notices/notice-store.ts";
import type { WebhookRecord } from "../notices/notice-store.ts";
import { Notices, noticeOf } from "../notices/notices.ts";
import { RefusedKeys } from "../keys/refused-keys.ts";
import type { LastRefusal, MendableCode } from "../keys/refused-keys.ts";
import type { SecretHash } from "../ledger/types.ts";
import { WebhookSecrets } from "../notices/webhook-secrets.ts";
import type { Id, KeyId } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";

export type NoticesEnv = AccountEnv & NoticeSettings & { readonly DIRECTORY: D1Database };

/** How often an account that spends reports its sums; each report costs an alarm and two rows. */
const REPORT_MS = 6 * 3_600_000;
/** The least time between two tests of one webhook. */
const TEST_INTERVAL_MS = 10_000;

/** A webhook as its owner sees it. */
export type WebhookView = Omit<WebhookRecord, "secret" | "previous"> & {
  /** Until then the replaced secret signs too. */
  readonly previousUntilMs?: number;
};
/** The only answers that hold the secret. */
export type CreatedWebhook = WebhookView & { readonly secret: string };

/** `events` null: all of them. */
export interface WebhookPatch {
  readonly url?: string;
  readonly events?: readonly string[] | null;
}

export class AccountWithNotices extends AccountWithKeys {
  readonly #notices: Notices;
  readonly #store: NoticeStore;
  readonly #refused: RefusedKeys;
  readonly #directory: D1Database;
  readonly #secrets: WebhookSecrets;
  /** Total charged at the last report; undefined: this instance has not reported. */
  #reportedNanoUsd: NanoUsd | undefined;
  /** Rows written by the last check of alerts; -1 makes an instance's first turn check. */
  #rowsSeen = -1;
  readonly #testedAtMs = new Map<string, number>();

  constructor(ctx: DurableObjectState, env: NoticesEnv) {
    super(ctx, env);
    this.#store = new NoticeStore(ctx.storage.sql);
    this.#refused = new RefusedKeys(ctx.storage.sql);
    this.#directory = env.DIRECTORY;
    this.#secrets = new WebhookSecrets(this.cipher);
    this.#notices = new Notices({
      store: this.#store,
      transaction: (work) => this.storage.transaction(work),
      send: (url, init) => this.send(url, init),
      egress: egressOf(env),
      secrets: this.#secrets,
      rules: { allowLoopback: allowsLoopback(env), ownHosts: ownHosts(env) },
      email: emailConfig(env),
    });
  }

  /** Notes that a call was refused for something that the owner of the key can fix. */
  noteRefusal(secret: readonly SecretHash[], code: MendableCode): void {
    this.turn((ledger, nowMs) => {
      const record = ledger.keys.locate(secret);
      if (record !== undefined && record.revokedAtMs === undefined) this.#refused.note(record.id, code, nowMs);
    });
  }

  override listKeys(): KeyView[] | undefined {
    const refused = this.#refused.all();
    return super.listKeys()?.map((key) => withRefusal(key, refused.get(key.id)));
  }

  override getKey(id: KeyId): KeyView | undefined {
    const key = super.getKey(id);
    return key === undefined ? undefined : withRefusal(key, this.#refused.get(id));
  }

  protected override endKey(ledger: Ledger, id: KeyId, actor: string, nowMs: number): "revoked" | "unknown" {
    this.#refused.delete(id);
    return super.endKey(ledger, id, actor, nowMs);
  }

  /** Sends a notice; tests replace it. */
  protected send: Send = (url, init) => fetch(url, init);

  protected override afterTurn(): void {
    // A turn that wrote nothing changed nothing.
    if (this.storage.rowsWritten === this.#rowsSeen) return;
    this.#rowsSeen = this.storage.rowsWritten;
    const nowMs = this.nowMs();
    try {
      this.core.turn(nowMs, (ledger) => {
        if (this.#notices.check(ledger, nowMs)) this.storage.wakeAt(nowMs);
        const charged = ledger.books.totals.chargedNanoUsd;
        if (charged > (this.#reportedNanoUsd ?? 0)) this.storage.wakeAt(nowMs + REPORT_MS);
      });
    } catch (error) {
      // The caller already has its answer. This failure is ours; the check runs again after the next turn.
      this.ctx.waitUntil(Promise.reject(error instanceof Error ? error : new Error("notices failed")));
    }
  }

  override async alarm(): Promise<void> {
    await super.alarm();
    const view = this.getAccount();
    if (view === undefined) return;
    const nextMs = await this.#notices.deliver(view.email, () => this.nowMs());
    if (nextMs !== undefined) this.storage.wakeAt(nextMs);
    if (this.#reportedNanoUsd !== view.chargedNanoUsd) {
      const reported = await reportBooks(this.#directory, view.id, view, this.nowMs()).then(
        () => true,
        () => false, // the directory is down; the next charge sets an alarm again
      );
      if (reported) this.#reportedNanoUsd = view.chargedNanoUsd;
    }
  }

  protected override storedAnew(): void {
    super.storedAnew();
    this.#store.forget();
    this.#refused.forget();
    this.#notices.forget();
    this.#reportedNanoUsd = undefined;
    this.#rowsSeen = -1;
  }

  /** Queues `notice` for the webhooks that want it and for the account's e-mail address, in a turn of the ledger. */
  protected tell(ledger: Ledger, notice: Notice, nowMs: number): void {
    if (this.#notices.tell(notice, ledger.email, nowMs)) this.storage.wakeAt(nowMs);
  }

  /** Queues `batch.<status>` for the webhooks, as OpenAI sends it. A second call sends the same event id. */
  announceBatch(id: Id<"batch">, status: string): void {
    this.turn((_ledger, nowMs) => {
      const eventId = `evt_${id.slice(id.indexOf("_") + 1)}`;
      const type = must(
        EVENT_TYPES.find((known) => known === `batch.${status}`),
        "a batch that has ended",
      );
      const notice = noticeOf(type, { id }, `Batch ${id} has ${status}.`, nowMs, eventId);
      if (this.#notices.announce(notice, nowMs)) this.storage.wakeAt(nowMs);
    });
  }

  listAlerts(): AlertRecord[] | undefined {
    return this.turn(() => [...this.#notices.alerts]);
  }

  createAlert(
    alert: { readonly kind: AlertKind; readonly thresholdNanoUsd: NanoUsd },
    by: Actor,
    once?: Once,
  ): Promise<AlertRecord | Repeat<AlertRecord> | "too_many" | "reused" | Refused | undefined> {
    return this.actOnce<AlertRecord, "too_many">(by, once, undefined, (ledger, nowMs, { name: actor }) => {
      if (this.#notices.alerts.length >= ALERTS_MAX) return "too_many";
      const record: AlertRecord = { ...alert, id: newId("alert"), createdAtMs: nowMs };
      this.#notices.putAlert(record);
      audit(ledger, nowMs, actor, "alert.create", { ...alert, id: record.id });
      return record;
    });
  }

  deleteAlert(id: string, by: Actor): "deleted" | "unknown" | Refused | undefined {
    return this.act(by, (ledger, nowMs, { name: actor }) => {
      if (!this.#notices.deleteAlert(id)) return "unknown";
      audit(ledger, nowMs, actor, "alert.delete", { id });
      return "deleted";
    });
  }

  listWebhooks(): WebhookView[] | undefined {
    return this.turn(() => this.#store.webhooks().map(viewOf));
  }

  getWebhook(id: string): WebhookView | "unknown" | undefined {
    return this.turn(() => {
      const record = this.#store.webhook(id);
      return record === undefined ? "unknown" : viewOf(record);
    });
  }

  async createWebhook(
    webhook: { readonly url: string; readonly events?: readonly string[] },
    by: Actor,
    once?: Once,
  ): Promise<CreatedWebhook | Repeat<WebhookView> | "too_many" | "reused" | Refused | undefined> {
    const [id, secret] = [newId("webhook"), newWebhookSecret()];
    const sealed = await this.#secrets.seal(id, secret);
    const made = await this.actOnce<WebhookView, "too_many">(
      by,
      once,
      { id, secret },
      (ledger, nowMs, { name: actor }) => {
        if (this.#store.webhooks().length >= WEBHOOKS_MAX) return "too_many";
        const record: WebhookRecord = {
          ...webhook,
          id,
          secret: sealed,
          createdAtMs: nowMs,
        };
        this.#store.putWebhook(record);
        // Only the host: the path may hold a token of the receiver.
        audit(ledger, nowMs, actor, "webhook.create", { id, host: new URL(record.url).host });
        return viewOf(record);
      },
    );
    return isMade(made) ? { ...made, secret } : made;
  }

  /** A webhook with a new address is active again. */
  patchWebhook(id: string, patch: WebhookPatch, by: Actor): WebhookView | "unknown" | Refused | undefined {
    return this.act(by, (ledger, nowMs, { name: actor }) => {
      const record = this.#store.webhook(id);
      if (record === undefined) return "unknown";
      const next = patched(record, patch);
      this.#store.putWebhook(next);
      audit(ledger, nowMs, actor, "webhook.patch", { id, terms: Object.keys(patch), host: new URL(next.url).host });
      return viewOf(next);
    });
  }

  /** A new secret; the old one signs too until `overlapMs` from now. A second rotation ends the first overlap. */
  async rotateWebhook(
    id: Id<"webhook">,
    overlapMs: number,
    by: Actor,
    once?: Once,
  ): Promise<CreatedWebhook | Repeat<WebhookView> | "unknown" | "reused" | Refused | undefined> {
    const secret = newWebhookSecret();
    const sealed = await this.#secrets.seal(id, secret);
    const rotated = await this.actOnce<WebhookView, "unknown">(
      by,
      once,
      { id, secret },
      (ledger, nowMs, { name: actor }) => {
        const record = this.#store.webhook(id);
        if (record === undefined) return "unknown";
        const previous = { secret: record.secret, untilMs: nowMs + overlapMs };
        const next = { ...record, secret: sealed, previous };
        this.#store.putWebhook(next);
        audit(ledger, nowMs, actor, "webhook.rotate", { id, overlapMs });
        return viewOf(next);
      },
    );
    return isMade(rotated) ? { ...rotated, secret } : rotated;
  }

  deleteWebhook(id: string, by: Actor): "deleted" | "unknown" | Refused | undefined {
    return this.act(by, (ledger, nowMs, { name: actor }) => {
      if (!this.#store.deleteWebhook(id)) return "unknown";
      audit(ledger, nowMs, actor, "webhook.delete", { id });
      return "deleted";
    });
  }

  /** Sends one signed `webhook.test` now and returns its outcome. */
  async testWebhook(id: string, by: Actor): Promise<Outcome | "unknown" | "too_soon" | Refused | undefined> {
    const record = this.act(by, () => this.#store.webhook(id) ?? "unknown");
    if (record === undefined || record === "unknown" || isRefused(record)) return record;
    const nowMs = this.nowMs();
    if (nowMs < (this.#testedAtMs.get(id) ?? -Infinity) + TEST_INTERVAL_MS) return "too_soon";
    this.#testedAtMs.set(id, nowMs);
    const notice = noticeOf("webhook.test", { webhook_id: id }, "A test of your webhook.", nowMs);
    return this.#notices.test(record, notice, () => this.nowMs());
  }
}

function patched(record: WebhookRecord, { url = record.url, events = record.events }: WebhookPatch): WebhookRecord {
  const { events: _events, disabledReason, lastAttempt, ...rest } = record;
  return {
    ...rest,
    url,
    ...(events === undefined || events === null ? {} : { events }),
    ...(url !== record.url || disabledReason === undefined ? {} : { disabledReason }),
    ...(url !== record.url || lastAttempt === undefined ? {} : { lastAttempt }),
  };
}

function viewOf(record: WebhookRecord): WebhookView {
  const { secret: _secret, previous, ...shown } = record;
  return previous === undefined ? shown : { ...shown, previousUntilMs: previous.untilMs };
}

function egressOf({ WEBHOOK_EGRESS: egress }: NoticeSettings): Send | undefined {
  return egress === undefined ? undefined : (url, init) => egress.fetch(url, init);
}

function withRefusal(key: KeyView, lastRefusal: LastRefusal | undefined): KeyView {
  return lastRefusal === undefined ? key : { ...key, lastRefusal };
}
