// What a POST with an `Idempotency-Key` created. A repeat of the call is answered with it for a day, from a row that is
// written in the turn that created it. The names are per API key: another key's repeat is another call. A secret that
// is shown once is shown to a repeat within the first minute too, in case the answer was lost: it is kept sealed until
// then.

import { LazyTables } from "./lazy-tables.ts";
import type { Cipher } from "./cipher.ts";

/** One call, as its header and body name it. */
export interface Once {
  readonly route: string;
  readonly key: string;
  /** A keyed hash, so that bodies cannot be guessed from it. */
  readonly bodyHash: string;
}

/** The answer to a repeat. `secret`: what was shown once; null after its minute. */
export interface Repeat<Made> {
  readonly again: Made;
  readonly secret: string | null;
}

/** `reused`: the same `Idempotency-Key` came with another body. */
type Before<Made> = { readonly again: Made; readonly sealed: string | undefined } | "reused";

export function isRepeat(value: unknown): value is Repeat<unknown> {
  return typeof value === "object" && value !== null && "again" in value;
}

const REMEMBERED_MS = 86_400_000;
export const SECRET_MS = 60_000;
/** The most rows of one object; the oldest are deleted. */
const ROWS_MAX = 1000;
const NAME = "a secret shown once";
const TABLE =
  "CREATE TABLE IF NOT EXISTS made (route TEXT NOT NULL, by TEXT NOT NULL, key TEXT NOT NULL, body_hash TEXT NOT NULL, at_ms INTEGER NOT NULL, made TEXT NOT NULL, sealed TEXT, PRIMARY KEY (route, by, key)) WITHOUT ROWID";

export class MadeOnce extends LazyTables {
  constructor(sql: SqlStorage) {
    super(sql, "made", [TABLE]);
  }

  /** What `by` created with this call before; undefined: nothing. */
  find<Made>({ route, key, bodyHash }: Once, by: string, nowMs: number): Before<Made> | undefined {
    const [row] = this.read<{ body_hash: string; at_ms: number; made: string; sealed: string | null }>(
      "SELECT * FROM made WHERE route = ? AND by = ? AND key = ? AND at_ms > ?",
      route,
      by,
      key,
      nowMs - REMEMBERED_MS,
    );
    if (row === undefined) return undefined;
    if (row.body_hash !== bodyHash) return "reused";
    const again: Made = JSON.parse(row.made); // our own row, so it is trusted
    return { again, sealed: nowMs < row.at_ms + SECRET_MS ? (row.sealed ?? undefined) : undefined };
  }

  note(
    { route, key, bodyHash }: Once,
    by: string,
    made: object | string,
    sealed: string | undefined,
    nowMs: number,
  ): void {
    this.write(
      "INSERT OR REPLACE INTO made (route, by, key, body_hash, at_ms, made, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)",
      route,
      by,
      key,
      bodyHash,
      nowMs,
      JSON.stringify(made),
      sealed ?? null,
    );
    this.write(
      "DELETE FROM made WHERE at_ms <= ? OR at_ms < (SELECT at_ms FROM made ORDER BY at_ms DESC LIMIT 1 OFFSET ?)",
      nowMs - REMEMBERED_MS,
      ROWS_MAX - 1,
    );
  }

  /** Wipes secrets that are due; returns when the next one is. */
  wipe(nowMs: number): number | undefined {
    const due = "SELECT MIN(at_ms) AS at FROM made WHERE sealed IS NOT NULL";
    const [first] = this.read<{ at: number | null }>(due);
    if (first === undefined || first.at === null) return undefined;
    this.write("UPDATE made SET sealed = NULL WHERE sealed IS NOT NULL AND at_ms <= ?", nowMs - SECRET_MS);
    const [row] = this.read<{ at: number | null }>(due);
    return row === undefined || row.at === null ? undefined : row.at + SECRET_MS;
  }
}

/** Seals a secret that is shown once, under the id of the key or webhook that it belongs to. */
export function sealShown(cipher: Cipher, id: string, secret: string): Promise<string> {
  return cipher.shown(id).sealText(NAME, secret);
}

export function openShown(cipher: Cipher, id: string, sealed: string): Promise<string> {
  return cipher.shown(id).openText(NAME, sealed);
}
