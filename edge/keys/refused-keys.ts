// Each key's last refusal that its owner can fix: by raising a cap, a limit or the credit, widening a scope or renewing
// the key. One row per key, rewritten at most once a minute for the same code.

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

/** The same refusal within this time is not written again. */
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
      rows.flatMap((row) => {
        const keyId = typeof row["key_id"] === "string" ? parseId("key", row["key_id"]) : undefined;
        const refusal = refusalOf(row);
        return keyId === undefined || refusal === undefined ? [] : [[keyId, refusal] as const];
      }),
    );
  }

  get(keyId: KeyId): LastRefusal | undefined {
    const [row] = this.read("SELECT at_ms, code FROM refusals WHERE key_id = ?", keyId);
    return row === undefined ? undefined : refusalOf(row);
  }

  note(keyId: KeyId, code: MendableCode, nowMs: number): void {
    const last = this.get(keyId);
    if (last?.code === code && nowMs < last.atMs + REPEAT_MS) return;
    this.write("INSERT OR REPLACE INTO refusals (key_id, at_ms, code) VALUES (?, ?, ?)", keyId, nowMs, code);
  }

  delete(keyId: KeyId): void {
    if (this.get(keyId) !== undefined) this.write("DELETE FROM refusals WHERE key_id = ?", keyId);
  }
}

function refusalOf(row: Record<string, SqlStorageValue>): LastRefusal | undefined {
  const code = MENDABLE.find((one) => one === row["code"]);
  return code === undefined ? undefined : { atMs: Number(row["at_ms"]), code };
}
