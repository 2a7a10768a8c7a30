// What routes see of an account: books, limits, statement.

import { must } from "../../shared/assert.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Totals } from "../ledger/books.ts";
import type { AccountLimits } from "../ledger/hot.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { StatementLine } from "../ledger/statement.ts";
import type { AccountStatus } from "../ledger/types.ts";

export interface AccountView extends Readonly<Totals> {
  readonly id: AccountId;
  readonly name: string;
  readonly email?: string;
  readonly createdAtMs: number;
  readonly status: AccountStatus;
  readonly limits: AccountLimits;
  readonly balanceNanoUsd: NanoUsd;
  readonly heldNanoUsd: NanoUsd;
  readonly spendableNanoUsd: NanoUsd;
  readonly monthSpentNanoUsd: NanoUsd;
}

export function viewAccount(ledger: Ledger, nowMs: number): AccountView {
  ledger.tick(nowMs);
  const { balanceNanoUsd, spendableNanoUsd } = ledger.funds(nowMs);
  return {
    id: ledger.accountId,
    name: ledger.name,
    ...(ledger.email === undefined ? {} : { email: ledger.email }),
    createdAtMs: ledger.createdAtMs,
    status: ledger.status,
    limits: ledger.limits,
    ...ledger.books.totals,
    balanceNanoUsd,
    heldNanoUsd: ledger.leases.total.nanoUsd,
    spendableNanoUsd,
    monthSpentNanoUsd: ledger.monthSpent(nowMs),
  };
}

export interface TransactionsPage {
  /** Newest first. */
  readonly lines: readonly StatementLine[];
  /** Pass it as `before` for the next page; undefined: this was the last. */
  readonly before?: number;
}

/** Lines before position `before` (undefined: the newest), at most `limit`. */
export function listTransactions(
  ledger: Ledger,
  before: number | undefined,
  limit: number,
  nowMs: number,
): TransactionsPage {
  ledger.tick(nowMs);
  const end = before ?? Number.MAX_SAFE_INTEGER;
  const lines = ledger.statement.pendingLines().filter(({ position }) => position < end);
  lines.reverse();
  if (lines.length <= limit) {
    for (const page of ledger.storage.readStatementPages(end, limit + 1)) {
      const posted: StatementLine[] = JSON.parse(page.body);
      lines.push(...posted.filter(({ position }) => position < end).toReversed());
      if (lines.length > limit) break;
    }
  }
  if (lines.length <= limit) return { lines };
  const shown = lines.slice(0, limit);
  return { lines: shown, before: must(shown.at(-1), "last line of a full page").position };
}
