// Alerts, webhooks and the outbox of an account, in its object's SQLite, outside the ledger's hot row.
// docs/storage.md lists the columns.

import type { Id } from "../../shared/ids.ts";
import type { AlertRecord } from "./alerts.ts";
import { LazyTables } from "../lib/lazy-tables.ts";

export const WEBHOOKS_MAX = 10;
/** The most notices that wait; beyond it new ones are dropped. */
const OUTBOX_MAX = 500;

export interface WebhookRecord {
  readonly id: Id<"webhook">;
  readonly url: string;
  /** Event types; undefined: all. */
  readonly events?: readonly string[];
  readonly secret: StoredSecret;
  /** The secret that a rotation replaced; it signs too until `untilMs`. */
  readonly previous?: { readonly secret: StoredSecret; readonly untilMs: number };
  readonly createdAtMs: number;
  /** Why it is disabled; undefined: it is active. */
  readonly disabledReason?: string;
  readonly lastAttempt?: { readonly atMs: number; readonly detail: string };
}

/** `whsec_…`, kept because it signs: sealed, in base64 (webhook-secrets.ts). Older rows hold it in plain text. */
export type StoredSecret = string | { readonly sealed: string };

/** The receiver of notices by e-mail. */
export const EMAIL = "email";

export interface OutboxRow {
  readonly id: number;
  /** A webhook's id, or EMAIL. */
  readonly receiver: string;
  /** JSON of a Notice. */
  readonly notice: string;
  readonly tries: number;
  readonly nextMs: number;
}

const TABLES = [
  `CREATE TABLE IF NOT EXISTS alerts (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS webhooks (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, receiver TEXT NOT NULL, notice TEXT NOT NULL, tries INTEGER NOT NULL, next_ms INTEGER NOT NULL)`,
];

type Row = Record<string, SqlStorageValue>;

export class NoticeStore extends LazyTables {
  constructor(sql: SqlStorage) {
    super(sql, "outbox", TABLES);
  }

  alerts(): AlertRecord[] {
    return this.records("SELECT body FROM alerts ORDER BY id");
  }

  putAlert(record: AlertRecord): void {
    this.write("INSERT OR REPLACE INTO alerts (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  deleteAlert(id: string): boolean {
    return this.write("DELETE FROM alerts WHERE id = ?", id) > 0;
  }

  webhooks(): WebhookRecord[] {
    return this.records("SELECT body FROM webhooks ORDER BY id");
  }

  webhook(id: string): WebhookRecord | undefined {
    return this.records<WebhookRecord>("SELECT body FROM webhooks WHERE id = ?", id)[0];
  }

  putWebhook(record: WebhookRecord): void {
    this.write("INSERT OR REPLACE INTO webhooks (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  /** Deletes a webhook and the notices that wait for it. */
  deleteWebhook(id: string): boolean {
    this.dropWaiting(id);
    return this.write("DELETE FROM webhooks WHERE id = ?", id) > 0;
  }

  append(receiver: string, notice: string, nextMs: number): void {
    if (this.read("SELECT id FROM outbox LIMIT ?", OUTBOX_MAX).length >= OUTBOX_MAX) return;
    this.write("INSERT INTO outbox (receiver, notice, tries, next_ms) VALUES (?, ?, 0, ?)", receiver, notice, nextMs);
  }

  due(nowMs: number, limit: number): OutboxRow[] {
    const columns = "id, receiver, notice, tries, next_ms AS nextMs";
    return this.read<OutboxRow & Row>(
      `SELECT ${columns} FROM outbox WHERE next_ms <= ? ORDER BY next_ms, id LIMIT ?`,
      nowMs,
      limit,
    );
  }

  /** When the next notice is due; undefined: none waits. */
  nextDueMs(): number | undefined {
    const [row] = this.read("SELECT next_ms FROM outbox ORDER BY next_ms LIMIT 1");
    return row === undefined ? undefined : Number(row["next_ms"]);
  }

  postpone(id: number, tries: number, nextMs: number): void {
    this.write("UPDATE outbox SET tries = ?, next_ms = ? WHERE id = ?", tries, nextMs, id);
  }

  remove(id: number): void {
    this.write("DELETE FROM outbox WHERE id = ?", id);
  }

  dropWaiting(receiver: string): void {
    this.write("DELETE FROM outbox WHERE receiver = ?", receiver);
  }
}
