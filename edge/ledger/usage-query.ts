// Usage queries: cells summed into calendar buckets (UTC), grouped as asked. The figures are the ledger's own, to the
// nano-dollar. Buckets without usage are listed without results, so that pages have a fixed length.

import { assert } from "../../shared/assert.ts";
import { idFromBytes } from "../../shared/ids.ts";
import type { KeyId } from "../../shared/ids.ts";
import { quantileMs } from "./histogram.ts";
import type { Ledger } from "./ledger.ts";
import { monthStartMs } from "./periods.ts";
import { UsageCells } from "./usage-cells.ts";
import type { UsageCell } from "./usage-cells.ts";
import { cellsBetween } from "./usage-history.ts";
import type { Tier } from "../../shared/wire.ts";

export const BUCKET_WIDTHS = ["1m", "1h", "1d", "1mo"] as const;
export type BucketWidth = (typeof BUCKET_WIDTHS)[number];
export const GROUPINGS = ["model", "key", "tier"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/**
 * The most results on one page, over all its buckets: some 3 MB of JSON. A page ends before the bucket that would
 * exceed it.
 */
const RESULTS_MAX = 10_000;

export interface UsageQuery {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  readonly width: BucketWidth;
  readonly groupBy: readonly Grouping[];
  /** Only these; undefined: all. */
  readonly models?: readonly string[];
  readonly keyIds?: readonly string[];
  /** Buckets a page. */
  readonly limit: number;
  /** `nextPage` of the previous page. */
  readonly page?: number;
}

export interface UsageResult {
  /** null: not grouped by it. */
  readonly model: string | null;
  readonly keyId: KeyId | null;
  readonly tier: Tier | null;
  readonly requests: number;
  readonly tokens: number;
  readonly cachedTokens: number;
  readonly costNanoUsd: number;
  readonly savedNanoUsd: number;
  readonly errors4xx: number;
  readonly errors5xx: number;
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null; readonly p99: number | null };
}

export interface UsagePage {
  readonly buckets: readonly {
    readonly startMs: number;
    readonly endMs: number;
    readonly results: readonly UsageResult[];
  }[];
  readonly nextPage?: number;
  /** Everything reported by then is counted; isolates report within two seconds. */
  readonly freshAsOfMs: number;
}

export function queryUsage(ledger: Ledger, query: UsageQuery, nowMs: number): UsagePage {
  assert(query.limit >= 1, "a page has a bucket");
  const starts = bucketStarts(query);
  const last = starts.at(-1);
  const pageEndMs = last === undefined ? query.endMs : Math.min(query.endMs, nextStart(query.width, last));
  const sums = new Map<number, UsageCells>();
  for (const cell of cellsBetween(ledger, query.page ?? query.startMs, pageEndMs)) {
    if (query.models?.includes(cell.model) === false || query.keyIds?.includes(cell.keyId) === false) continue;
    const startMs = bucketStart(query.width, cell.startMs);
    const sum = sums.get(startMs) ?? new UsageCells();
    sums.set(startMs, sum);
    sum.add({ startMs, ...groupOf(cell, query.groupBy) }, cell);
  }
  const buckets: UsagePage["buckets"][number][] = [];
  let results = 0;
  for (const startMs of starts) {
    const cells = [...(sums.get(startMs)?.values() ?? [])];
    results += cells.length;
    if (results > RESULTS_MAX && buckets.length > 0) return { buckets, nextPage: startMs, freshAsOfMs: nowMs };
    const endMs = nextStart(query.width, startMs);
    buckets.push({ startMs, endMs, results: cells.map((cell) => resultOf(cell, query.groupBy)) });
  }
  return { buckets, ...(pageEndMs < query.endMs ? { nextPage: pageEndMs } : {}), freshAsOfMs: nowMs };
}

function bucketStarts(query: UsageQuery): number[] {
  const starts: number[] = [];
  let startMs = bucketStart(query.width, query.page ?? query.startMs);
  while (startMs < query.endMs && starts.length < query.limit) {
    starts.push(startMs);
    startMs = nextStart(query.width, startMs);
  }
  return starts;
}

const FIXED_WIDTHS_MS = { "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000 } as const;

function bucketStart(width: BucketWidth, ms: number): number {
  return width === "1mo" ? monthStartMs(ms) : Math.floor(ms / FIXED_WIDTHS_MS[width]) * FIXED_WIDTHS_MS[width];
}

function nextStart(width: BucketWidth, startMs: number): number {
  if (width !== "1mo") return startMs + FIXED_WIDTHS_MS[width];
  const date = new Date(startMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}

const ANY_KEY = idFromBytes("key", new Uint8Array(10));

/** The names of a cell's group. What is not grouped by gets one fixed name, which the answer shows as null. */
function groupOf(cell: UsageCell, groupBy: readonly Grouping[]): Pick<UsageCell, "keyId" | "model" | "tier"> {
  return {
    keyId: groupBy.includes("key") ? cell.keyId : ANY_KEY,
    model: groupBy.includes("model") ? cell.model : "",
    tier: groupBy.includes("tier") ? cell.tier : "interactive",
  };
}

function resultOf(cell: UsageCell, groupBy: readonly Grouping[]): UsageResult {
  const { requests, tokens, cachedTokens, costNanoUsd, savedNanoUsd, errors4xx, errors5xx, latency } = cell;
  const quantile = (share: number) => quantileMs(latency, share) ?? null;
  return {
    model: groupBy.includes("model") ? cell.model : null,
    keyId: groupBy.includes("key") ? cell.keyId : null,
    tier: groupBy.includes("tier") ? cell.tier : null,
    requests,
    tokens,
    cachedTokens,
    costNanoUsd,
    savedNanoUsd,
    errors4xx,
    errors5xx,
    latencyMs: { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) },
  };
}
