// The objects that the cost bench compares: the real one with a clock that scenarios move, and the naive design.

import { DurableObject } from "cloudflare:workers";
import { AccountObject } from "../../../../edge/account/account.ts";
import type { SyncAnswer, SyncMessage } from "../../../../edge/ledger/types.ts";

/** Shared with the scenario: objects and Worker are one isolate here. */
export const clock = { nowMs: () => Date.now() };

/** The account's object, in the scenario's time. */
export class BenchAccount extends AccountObject {
  /** Commits the message by itself: what grouping is measured against. */
  syncAlone(message: SyncMessage): Promise<SyncAnswer> {
    return new Promise((answer, fail) => this.turns.commitAlone({ message, answer, fail }));
  }

  protected override nowMs(): number {
    return clock.nowMs();
  }
}

/**
 * What a first design does for one request: reserve in one call, settle in another, a row for each fact, an index to
 * find them by. Its rows are counted by the same SQLite.
 */
export class NaiveAccount extends DurableObject {
  private rowsWritten = 0;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    for (const statement of [
      "CREATE TABLE IF NOT EXISTS balance (id INTEGER PRIMARY KEY, nano INTEGER)",
      "CREATE TABLE IF NOT EXISTS holds (id TEXT PRIMARY KEY, at INTEGER, nano INTEGER)",
      "CREATE TABLE IF NOT EXISTS charges (id TEXT PRIMARY KEY, at INTEGER, key TEXT, nano INTEGER)",
      "CREATE INDEX IF NOT EXISTS charges_by_time ON charges (at)",
      "CREATE TABLE IF NOT EXISTS rates (key TEXT PRIMARY KEY, tat INTEGER)",
      "CREATE TABLE IF NOT EXISTS usage (bucket TEXT PRIMARY KEY, requests INTEGER)",
      "INSERT OR IGNORE INTO balance VALUES (1, 1000000000000)",
    ]) {
      this.ctx.storage.sql.exec(statement);
    }
  }

  reserve(id: string, nano: number): void {
    this.write("INSERT INTO rates VALUES ('key', ?) ON CONFLICT (key) DO UPDATE SET tat = excluded.tat", Date.now());
    this.write("INSERT INTO holds VALUES (?, ?, ?)", id, Date.now(), nano);
    this.write("UPDATE balance SET nano = nano - ? WHERE id = 1", nano);
  }

  settle(id: string, held: number, nano: number): void {
    this.write("DELETE FROM holds WHERE id = ?", id);
    this.write("INSERT INTO charges VALUES (?, ?, 'key', ?)", id, Date.now(), nano);
    this.write("UPDATE balance SET nano = nano + ? WHERE id = 1", held - nano);
    this.write("INSERT INTO usage VALUES ('hour', 1) ON CONFLICT (bucket) DO UPDATE SET requests = requests + 1");
  }

  rows(): number {
    return this.rowsWritten;
  }

  private write(query: string, ...bindings: SqlStorageValue[]): void {
    this.rowsWritten += this.ctx.storage.sql.exec(query, ...bindings).rowsWritten;
  }
}
