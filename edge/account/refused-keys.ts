// The last refusal of each key that its owner can mend: raise a cap, a limit or the credit, widen a scope, renew the key.
// A table of its own, made by the first write; one row a key, written again at most once a minute.

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

export class RefusedKeys {
  readonly #sql: SqlStorage;
  #ready: boolean;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#ready = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'refusals'").toArray().length > 0;
  }

  /** Everything was deleted: the next write makes the table anew. */
  forget(): void {
    this.#ready = false;
  }

  all(): ReadonlyMap<KeyId, LastRefusal> {
    const rows = this.#ready ? this.#sql.exec("SELECT key_id, at_ms, code FROM refusals").toArray() : [];
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
    if (!this.#ready) this.#sql.exec(TABLE);
    this.#ready = true;
    this.#sql.exec("INSERT OR REPLACE INTO refusals (key_id, at_ms, code) VALUES (?, ?, ?)", keyId, nowMs, code);
  }

  /** A key that is gone can be mended no more. */
  delete(keyId: KeyId): void {
    if (this.#ready) this.#sql.exec("DELETE FROM refusals WHERE key_id = ?", keyId);
  }
}
