// The last refusal of each key that its owner can mend: raise a cap, a limit or the credit, widen a scope, renew the key.
// One row a key, written again at most once a minute.

import { LazyTables } from "../lib/lazy-tables.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { KeyId } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";

export const MENDABLE = [
  "insufficient_credit",
  "key_cap_reached",
  "monthly_limit_reached",
  "rate_limit_exceeded",
  "limit_exceeded",
  "expired_api_key",
  "insufficient_scope",
  "model_not_allowed",
  "address_not_allowed",
] as const satisfies readonly ErrorCode[];
export type MendableCode = (typeof MENDABLE)[number];

export interface LastRefusal {
  readonly atMs: number;
  readonly code: MendableCode;
}

/** The same refusal again so soon says nothing new. */
export const REPEAT_MS = 60_000;

const TABLE =
  "CREATE TABLE IF NOT EXISTS refusals (key_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, code TEXT NOT NULL) WITHOUT ROWID";

export class RefusedKeys extends LazyTables {
  constructor(sql: SqlStorage) {
    super(sql, "refusals", [TABLE]);
  }

  all(): ReadonlyMap<KeyId, LastRefusal> {
    const rows = this.read("SELECT key_id, at_ms, code FROM refusals");
    return new Map(
      rows.flatMap(({ key_id: id, at_ms: atMs, code }) => {
        const keyId = typeof id === "string" ? parseId("key", id) : undefined;
        const known = MENDABLE.find((one) => one === code);
        return keyId === undefined || known === undefined
          ? []
          : [[keyId, { atMs: Number(atMs), code: known }] as const];
      }),
    );
  }

  note(keyId: KeyId, code: MendableCode, nowMs: number): void {
    const last = this.all().get(keyId);
    if (last?.code === code && nowMs < last.atMs + REPEAT_MS) return;
    this.write("INSERT OR REPLACE INTO refusals (key_id, at_ms, code) VALUES (?, ?, ?)", keyId, nowMs, code);
  }

  /** A key that is gone can be mended no more. */
  delete(keyId: KeyId): void {
    if (this.all().has(keyId)) this.write("DELETE FROM refusals WHERE key_id = ?", keyId);
  }
}
