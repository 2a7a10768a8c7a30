// Runs turns of the ledger, each in one transaction that ends by writing the hot row. A turn that throws rolls back the
// storage but not the ledger's fields, so the ledger is dropped and the next turn reads it again, as after a crash. It
// has no I/O and no clock of its own: the Durable Object and the simulation share it.

import { Ledger } from "./ledger.ts";
import type { NewAccount } from "./ledger.ts";
import type { LedgerSettings } from "./settings.ts";
import type { LedgerStorage } from "./storage.ts";
import { applySync } from "./sync.ts";
import type { SyncAnswer, SyncMessage } from "./types.ts";

export class AccountCore {
  private readonly storage: LedgerStorage;
  private readonly settings: LedgerSettings;
  private readonly newIncarnation: () => string;
  private ledger: Ledger | undefined;

  /** `newIncarnation`: returns a name that no other instance of this object has had. */
  constructor(storage: LedgerStorage, settings: LedgerSettings, newIncarnation: () => string) {
    this.newIncarnation = newIncarnation;
    this.storage = storage;
    this.settings = settings;
  }

  /** Runs one turn. Undefined: the account was never set up, and nothing is written. Throws what `work` throws. */
  turn<Result>(nowMs: number, work: (ledger: Ledger) => Result): Result | undefined {
    try {
      return this.storage.transaction(() => {
        this.ledger ??= Ledger.open(this.storage, this.settings, this.newIncarnation());
        if (this.ledger === undefined) return undefined;
        const result = work(this.ledger);
        this.ledger.flush(nowMs);
        return result;
      });
    } catch (error) {
      this.ledger = undefined;
      throw error;
    }
  }

  /** Sets the account up unless it exists; `first` runs in the same turn. Returns whether the account is new. */
  setUp(account: NewAccount, nowMs: number, first: (ledger: Ledger) => void): boolean {
    if (this.turn(nowMs, () => true) === true) return false;
    try {
      this.storage.transaction(() => {
        this.ledger = Ledger.create(account, this.storage, this.settings, nowMs, this.newIncarnation());
        first(this.ledger);
        this.ledger.flush(nowMs);
      });
    } catch (error) {
      this.ledger = undefined;
      throw error;
    }
    return true;
  }

  /** Applies messages that arrived together in one transaction, with one write of the hot row. */
  sync(messages: readonly SyncMessage[], nowMs: number): SyncAnswer[] {
    const answers = this.turn(nowMs, (ledger) => messages.map((message) => applySync(ledger, message, nowMs)));
    return answers ?? messages.map(({ seq }) => ({ kind: "ended", seq, refusal: { kind: "unknown_key" } }));
  }

  /** Drops the ledger in memory, because what is stored changed under it. */
  forget(): void {
    this.ledger = undefined;
  }
}
