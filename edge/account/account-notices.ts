// The alerts and webhooks of an account, and the notices that they and other parts of its object send.

import { must } from "../../shared/assert.ts";
import { EVENT_TYPES } from "../../shared/event-types.ts";
import type { Id } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { isRefused } from "../keys/acting-key.ts";
import type { Actor, Refused } from "../keys/acting-key.ts";
import { audit } from "../ledger/acts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Cipher } from "../lib/cipher.ts";
import type { Once, Repeat } from "../lib/made-once.ts";
import { ALERTS_MAX } from "../notices/alerts.ts";
import type { AlertKind, AlertRecord } from "../notices/alerts.ts";
import { NoticeStore, WEBHOOKS_MAX } from "../notices/notice-store.ts";
import type { WebhookRecord } from "../notices/notice-store.ts";
import { Notices, noticeOf } from "../notices/notices.ts";
import type { NoticeSettings } from "../notices/settings.ts";
import { allowsLoopback, emailConfig, ownHosts } from "../notices/settings.ts";
import { newWebhookSecret } from "../notices/signature.ts";
import type { Notice, Outcome, Send } from "../notices/sinks.ts";
import { WebhookSecrets } from "../notices/webhook-secrets.ts";
import { isMade } from "./act-once.ts";
import type { ActOnce } from "./act-once.ts";
import type { Turns } from "./turns.ts";

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

export class AccountNotices {
  readonly #turns: Turns;
  readonly #once: ActOnce;
  readonly #store: NoticeStore;
  readonly #secrets: WebhookSecrets;
  readonly #notices: Notices;
  readonly #testedAtMs = new Map<string, number>();

  constructor(
    turns: Turns,
    once: ActOnce,
    sql: SqlStorage,
    { env, cipher, send }: { readonly env: NoticeSettings; readonly cipher: Cipher; readonly send: Send },
  ) {
    this.#turns = turns;
    this.#once = once;
    this.#store = new NoticeStore(sql);
    this.#secrets = new WebhookSecrets(cipher);
    this.#notices = new Notices({
      store: this.#store,
      transaction: (work) => turns.storage.transaction(work),
      send,
      egress: egressOf(env),
      secrets: this.#secrets,
      rules: { allowLoopback: allowsLoopback(env), ownHosts: ownHosts(env) },
      email: emailConfig(env),
    });
  }

  /** Checks every alert, inside a turn. */
  check(ledger: Ledger, nowMs: number): void {
    if (this.#notices.check(ledger, nowMs)) this.#turns.storage.wakeAt(nowMs);
  }

  /** Delivers what is due, and sets the alarm for the rest. */
  async deliver(email: string | undefined): Promise<void> {
    const nextMs = await this.#notices.deliver(email, this.#turns.nowMs);
    if (nextMs !== undefined) this.#turns.storage.wakeAt(nextMs);
  }

  forget(): void {
    this.#store.forget();
    this.#notices.forget();
  }

  /** Queues `notice` for the webhooks that want it and for the account's e-mail address, in a turn of the ledger. */
  tell(ledger: Ledger, notice: Notice, nowMs: number): void {
    if (this.#notices.tell(notice, ledger.email, nowMs)) this.#turns.storage.wakeAt(nowMs);
  }

  /** Queues `batch.<status>` for the webhooks, as OpenAI sends it. A second call sends the same event id. */
  announceBatch(id: Id<"batch">, status: string): void {
    this.#turns.turn((_ledger, nowMs) => {
      const eventId = `evt_${id.slice(id.indexOf("_") + 1)}`;
      const type = must(
        EVENT_TYPES.find((known) => known === `batch.${status}`),
        "a batch that has ended",
      );
      const notice = noticeOf(type, { id }, `Batch ${id} has ${status}.`, nowMs, eventId);
      if (this.#notices.announce(notice, nowMs)) this.#turns.storage.wakeAt(nowMs);
    });
  }

  listAlerts(): AlertRecord[] | undefined {
    return this.#turns.turn(() => [...this.#notices.alerts]);
  }

  createAlert(
    alert: { readonly kind: AlertKind; readonly thresholdNanoUsd: NanoUsd },
    by: Actor,
    once?: Once,
  ): Promise<AlertRecord | Repeat<AlertRecord> | "too_many" | "reused" | Refused | undefined> {
    return this.#once.act<AlertRecord, "too_many">(by, once, undefined, (ledger, nowMs, { name: actor }) => {
      if (this.#notices.alerts.length >= ALERTS_MAX) return "too_many";
      const record: AlertRecord = { ...alert, id: newId("alert"), createdAtMs: nowMs };
      this.#notices.putAlert(record);
      audit(ledger, nowMs, actor, "alert.create", { ...alert, id: record.id });
      return record;
    });
  }

  deleteAlert(id: string, by: Actor): "deleted" | "unknown" | Refused | undefined {
    return this.#turns.act(by, (ledger, nowMs, { name: actor }) => {
      if (!this.#notices.deleteAlert(id)) return "unknown";
      audit(ledger, nowMs, actor, "alert.delete", { id });
      return "deleted";
    });
  }

  listWebhooks(): WebhookView[] | undefined {
    return this.#turns.turn(() => this.#store.webhooks().map(viewOf));
  }

  getWebhook(id: string): WebhookView | "unknown" | undefined {
    return this.#turns.turn(() => {
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
    const made = await this.#once.act<WebhookView, "too_many">(
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
    return this.#turns.act(by, (ledger, nowMs, { name: actor }) => {
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
    const rotated = await this.#once.act<WebhookView, "unknown">(
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
    return this.#turns.act(by, (ledger, nowMs, { name: actor }) => {
      if (!this.#store.deleteWebhook(id)) return "unknown";
      audit(ledger, nowMs, actor, "webhook.delete", { id });
      return "deleted";
    });
  }

  /** Sends one signed `webhook.test` now and returns its outcome. */
  async testWebhook(id: string, by: Actor): Promise<Outcome | "unknown" | "too_soon" | Refused | undefined> {
    const record = this.#turns.act(by, () => this.#store.webhook(id) ?? "unknown");
    if (record === undefined || record === "unknown" || isRefused(record)) return record;
    const nowMs = this.#turns.nowMs();
    if (nowMs < (this.#testedAtMs.get(id) ?? -Infinity) + TEST_INTERVAL_MS) return "too_soon";
    this.#testedAtMs.set(id, nowMs);
    const notice = noticeOf("webhook.test", { webhook_id: id }, "A test of your webhook.", nowMs);
    return this.#notices.test(record, notice, this.#turns.nowMs);
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
