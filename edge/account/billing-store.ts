// Terms, card and state of automatic top-ups: one row in the object's SQLite, read once per instance.

import type { BillingState } from "../billing/auto-top-up.ts";
import { LazyTables } from "../lib/lazy-tables.ts";

const TABLE = "CREATE TABLE IF NOT EXISTS billing (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL)";

export class BillingStore extends LazyTables {
  /** As stored; undefined: not read yet. */
  #state: BillingState | undefined;

  constructor(sql: SqlStorage) {
    super(sql, "billing", [TABLE]);
  }

  get(): BillingState {
    this.#state ??= this.records<BillingState>("SELECT body FROM billing WHERE id = 1")[0] ?? {};
    return this.#state;
  }

  put(state: BillingState): BillingState {
    this.write("INSERT OR REPLACE INTO billing (id, body) VALUES (1, ?)", JSON.stringify(state));
    this.#state = state;
    return state;
  }

  override forget(): void {
    super.forget();
    this.#state = undefined;
  }
}
