// Sign-in sessions of an account's pages, in its object's SQLite. A row each, so that signing out ends a session even
// if its cookie was copied.

import { LazyTables } from "../lib/lazy-tables.ts";
import type { Id, KeyId } from "../../shared/ids.ts";

export interface SessionRecord {
  readonly id: Id<"session">;
  readonly via: "key" | "github";
  /** The key whose rights the session has. */
  readonly keyId: KeyId;
  /** The key was created for the session and ends with it. */
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
    const all = this.records<SessionRecord>("SELECT body FROM sessions");
    return all.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  }

  get(id: string): SessionRecord | undefined {
    return this.records<SessionRecord>("SELECT body FROM sessions WHERE id = ?", id)[0];
  }

  put(record: SessionRecord): void {
    this.write("INSERT INTO sessions (id, body) VALUES (?, ?)", record.id, JSON.stringify(record));
  }

  delete(id: string): void {
    this.write("DELETE FROM sessions WHERE id = ?", id);
  }
}
