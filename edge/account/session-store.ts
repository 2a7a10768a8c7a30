// Sessions of an account's pages, in its object's SQLite: a row each, so that signing out ends a session wherever its
// cookie was copied to. Everything it reads was written here, and is believed.

import { LazyTables } from "../lib/lazy-tables.ts";
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

export class SessionStore extends LazyTables {
  constructor(sql: SqlStorage) {
    super(sql, "sessions", [TABLE]);
  }

  /** Newest first. */
  all(): SessionRecord[] {
    const rows = this.read("SELECT body FROM sessions");
    return rows.map((row) => recordOf(row["body"])).toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  }

  get(id: string): SessionRecord | undefined {
    const [row] = this.read("SELECT body FROM sessions WHERE id = ?", id);
    return row === undefined ? undefined : recordOf(row["body"]);
  }

  put(record: SessionRecord): void {
    this.write("INSERT INTO sessions (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  delete(id: string): void {
    this.write("DELETE FROM sessions WHERE id = ?", id);
  }
}

function recordOf(body: SqlStorageValue | undefined): SessionRecord {
  if (typeof body !== "string") throw new TypeError("a column of text");
  const record: SessionRecord = JSON.parse(body);
  return record;
}
