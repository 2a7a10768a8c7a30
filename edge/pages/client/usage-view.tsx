// The first view: usage, cost, and how long the credit lasts.

import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { API } from "./api.ts";
import { balanceHistory, project } from "./burn-down.ts";
import type { BalancePoint, Projection } from "./burn-down.ts";
import { Columns } from "./chart-columns.tsx";
import { Lines } from "./chart-lines.tsx";
import { formatCount, formatDay, formatMoney, formatMs, formatPercent } from "./format.ts";
import type { Tile } from "./parts.tsx";
import { tiles } from "./parts.tsx";
import { refusalOf } from "./refusal.ts";
import type { Account, ApiKey, Transaction, UsageBucket, UsageResult } from "./types.ts";
import { lastActive, stackUsage, sumUsage } from "./usage-data.ts";
import type { Stack } from "./usage-data.ts";
import type { UsageAnswers, UsageQuery } from "./usage-query.ts";
import { isMonthly, loadUsage, parametersOf } from "./usage-query.ts";
import type { View } from "./view.tsx";
import { unreachable } from "../../../shared/assert.ts";

const DAY_S = 86_400;
const PACE_DAYS = 7;
const REFUSED_DAYS = 7;
const REFUSED_SHOWN = 5;

const PERIODS = [
  [7, "7 days"],
  [30, "30 days"],
  [90, "90 days"],
  [365, "1 year"],
] as const;

export const usageView: View = async () => <Usage first={await loadUsage({ days: 30, grouping: "model" })} />;

function Usage({ first }: { readonly first: UsageAnswers }): VNode {
  const [query, setQuery] = useState<UsageQuery>(first.query);
  const [answers, setAnswers] = useState(first);
  useEffect(() => {
    if (query === answers.query) return undefined;
    let isWanted = true;
    void loadUsage(query).then((loaded) => isWanted && setAnswers(loaded));
    return () => {
      isWanted = false;
    };
  }, [query, answers]);
  // Drawn again only once the answers to a new query are here.
  const figures = useMemo(() => <Figures answers={answers} />, [answers]);
  const setGrouping = (grouping: string) => setQuery({ ...query, grouping: grouping === "key" ? "key" : "model" });
  return (
    <>
      <div class="toolbar">
        <label>
          Period
          <select
            value={query.days}
            onChange={({ currentTarget }) => setQuery({ ...query, days: Number(currentTarget.value) })}
          >
            {PERIODS.map(([days, label]) => (
              <option value={days}>{label}</option>
            ))}
          </select>
        </label>
        <label>
          Stacked by
          <select value={query.grouping} onChange={({ currentTarget }) => setGrouping(currentTarget.value)}>
            <option value="model">Model</option>
            <option value="key">Key</option>
          </select>
        </label>
        <span class="grow" />
        <a class="button" href={`${API}/v1/usage?${parametersOf(query)}&format=csv`} download="usage.csv">
          Export CSV
        </a>
      </div>
      <div aria-busy={query !== answers.query}>{figures}</div>
    </>
  );
}

function Figures({ answers }: { readonly answers: UsageAnswers }): VNode {
  const { query, account, grouped, daily, transactions, keys } = answers;
  const days = daily.data;
  const now = { at: daily.fresh_as_of, nanoUsd: account.balance_nano_usd };
  const projection = project(now, days.slice(-PACE_DAYS));
  return (
    <>
      {refusalNotes(keys)}
      {tiles(tilesOf(account, days, projection))}
      <div class="panels">
        <Columns
          title={`Spend by ${isMonthly(query) ? "month" : "day"} and ${query.grouping}`}
          stack={stackUsage(grouped.data, groupOf(query, keys), (result) => result.cost_nano_usd)}
          times={timesOf(grouped.data)}
          format={formatMoney}
          isFull
        />
        {balanceChart(now, transactions.data, projection)}
        <Columns
          title="Tokens by day"
          stack={tokenStack(days)}
          times={timesOf(days)}
          format={formatCount}
          colours={[1, 3]}
        />
        {latencyChart(days)}
        <Columns
          title="Requests by day"
          stack={requestStack(days)}
          times={timesOf(days)}
          format={formatCount}
          colours={[1, 2, 7]}
        />
      </div>
      <p class="muted small">
        {`Days are UTC. Usage reported until ${new Date(now.at * 1000).toLocaleTimeString("en-GB")} is included.`}
      </p>
    </>
  );
}

function timesOf(buckets: readonly UsageBucket[]): readonly number[] {
  return buckets.map((bucket) => bucket.start_time);
}

function groupOf({ grouping }: UsageQuery, keys: readonly ApiKey[]): (result: UsageResult) => string {
  if (grouping === "model") return ({ model }) => model ?? "Unknown model";
  const names = new Map(keys.map(({ id, name, prefix }) => [id, `${name} (${prefix})`]));
  return ({ key_id: id }) => names.get(id ?? "") ?? id ?? "Unknown key";
}

/** Keys that were lately refused for a reason that the owner can mend, the latest first. */
function refusalNotes(keys: readonly ApiKey[]): readonly VNode[] {
  const sinceS = Date.now() / 1000 - REFUSED_DAYS * DAY_S;
  const lastOf = (key: ApiKey) => key.last_refusal?.at ?? 0;
  const refused = keys.filter((key) => lastOf(key) > sinceS).sort((a, b) => lastOf(b) - lastOf(a));
  return refused.slice(0, REFUSED_SHOWN).map((key) => (
    <p class="note warn">
      <b>{key.name}</b> {refusalOf(key)}.
    </p>
  ));
}

function tokenStack(days: readonly UsageBucket[]): Stack {
  return {
    names: ["computed", "from the cache"],
    rows: days.map((day) => {
      const { tokens, cachedTokens } = sumUsage([day]);
      return [tokens - cachedTokens, cachedTokens];
    }),
  };
}

function requestStack(days: readonly UsageBucket[]): Stack {
  return {
    names: ["answered", "4xx (the caller’s)", "5xx (ours)"],
    rows: days.map((day) => {
      const { requests, errors4xx, errors5xx } = sumUsage([day]);
      return [requests, errors4xx, errors5xx];
    }),
  };
}

function latencyChart(days: readonly UsageBucket[]): VNode {
  const points = (of: "p50" | "p95") =>
    days.map((day) => ({ at: day.start_time, value: day.results[0]?.latency_ms[of] ?? null }));
  const last = lastActive(days)?.results[0]?.latency_ms;
  const rest =
    last === undefined
      ? "No calls in this period"
      : `Last active day: p50 ${formatMs(last.p50)}, p95 ${formatMs(last.p95)}`;
  return (
    <Lines
      title="Latency by day"
      summary={rest}
      rest={rest}
      series={[
        { name: "p50", colour: 1, points: points("p50") },
        { name: "p95", colour: 2, points: points("p95") },
      ]}
      format={formatMs}
    />
  );
}

function balanceChart(now: BalancePoint, newestFirst: readonly Transaction[], projection: Projection): VNode {
  const past = { name: "balance", colour: 3, points: balanceHistory(newestFirst, now) };
  const ahead = projection.kind === "ends" && {
    name: "at this pace",
    colour: 8,
    isDashed: true,
    points: [now, { at: projection.at, nanoUsd: 0 }],
  };
  const series = [past, ...(ahead === false ? [] : [ahead])].map(({ points, ...line }) => ({
    ...line,
    points: points.map(({ at, nanoUsd }) => ({ at, value: nanoUsd })),
  }));
  const rest = projectionSentence(projection);
  return (
    <Lines
      title="Balance"
      summary={`${formatMoney(now.nanoUsd)} now. ${rest}`}
      rest={rest}
      series={series}
      format={formatMoney}
    />
  );
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

function heldSentence({ held_nano_usd: held }: Account): string {
  return held === 0 ? "all of it spendable" : `${formatMoney(held)} set aside for calls of the last half minute`;
}

function tilesOf(account: Account, days: readonly UsageBucket[], projection: Projection): readonly Tile[] {
  const sums = sumUsage(days);
  const hitRate = sums.tokens === 0 ? 0 : sums.cachedTokens / sums.tokens;
  const latency = lastActive(days)?.results[0]?.latency_ms;
  const errors = sums.errors4xx + sums.errors5xx;
  return [
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
}
