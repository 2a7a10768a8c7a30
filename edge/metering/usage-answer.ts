// `usage`, and the headers about a call's cost and the caller's limits: the same for every paid route.

import type { CallStanding } from "../wallet/wallet-types.ts";
import { isEmbedded } from "../embedding/types.ts";
import type { EmbedTextsResult } from "../embedding/types.ts";
import type { MeteredResult } from "./admitted-call.ts";
import type { Charge } from "../models/pricing.ts";
import { formatUsd, usdNumber } from "../../shared/money.ts";

/** OpenAI's usage object, plus our `cost` in USD. */
export interface UsageAnswer {
  readonly prompt_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly cost: number;
  /** Only of a call with `on_error: "per_item"`. */
  readonly failed_items?: number;
}

export function usageOf(charge: Charge): UsageAnswer {
  return {
    prompt_tokens: charge.tokens,
    total_tokens: charge.tokens,
    prompt_tokens_details: { cached_tokens: charge.cachedTokens },
    cost: usdNumber(charge.costNanoUsd),
  };
}

/**
 * `x-cache`, `x-cost-usd`, `x-credit-remaining-usd`, `x-model-revision`, `x-ratelimit-*`, `x-idempotent-replayed`,
 * `Server-Timing`. A replay has the first call's cost and cache state.
 */
export function usageHeaders(result: MeteredResult): Record<string, string> {
  const headers = standingHeaders(result.standing);
  headers["x-cache"] = cacheState(result);
  headers["x-cost-usd"] = formatUsd(result.charge.costNanoUsd);
  headers["x-model-revision"] = result.revision;
  const timing = serverTiming(result.timings);
  if (timing !== "") headers["server-timing"] = timing;
  if (result.replayed) headers["x-idempotent-replayed"] = "true";
  return headers;
}

function cacheState(result: EmbedTextsResult): "hit" | "miss" | "partial" {
  let hits = 0;
  let misses = 0;
  for (const text of result.texts) {
    if (!isEmbedded(text)) continue;
    if (text.hit) hits += 1;
    else misses += 1;
  }
  if (hits === 0) return "miss";
  return misses === 0 ? "hit" : "partial";
}

/** `x-credit-remaining-usd` and `x-ratelimit-*`, for served and for refused calls. */
export function standingHeaders({ creditNanoUsd, rateLimit }: CallStanding): Record<string, string> {
  return {
    "x-credit-remaining-usd": formatUsd(creditNanoUsd),
    // Names are written out: V8 would have to look up each name that is put together.
    "x-ratelimit-limit-requests": String(rateLimit.requests.limit),
    "x-ratelimit-remaining-requests": String(rateLimit.requests.remaining),
    "x-ratelimit-reset-requests": formatDuration(rateLimit.requests.resetMs),
    "x-ratelimit-limit-tokens": String(rateLimit.tokens.limit),
    "x-ratelimit-remaining-tokens": String(rateLimit.tokens.remaining),
    "x-ratelimit-reset-tokens": formatDuration(rateLimit.tokens.resetMs),
  };
}

/** A duration as OpenAI writes it: `250ms`, `1.5s`, `6m0s`. */
function formatDuration(durationMs: number): string {
  const ms = Math.max(0, Math.ceil(durationMs));
  if (ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = Number(((ms - minutes * 60_000) / 1000).toFixed(3));
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}

function serverTiming(timings: Readonly<Record<string, number>>): string {
  let text = "";
  for (const stage of Object.keys(timings)) {
    const tenths = Math.round((timings[stage] ?? 0) * 10);
    text += `${text === "" ? "" : ", "}${stage};dur=${Math.trunc(tenths / 10)}.${Math.abs(tenths % 10)}`;
  }
  return text;
}
