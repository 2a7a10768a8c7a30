// The first view: what was used, what it cost, how long the credit lasts.

import { API, get, getIfThere } from "./api.ts";
import { balanceHistory, project } from "./burn-down.ts";
import type { BalancePoint, Projection } from "./burn-down.ts";
import { columnsPanel } from "./chart-columns.tsx";
import { linesPanel } from "./chart-lines.tsx";
import { h } from "./dom.ts";
import { formatCount, formatDay, formatMoney, formatMs, formatPercent, formatShortDay } from "./format.ts";
import type { Account, ApiKey, List, Transaction, UsageBucket, UsagePage, UsageResult } from "./types.ts";
import { refusalOf } from "./refusal.ts";
import { lastActive, stackUsage, sumUsage } from "./usage-data.ts";
import type { Sums } from "./usage-data.ts";
import { unreachable } from "../../../shared/assert.ts";

const DAY_S = 86_400;
const PACE_DAYS = 7;
const TRANSACTIONS_SHOWN = 100;
const REFUSED_DAYS = 7;
const REFUSED_SHOWN = 5;

const RANGES = [
  { id: "7d", label: "7 days", days: 7 },
  { id: "30d", label: "30 days", days: 30 },
  { id: "90d", label: "90 days", days: 90 },
  { id: "1y", label: "1 year", days: 365 },
] as const;
type Range = (typeof RANGES)[number];
type Grouping = "model" | "key";

/** A year of days for each of a hundred keys would be megabytes: by key, a year is shown in months. */
function widthOf(range: Range, grouping: Grouping): "1d" | "1mo" {
  return range.id === "1y" && grouping === "key" ? "1mo" : "1d";
}

export const usageView = async (body: HTMLElement): Promise<void> => {
  let range: Range = RANGES[1];
  let grouping: Grouping = "model";
  const figures = h("div");
  const csv = h("a", { class: "button", download: "usage.csv" }, "Export CSV");
  const select = (
    label: string,
    options: readonly (readonly [string, string])[],
    chosen: string,
    pick: (value: string) => void,
  ) => {
    const control = h(
      "select",
      {
        onchange: async () => {
          pick(control.value);
          await refresh();
        },
      },
      ...options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
    );
    return h("label", {}, label, control);
  };
  const toolbar = h(
    "div",
    { class: "toolbar" },
    select(
      "Period",
      RANGES.map(({ id, label }) => [id, label] as const),
      range.id,
      (value) => (range = RANGES.find(({ id }) => id === value) ?? range),
    ),
    select(
      "Stacked by",
      [
        ["model", "Model"],
        ["key", "Key"],
      ],
      grouping,
      (value) => (grouping = value === "key" ? "key" : "model"),
    ),
    h("span", { class: "grow" }),
    csv,
  );
  body.replaceChildren(toolbar, figures);
  await refresh();

  async function refresh(): Promise<void> {
    csv.href = `${API}/v1/usage?${queryOf(range, grouping)}&format=csv`;
    figures.setAttribute("aria-busy", "true");
    figures.replaceChildren(...(await load(range, grouping)));
    figures.removeAttribute("aria-busy");
  }
};

function queryOf(range: Range, grouping: Grouping | undefined): string {
  const end = Math.floor(Date.now() / 1000) + 1;
  const today = Math.floor(end / DAY_S) * DAY_S;
  return new URLSearchParams({
    bucket_width: grouping === undefined ? "1d" : widthOf(range, grouping),
    start_time: String(today - (range.days - 1) * DAY_S),
    end_time: String(end),
    limit: String(range.days + 1),
    ...(grouping === undefined ? {} : { group_by: grouping }),
  }).toString();
}

async function load(range: Range, grouping: Grouping): Promise<readonly HTMLElement[]> {
  const [account, grouped, daily, transactions, keys] = await Promise.all([
    get<Account>("/v1/account"),
    get<UsagePage>(`/v1/usage?${queryOf(range, grouping)}`),
    get<UsagePage>(`/v1/usage?${queryOf(range, undefined)}`),
    get<List<Transaction>>(`/v1/transactions?limit=${TRANSACTIONS_SHOWN}`),
    keysIfShown(),
  ]);
  const names = new Map(keys.map(({ id, name, prefix }) => [id, `${name} (${prefix})`]));
  const now = { at: daily.fresh_as_of, nanoUsd: account.balance_nano_usd };
  const days = daily.data;
  const projection = project(now, days.slice(-PACE_DAYS));
  const sums = sumUsage(days);
  const groupOf = (result: UsageResult) =>
    grouping === "model"
      ? (result.model ?? "Unknown model")
      : (names.get(result.key_id ?? "") ?? result.key_id ?? "Unknown key");
  const labels = days.map(({ start_time: start }) => formatDay(start));
  const axis = days.map(({ start_time: start }) => formatShortDay(start));
  return [
    ...refusalNotes(keys),
    tiles(account, sums, projection, lastActive(days)),
    h(
      "div",
      { class: "panels" },
      columnsPanel({
        title: `Spend by ${widthOf(range, grouping) === "1d" ? "day" : "month"} and ${grouping}`,
        stack: stackUsage(grouped.data, groupOf, (result) => result.cost_nano_usd),
        labels: grouped.data.map(({ start_time: start }) => formatDay(start)),
        axis: grouped.data.map(({ start_time: start }) => formatShortDay(start)),
        format: formatMoney,
        isWide: true,
      }),
      burnDownPanel(now, transactions.data, projection),
      columnsPanel({
        title: "Tokens by day",
        stack: tokenStack(days),
        labels,
        axis,
        format: formatCount,
        fills: [1, 3],
      }),
      latencyPanel(days),
      columnsPanel({
        title: "Requests by day",
        stack: requestStack(days),
        labels,
        axis,
        format: formatCount,
        fills: [1, 2, 7],
      }),
    ),
    h(
      "p",
      { class: "muted small" },
      `Days are UTC. Everything reported until ${new Date(daily.fresh_as_of * 1000).toLocaleTimeString("en-GB")} is counted.`,
    ),
  ];
}

/** None where the session may not list keys: a series is then called by its key's id. */
async function keysIfShown(): Promise<readonly ApiKey[]> {
  return (await getIfThere<List<ApiKey>>("/v1/keys"))?.data ?? [];
}

/** Keys that were refused lately for what the owner can mend, the latest first. */
function refusalNotes(keys: readonly ApiKey[]): readonly HTMLElement[] {
  const sinceS = Date.now() / 1000 - REFUSED_DAYS * DAY_S;
  return keys
    .filter(({ last_refusal: last }) => last !== undefined && last !== null && last.at > sinceS)
    .sort((a, b) => (b.last_refusal?.at ?? 0) - (a.last_refusal?.at ?? 0))
    .slice(0, REFUSED_SHOWN)
    .map((key) => h("p", { class: "note warn" }, h("b", {}, key.name), ` ${refusalOf(key) ?? ""}.`));
}

function tokenStack(days: readonly UsageBucket[]) {
  return {
    names: ["computed", "from the cache"],
    rows: days.map((day) => {
      const { tokens, cachedTokens } = sumUsage([day]);
      return [tokens - cachedTokens, cachedTokens];
    }),
  };
}

function requestStack(days: readonly UsageBucket[]) {
  return {
    names: ["answered", "4xx (the caller’s)", "5xx (ours)"],
    rows: days.map((day) => {
      const { requests, errors4xx, errors5xx } = sumUsage([day]);
      return [requests, errors4xx, errors5xx];
    }),
  };
}

function latencyPanel(days: readonly UsageBucket[]): HTMLElement {
  const points = (of: "p50" | "p95") =>
    days.map((day) => ({ x: day.start_time, value: day.results[0]?.latency_ms[of] ?? null }));
  const last = lastActive(days)?.results[0]?.latency_ms;
  const rest =
    last === undefined
      ? "No calls in this period"
      : `Last active day: p50 ${formatMs(last.p50)}, p95 ${formatMs(last.p95)}`;
  return linesPanel({
    title: "Latency by day",
    summary: rest,
    rest,
    series: [
      { name: "p50", colour: 1, points: points("p50") },
      { name: "p95", colour: 2, points: points("p95") },
    ],
    format: formatMs,
    formatX: formatDay,
    formatAxis: formatShortDay,
  });
}

function burnDownPanel(now: BalancePoint, newestFirst: readonly Transaction[], projection: Projection): HTMLElement {
  const history = balanceHistory(newestFirst, now).map(({ at, nanoUsd }) => ({ x: at, value: nanoUsd }));
  const ahead =
    projection.kind === "ends"
      ? [
          { x: now.at, value: now.nanoUsd },
          { x: projection.at, value: 0 },
        ]
      : [];
  const rest = projectionSentence(projection);
  return linesPanel({
    title: "Balance",
    summary: `${formatMoney(now.nanoUsd)} now. ${rest}`,
    rest,
    series: [
      { name: "balance", colour: 3, points: history },
      ...(ahead.length === 0 ? [] : [{ name: "at this pace", colour: 8, isDashed: true, points: ahead } as const]),
    ],
    format: formatMoney,
    formatX: formatDay,
    formatAxis: formatShortDay,
  });
}

function projectionSentence(projection: Projection): string {
  switch (projection.kind) {
    case "empty":
      return "No credit is left.";
    case "no_spend":
      return "Nothing was spent in the last 7 days.";
    case "beyond":
      return `Lasts more than a year at ${formatMoney(projection.perDayNanoUsd)} a day.`;
    case "ends":
      return `At ${formatMoney(projection.perDayNanoUsd)} a day it ends on ${formatDay(projection.at)}.`;
    default:
      return unreachable(projection);
  }
}

/** Of an account for which nothing runs nothing is said to be held. */
function heldSentence({ held_nano_usd: held }: Account): string {
  return held === 0 ? "all of it spendable" : `${formatMoney(held)} set aside for calls of the last half minute`;
}

function tiles(account: Account, sums: Sums, projection: Projection, last: UsageBucket | undefined): HTMLElement {
  const hitRate = sums.tokens === 0 ? 0 : sums.cachedTokens / sums.tokens;
  const latency = last?.results[0]?.latency_ms;
  const errors = sums.errors4xx + sums.errors5xx;
  const entries: readonly (readonly [label: string, value: string, detail: string])[] = [
    [
      "Balance",
      formatMoney(account.balance_nano_usd),
      projection.kind === "ends" ? `until ${formatDay(projection.at)}` : heldSentence(account),
    ],
    ["Spend", formatMoney(sums.costNanoUsd), `${formatMoney(sums.savedNanoUsd)} saved by the cache`],
    [
      "Requests",
      formatCount(sums.requests),
      errors === 0 ? "no errors" : `${formatCount(sums.errors4xx)} 4xx, ${formatCount(sums.errors5xx)} 5xx`,
    ],
    ["Tokens", formatCount(sums.tokens), `${formatPercent(hitRate)} from the cache`],
    ["Latency p50", formatMs(latency?.p50), `p95 ${formatMs(latency?.p95)}, last active day`],
  ];
  return h(
    "dl",
    { class: "tiles" },
    ...entries.map(([label, value, detail]) =>
      h("div", {}, h("dt", {}, label), h("dd", {}, value, h("small", {}, detail))),
    ),
  );
}
