// The notices of an account. Alerts are checked after every commit, notices go into the outbox in the same transaction,
// and the object's alarm delivers them, retries with back-off, and at last disables a webhook with a reason that its
// owner sees. Delivery is at least once: copies carry the same id. Nothing here delays a sync.

import { DamagedFileError } from "../lib/cipher.ts";
import type { EventType } from "../../shared/event-types.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";
import { TRIES_MAX, delayAfter } from "./backoff.ts";
import type { EmailConfig, Notice, Outcome, Send, TargetRules } from "./sinks.ts";
import { emailSink, webhookSink } from "./sinks.ts";
import { changedAlerts } from "./alerts.ts";
import type { AlertRecord, Levels } from "./alerts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { EMAIL } from "./notice-store.ts";
import type { NoticeStore, OutboxRow, StoredSecret, WebhookRecord } from "./notice-store.ts";
import type { WebhookSecrets } from "./webhook-secrets.ts";
import { monthStartMs, periodStartMs } from "../ledger/periods.ts";
import { cellsBetween } from "../ledger/usage-history.ts";

const NO_RECEIVER: Outcome = { kind: "gone", detail: "no such receiver any more" };
/** Deliveries that one alarm makes at the same time: each may take ten seconds. */
const BATCH = 10;

export interface NoticesOptions {
  readonly store: NoticeStore;
  readonly transaction: <Result>(work: () => Result) => Result;
  readonly send: Send;
  /** Sends to webhooks; undefined: `send` does. */
  readonly egress: Send | undefined;
  readonly secrets: WebhookSecrets;
  readonly rules: TargetRules;
  readonly email: EmailConfig | undefined;
}

export class Notices {
  readonly #options: NoticesOptions;
  /** As stored; undefined: not read yet. */
  #alerts: readonly AlertRecord[] | undefined;
  /** The current day, and the total charged when it began. */
  #day: { readonly startMs: number; readonly chargedBefore: NanoUsd } | undefined;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  get #store(): NoticeStore {
    return this.#options.store;
  }

  /** Drops what is in memory, because what is stored changed under it. */
  forget(): void {
    this.#alerts = undefined;
    this.#day = undefined;
  }

  get alerts(): readonly AlertRecord[] {
    this.#alerts ??= this.#store.alerts();
    return this.#alerts;
  }

  putAlert(record: AlertRecord): void {
    this.#store.putAlert(record);
    this.forget(); // a first daily alert must count the day so far from usage
  }

  deleteAlert(id: string): boolean {
    this.#alerts = undefined;
    return this.#store.deleteAlert(id);
  }

  /** Checks every alert, inside a turn of the ledger. Returns whether something now waits for delivery. */
  check(ledger: Ledger, nowMs: number): boolean {
    if (this.alerts.length === 0) return false;
    const changes = changedAlerts(this.alerts, this.#levels(ledger, nowMs), nowMs);
    for (const { record, firedAtNanoUsd } of changes) {
      this.#store.putAlert(record);
      if (firedAtNanoUsd !== undefined) this.#announceAlert(ledger, record, firedAtNanoUsd, nowMs);
    }
    if (changes.length > 0) this.#alerts = undefined;
    return changes.some(({ firedAtNanoUsd }) => firedAtNanoUsd !== undefined);
  }

  #levels(ledger: Ledger, nowMs: number): Levels {
    const dayStartMs = periodStartMs("day", nowMs);
    const charged = ledger.books.totals.chargedNanoUsd;
    if (this.#day?.startMs !== dayStartMs) {
      let today = 0;
      if (this.alerts.some(({ kind }) => kind === "daily_spend")) {
        for (const cell of cellsBetween(ledger, dayStartMs, nowMs + 1)) today += cell.costNanoUsd;
      }
      this.#day = { startMs: dayStartMs, chargedBefore: nanoUsd(charged - today) };
    }
    return {
      balanceNanoUsd: ledger.books.balance,
      dayStartMs,
      dayNanoUsd: nanoUsd(charged - this.#day.chargedBefore),
      monthStartMs: monthStartMs(nowMs),
      monthNanoUsd: ledger.monthSpent(nowMs),
    };
  }

  #announceAlert(ledger: Ledger, alert: AlertRecord, value: NanoUsd, nowMs: number): void {
    const data = {
      account_id: ledger.accountId,
      alert_id: alert.id,
      kind: alert.kind,
      threshold_nano_usd: alert.thresholdNanoUsd,
      threshold_usd: formatUsd(alert.thresholdNanoUsd),
      value_nano_usd: value,
      value_usd: formatUsd(value),
    };
    const [what, verb] = alert.kind === "balance_below" ? ["balance", "fell below"] : [SPEND[alert.kind], "reached"];
    const summary = `Your ${what} ${verb} $${data.threshold_usd}: it is $${data.value_usd}.`;
    this.tell(noticeOf("alert.triggered", data, summary, nowMs), ledger.email, nowMs);
  }

  /** `announce`, and by e-mail if that is configured. Returns whether something now waits for delivery. */
  tell(notice: Notice, address: string | undefined, nowMs: number): boolean {
    const isAnnounced = this.announce(notice, nowMs);
    const { email, send } = this.#options;
    if (emailSink(email, address, send) === undefined) return isAnnounced;
    this.#store.append(EMAIL, JSON.stringify(notice), nowMs);
    return true;
  }

  /**
   * Puts a notice into the outbox for every webhook that wants it. Returns whether something now waits for delivery.
   */
  announce(notice: Notice, nowMs: number): boolean {
    const receivers = this.#store
      .webhooks()
      .filter(({ events, disabledReason }) => disabledReason === undefined && events?.includes(notice.type) !== false);
    const text = JSON.stringify(notice);
    for (const { id } of receivers) this.#store.append(id, text, nowMs);
    return receivers.length > 0;
  }

  /** Delivers what is due, records the outcomes, and returns when the next delivery is due. */
  async deliver(email: string | undefined, clock: () => number): Promise<number | undefined> {
    const rows = this.#store.due(clock(), BATCH);
    const outcomes = await Promise.all(
      rows.map(async (row) => ({ row, outcome: await this.#deliverOne(row, email, clock()) })),
    );
    const nowMs = clock();
    this.#options.transaction(() => {
      for (const { row, outcome } of outcomes) this.#note(row, outcome, nowMs);
    });
    return this.#store.nextDueMs();
  }

  /** Delivers `notice` to one webhook at once, outside the outbox. Success makes a disabled webhook active again. */
  async test(record: WebhookRecord, notice: Notice, clock: () => number): Promise<Outcome> {
    const outcome = await this.#deliverTo(record, notice, clock());
    const nowMs = clock();
    this.#options.transaction(() => this.#noteAttempt(record.id, outcome, nowMs));
    return outcome;
  }

  async #deliverOne(row: OutboxRow, email: string | undefined, nowMs: number): Promise<Outcome> {
    const notice: Notice = JSON.parse(row.notice);
    if (row.receiver === EMAIL) {
      const sink = emailSink(this.#options.email, email, this.#options.send);
      return sink === undefined ? NO_RECEIVER : sink.deliver(notice, nowMs);
    }
    const record = this.#store.webhook(row.receiver);
    if (record === undefined || record.disabledReason !== undefined) return NO_RECEIVER;
    return this.#deliverTo(record, notice, nowMs);
  }

  async #deliverTo(record: WebhookRecord, notice: Notice, nowMs: number): Promise<Outcome> {
    const { secrets, egress, send, rules } = this.#options;
    try {
      const inForce = await secrets.inForce(record, nowMs);
      if (inForce.renewed !== undefined) this.#renew(record, inForce.renewed);
      const target = { url: record.url, secrets: inForce.secrets };
      return await webhookSink(target, egress ?? send, rules).deliver(notice, nowMs);
    } catch (error) {
      if (!(error instanceof DamagedFileError)) throw error;
      return { kind: "failed", detail: "its signing secret cannot be read any more: rotate it" };
    }
  }

  /** Stores the secret sealed again, unless it was rotated meanwhile. */
  #renew(seen: WebhookRecord, secret: StoredSecret): void {
    const record = this.#store.webhook(seen.id);
    if (record !== undefined && JSON.stringify(record.secret) === JSON.stringify(seen.secret))
      this.#store.putWebhook({ ...record, secret });
  }

  #note(row: OutboxRow, outcome: Outcome, nowMs: number): void {
    const tries = row.tries + 1;
    const delayMs = outcome.kind === "failed" ? delayAfter(tries) : undefined;
    if (delayMs === undefined) this.#store.remove(row.id);
    else this.#store.postpone(row.id, tries, nowMs + delayMs);
    if (row.receiver === EMAIL) return;
    const disabled = outcome.kind === "failed" && delayMs === undefined ? `${TRIES_MAX} tries failed` : undefined;
    this.#noteAttempt(row.receiver, outcome, nowMs, disabled);
  }

  #noteAttempt(webhookId: string, outcome: Outcome, nowMs: number, disabled?: string): void {
    const record = this.#store.webhook(webhookId);
    if (record === undefined) return;
    const { disabledReason: before, ...rest } = record;
    const reason =
      outcome.kind === "delivered" ? undefined : outcome.kind === "gone" ? "it is gone" : (disabled ?? before);
    const shown = reason === undefined || reason === before ? reason : `${reason}; last: ${outcome.detail}`;
    this.#store.putWebhook({
      ...rest,
      lastAttempt: { atMs: nowMs, detail: outcome.detail },
      ...(shown === undefined ? {} : { disabledReason: shown }),
    });
    if (shown !== undefined) this.#store.dropWaiting(webhookId);
  }
}

const SPEND = { daily_spend: "spend of this day", monthly_spend: "spend of this month" } as const;

/**
 * A notice whose body has the shape of OpenAI's events (`id`, `object`, `created_at`, `type`, `data`) and the
 * `timestamp` of Standard Webhooks. `id`: given if the same event may be announced twice; otherwise new.
 */
export function noticeOf(
  type: EventType,
  data: object,
  summary: string,
  nowMs: number,
  id: Notice["id"] = newId("event"),
): Notice {
  const body = {
    id,
    object: "event",
    type,
    created_at: Math.floor(nowMs / 1000),
    timestamp: new Date(nowMs).toISOString(),
    data,
  };
  return { id, type, body: JSON.stringify(body), summary };
}
