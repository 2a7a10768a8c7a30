// The usage view's query.

import { get, getIfThere } from "./api.ts";
import type { Account, ApiKey, List, Transaction, UsagePage } from "./types.ts";

const DAY_S = 86_400;
const TRANSACTIONS_SHOWN = 100;

export interface UsageQuery {
  readonly days: number;
  readonly grouping: "model" | "key";
}

export interface UsageAnswers {
  readonly query: UsageQuery;
  readonly account: Account;
  /** By day, or by month if `isMonthly`. */
  readonly grouped: UsagePage;
  /** By day, not grouped. */
  readonly daily: UsagePage;
  readonly transactions: List<Transaction>;
  /** Empty where the session may not list keys. */
  readonly keys: readonly ApiKey[];
}

/** A year by key is shown in months: its days would be megabytes for a hundred keys. */
export function isMonthly({ days, grouping }: UsageQuery): boolean {
  return days === 365 && grouping === "key";
}

/** Parameters of GET /v1/usage. */
export function parametersOf({ days, grouping }: UsageQuery): URLSearchParams {
  const width = isMonthly({ days, grouping }) ? "1mo" : "1d";
  return new URLSearchParams({ ...periodOf(days), bucket_width: width, group_by: grouping });
}

function periodOf(days: number) {
  const end = Math.floor(Date.now() / 1000) + 1;
  const today = Math.floor(end / DAY_S) * DAY_S;
  return { start_time: String(today - (days - 1) * DAY_S), end_time: String(end), limit: String(days + 1) };
}

export async function loadUsage(query: UsageQuery): Promise<UsageAnswers> {
  const ungrouped = new URLSearchParams({ ...periodOf(query.days), bucket_width: "1d" });
  const [account, grouped, daily, transactions, keys] = await Promise.all([
    get<Account>("/v1/account"),
    get<UsagePage>(`/v1/usage?${parametersOf(query)}`),
    get<UsagePage>(`/v1/usage?${ungrouped}`),
    get<List<Transaction>>(`/v1/transactions?limit=${TRANSACTIONS_SHOWN}`),
    getIfThere<List<ApiKey>>("/v1/keys"),
  ]);
  return { query, account, grouped, daily, transactions, keys: keys?.data ?? [] };
}
