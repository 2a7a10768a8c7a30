// Buckets of GET /v1/usage as sums and as stacked series. Pure.

import type { UsageBucket, UsageResult } from "./types.ts";

/** More series could not be told apart by colour: the smallest are summed as one. */
export const SERIES_MAX = 8;
export const OTHER = "Other";

export interface Sums {
  readonly requests: number;
  readonly tokens: number;
  readonly cachedTokens: number;
  readonly costNanoUsd: number;
  readonly savedNanoUsd: number;
  readonly errors4xx: number;
  readonly errors5xx: number;
}

/** The sums of all `buckets`. */
export function sumUsage(buckets: readonly UsageBucket[]): Sums {
  const results = buckets.flatMap((bucket) => bucket.results);
  const sum = (value: (result: UsageResult) => number) => results.reduce((total, result) => total + value(result), 0);
  return {
    requests: sum((result) => result.requests),
    tokens: sum((result) => result.input_tokens),
    cachedTokens: sum((result) => result.cached_tokens),
    costNanoUsd: sum((result) => result.cost_nano_usd),
    savedNanoUsd: sum((result) => result.saved_nano_usd),
    errors4xx: sum((result) => result.errors["4xx"]),
    errors5xx: sum((result) => result.errors["5xx"]),
  };
}

export interface Stack {
  readonly names: readonly string[];
  /** One row a bucket, one value a name. */
  readonly rows: readonly (readonly number[])[];
}

/**
 * `value` by group and bucket, the largest groups first; those beyond SERIES_MAX are summed as OTHER. A row adds up to
 * its bucket's whole value.
 */
export function stackUsage(
  buckets: readonly UsageBucket[],
  groupOf: (result: UsageResult) => string,
  value: (result: UsageResult) => number,
): Stack {
  const totals = new Map<string, number>();
  for (const result of buckets.flatMap((bucket) => bucket.results)) {
    const name = groupOf(result);
    totals.set(name, (totals.get(name) ?? 0) + value(result));
  }
  const ranked = [...totals].sort(([a, x], [b, y]) => y - x || a.localeCompare(b)).map(([name]) => name);
  const named = ranked.length > SERIES_MAX ? ranked.slice(0, SERIES_MAX - 1) : ranked;
  const names = ranked.length > named.length ? [...named, OTHER] : named;
  const places = new Map(named.map((name, place) => [name, place]));
  const rows = buckets.map((bucket) => {
    const row = names.map(() => 0);
    for (const result of bucket.results) {
      const place = places.get(groupOf(result)) ?? names.length - 1;
      row[place] = (row[place] ?? 0) + value(result);
    }
    return row;
  });
  return { names, rows };
}

/** The newest bucket with requests, for latencies: percentiles of several buckets cannot be added. */
export function lastActive(buckets: readonly UsageBucket[]): UsageBucket | undefined {
  return buckets.findLast((bucket) => bucket.results.some((result) => result.latency_ms.p50 !== null));
}
