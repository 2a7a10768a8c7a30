// Runs turns of the ledger: each in one transaction that ends with the hot row, or not at all. A turn that throws rolls
// the storage back; the ledger's fields are not rolled back by that, so the ledger is forgotten and read anew by the
// next turn, exactly as after a crash. No I/O of its own, no clock: the Durable Object and the simulation share it.

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

  /** `newIncarnation`: a name that no other life of this object has had. */
  constructor(storage: LedgerStorage, settings: LedgerSettings, newIncarnation: () => string) {
    this.newIncarnation = newIncarnation;
    this.storage = storage;
    this.settings = settings;
  }

  /** One turn. `undefined` when the account was never set up (nothing is written then). Throws what `work` throws. */
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

  /** Sets the account up, unless it is. `first` runs in the same turn of a new one. Answers whether it was new. */
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

  /** Messages that arrived together, committed together: one transaction, one hot row. */
  sync(messages: readonly SyncMessage[], nowMs: number): SyncAnswer[] {
    const answers = this.turn(nowMs, (ledger) => messages.map((message) => applySync(ledger, message, nowMs)));
    return answers ?? messages.map(({ seq }) => ({ kind: "ended", seq, refusal: { kind: "unknown_key" } }));
  }

  /** Forgets what is in memory: after the account was deleted. */
  forget(): void {
    this.ledger = undefined;
  }
}
