// Sessions of an account's pages, in its object's SQLite: a row each, so that signing out ends a session wherever its
// cookie was copied to. The table is made by the first write. Everything it reads was written here, and is believed.

import type { Id, KeyId } from "../../shared/ids.ts";

export interface SessionRecord {
  readonly id: Id<"session">;
  readonly via: "key" | "github";
  /** Whose rights it has. */
  readonly keyId: KeyId;
  /** The key was made for it, and ends with it. */
  readonly ownsKey: boolean;
  /** How the page addresses the visitor. */
  readonly name: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

const TABLE = "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID";

export class SessionStore {
  readonly #sql: SqlStorage;
  #ready: boolean;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#ready = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'sessions'").toArray().length > 0;
  }

  /** Everything was deleted: the next write makes the table anew. */
  forget(): void {
    this.#ready = false;
  }

  /** Newest first. */
  all(): SessionRecord[] {
    const rows = this.#ready ? this.#sql.exec("SELECT body FROM sessions").toArray() : [];
    return rows.map((row) => recordOf(row["body"])).toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  }

  get(id: string): SessionRecord | undefined {
    const [row] = this.#ready ? this.#sql.exec("SELECT body FROM sessions WHERE id = ?", id).toArray() : [];
    return row === undefined ? undefined : recordOf(row["body"]);
  }

  put(record: SessionRecord): void {
    if (!this.#ready) this.#sql.exec(TABLE);
    this.#ready = true;
    this.#sql.exec("INSERT INTO sessions (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  delete(id: string): void {
    if (this.#ready) this.#sql.exec("DELETE FROM sessions WHERE id = ?", id);
  }
}

function recordOf(body: SqlStorageValue | undefined): SessionRecord {
  if (typeof body !== "string") throw new TypeError("a column of text");
  const record: SessionRecord = JSON.parse(body);
  return record;
}
