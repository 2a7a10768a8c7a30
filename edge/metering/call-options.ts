// One call's options from its headers: tier, waiting time, cost limit, revision, cache, idempotency. Parsed once; every
// fault names its header.

import type { Context } from "../context.ts";
import { IDEMPOTENCY_HEADER } from "./idempotent-call.ts";
import { apiError } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import { REVISION_RULE, parseRevision } from "../../shared/ids.ts";
import { aliased } from "../../shared/schemas/common.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { parseUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

export interface CallOptions {
  readonly tier: Tier;
  /** Time for the whole call, from its arrival. */
  readonly deadlineMs: number;
  readonly coldHoldMs: number;
  readonly maxCostNanoUsd: NanoUsd | undefined;
  /** The only revision that will do. */
  readonly revision: ModelRevision | undefined;
  /** `Cache-Control: no-store`. */
  readonly noStore: boolean;
  readonly traceparent: string | undefined;
  readonly idempotencyKey: string | undefined;
}

/** Stripe's limit of length; visible ASCII only, which every proxy passes on unchanged. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
const REVISION_HEADER = "X-Require-Revision";
const PREFER_WAIT = /(?:^|,)\s*wait=(\d{1,4})\s*(?:,|$)/i;
const NO_STORE = /(?:^|,)\s*no-store\s*(?:,|$)/i;

/**
 * Reads `X-Tier`, `Prefer: wait=N`, `X-Max-Cost`, `X-Require-Revision`, `Cache-Control`, `Idempotency-Key`. Throws
 * `invalid_header`.
 */
export function readCallOptions(c: Context): CallOptions {
  const { limits } = c.get("services").config;
  const wait = PREFER_WAIT.exec(c.req.header("prefer") ?? "")?.[1];
  const holdMs = wait === undefined ? limits.coldHoldMs : Math.min(Number(wait) * 1000, limits.coldHoldMsMax);
  return {
    tier: readTier(c.req.header("x-tier")),
    // Waiting for a cold model is added to the work's own time.
    deadlineMs: Math.max(limits.requestDeadlineMs, wait === undefined ? 0 : holdMs + limits.requestDeadlineMs),
    coldHoldMs: holdMs,
    maxCostNanoUsd: readMaxCost(c.req.header("x-max-cost")),
    revision: headerRevision(c),
    noStore: NO_STORE.test(c.req.header("cache-control") ?? ""),
    traceparent: c.get("traceparent"),
    idempotencyKey: readIdempotencyKey(c),
  };
}

function readTier(value: string | undefined): Tier {
  const tier = value?.trim().toLowerCase();
  if (tier === undefined || tier === "" || tier === "interactive") return "interactive";
  if (tier === "batch") return "batch";
  throw wrongValue("X-Tier", '"batch" or absent', value, "invalid_header");
}

function readMaxCost(value: string | undefined): NanoUsd | undefined {
  if (value === undefined) return undefined;
  const amount = parseUsd(value.trim());
  if (amount !== undefined) return amount;
  throw wrongValue("X-Max-Cost", "an amount of USD with at most 9 decimals, like 0.002", value, "invalid_header");
}

/** The revision that the header requires. Throws `invalid_header`. */
export function headerRevision(c: Context): ModelRevision | undefined {
  const value = c.req.header(REVISION_HEADER);
  if (value === undefined) return undefined;
  const revision = parseRevision(value.trim());
  if (revision !== undefined) return revision;
  throw wrongValue(REVISION_HEADER, REVISION_RULE, value, "invalid_header");
}

/** The revision that a call requires by its header or its body's field. Throws `incompatible_options` if they differ. */
export function requiredRevision(options: CallOptions, field: ModelRevision | undefined): ModelRevision | undefined {
  return aliased("revision", field, REVISION_HEADER, options.revision);
}

/** The fault of a call, by the name under which it said what is wrong: a required revision has two. */
export function withNameSent(c: Context, fault: Fault): Fault {
  if (fault.code !== "revision_changed" || c.req.header(REVISION_HEADER) === undefined) return fault;
  return { ...fault, param: REVISION_HEADER };
}

/** Throws `invalid_header`. */
export function readIdempotencyKey(c: Context): string | undefined {
  const value = c.req.header(IDEMPOTENCY_HEADER);
  if (value === undefined || IDEMPOTENCY_KEY.test(value)) return value;
  throw apiError(
    "invalid_header",
    "The header `Idempotency-Key` must be 1 to 255 visible ASCII characters, like a UUID.",
    "Idempotency-Key",
  );
}
