// Reports the account's sums to the directory, behind its charges.

import { reportBooks } from "../directory/accounts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Turns } from "./turns.ts";
import type { AccountView } from "./views.ts";

/** How often an account that spends reports its sums; each report costs an alarm and two rows. */
const REPORT_MS = 6 * 3_600_000;

export class BooksReport {
  readonly #turns: Turns;
  readonly #directory: D1Database;
  /** Total charged at the last report; undefined: this instance has not reported. */
  #reportedNanoUsd: NanoUsd | undefined;

  constructor(turns: Turns, directory: D1Database) {
    this.#turns = turns;
    this.#directory = directory;
  }

  /** Sets the alarm if there is something to report. */
  plan(ledger: Ledger, nowMs: number): void {
    const charged = ledger.books.totals.chargedNanoUsd;
    if (charged > (this.#reportedNanoUsd ?? 0)) this.#turns.storage.wakeAt(nowMs + REPORT_MS);
  }

  async send(account: AccountView): Promise<void> {
    if (this.#reportedNanoUsd === account.chargedNanoUsd) return;
    const isReported = await reportBooks(this.#directory, account.id, account, this.#turns.nowMs()).then(
      () => true,
      () => false, // the directory is down; the next charge sets an alarm again
    );
    if (isReported) this.#reportedNanoUsd = account.chargedNanoUsd;
  }

  forget(): void {
    this.#reportedNanoUsd = undefined;
  }
}
