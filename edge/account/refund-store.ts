// The operator's refunds of an account, in its object's SQLite. They are kept for good, so that an `Idempotency-Key`
// names its refund however late it is repeated.

import type { RefundRecord } from "../billing/refund.ts";
import { LazyTables } from "../lib/lazy-tables.ts";

const TABLE =
  "CREATE TABLE IF NOT EXISTS refunds (key TEXT PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID";

export class RefundStore extends LazyTables {
  constructor(sql: SqlStorage) {
    super(sql, "refunds", [TABLE]);
  }

  /** By the call's `Idempotency-Key`. */
  byKey(key: string): RefundRecord | undefined {
    return this.records<RefundRecord>("SELECT body FROM refunds WHERE key = ?", key)[0];
  }

  byId(id: string): RefundRecord | undefined {
    return this.records<RefundRecord>("SELECT body FROM refunds WHERE id = ?", id)[0];
  }

  of(paymentId: string): RefundRecord[] {
    return this.records("SELECT body FROM refunds WHERE json_extract(body, '$.paymentId') = ?", paymentId);
  }

  /** Orders that Stripe has not answered. */
  open(): RefundRecord[] {
    return this.records("SELECT body FROM refunds WHERE json_extract(body, '$.outcome') IS NULL");
  }

  add(key: string, record: RefundRecord): RefundRecord {
    this.write("INSERT INTO refunds (key, id, body) VALUES (?, ?, ?)", key, record.id, JSON.stringify(record));
    return record;
  }

  change(record: RefundRecord): RefundRecord {
    this.write("UPDATE refunds SET body = ? WHERE id = ?", JSON.stringify(record), record.id);
    return record;
  }
}
