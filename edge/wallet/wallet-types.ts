// What routes ask of the wallet and its answers. Expected refusals are values, not exceptions.

import type { CallTimer } from "../lib/call-timer.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";
import type { Refusal, Rights, Scope, StoredAnswer } from "../ledger/types.ts";

/** A call by its bounds alone. */
export interface BoundRequest {
  readonly key: ParsedKey;
  readonly scope: Scope;
  readonly model: string;
  readonly ip: string;
  readonly tier: Tier;
  /** Upper bounds that need no tokenizer. */
  readonly boundTokens: number;
  readonly boundNanoUsd: NanoUsd;
  /** The request's; absent: a timer of the wallet's clock. */
  readonly timer?: Pick<CallTimer, "after">;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

export interface AdmitRequest extends BoundRequest {
  /** What the call costs at least, known without a tokenizer as well. */
  readonly leastNanoUsd: NanoUsd;
  /** The exact figures, counted only when the bounds are not covered. */
  readonly exact: () => Promise<{ readonly tokens: number; readonly nanoUsd: NanoUsd }>;
}

/** A call with an `Idempotency-Key`; it gets a lease of its own. */
export interface StrictRequest extends AdmitRequest {
  readonly idempotency: { readonly route: string; readonly key: string; readonly bodyHash: string };
}

/** A call that takes no credit. */
export interface AuthorizeRequest {
  readonly key: ParsedKey;
  /** undefined: any valid key (`GET /v1/key`). */
  readonly scope?: Scope;
  readonly ip: string;
  /** Whether the call counts as one request against the limit. */
  readonly countsRequest: boolean;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** A call of a model that failed outside an admission: its body was wrong, or it was refused. */
export interface RefusedCall extends Failure {
  readonly key: ParsedKey;
  readonly model: string;
  readonly tier: Tier;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** What a finished call cost. `costNanoUsd` is at most the admitted bound. */
export interface Settlement {
  readonly model: string;
  readonly tokens: number;
  readonly cachedTokens: number;
  readonly costNanoUsd: NanoUsd;
  readonly savedNanoUsd: NanoUsd;
  readonly latencyMs: number;
}

/** A call that ended without a charge. `status`: the answer's (499: the client had left). */
export interface Failure {
  readonly status: number;
}

/** One rate limit, of the account or of the key, whichever leaves less. */
export interface RateLimitView {
  readonly limit: number;
  /** Not used yet; leases do not count as used. */
  readonly remaining: number;
  /** Until the limit is whole again. */
  readonly resetMs: number;
}

interface RateLimitViews {
  readonly requests: RateLimitView;
  readonly tokens: RateLimitView;
}

/** A caller's limits and credit, as this isolate knows them. */
export interface CallStanding {
  readonly rateLimit: RateLimitViews;
  /** The balance less what was charged here and is not reported yet. */
  readonly creditNanoUsd: NanoUsd;
}

export interface Admission {
  readonly rights: Rights;
  /** As of now: after `settle` it includes the call's own charge. */
  standing(): CallStanding;
  /** Aborts when the work must stop: its lease lapsed, the renewal was refused, or the key was revoked. */
  readonly signal: CancelSignal;
  /**
   * Charges the call, locally and at once: after the whole result is verified and before its first byte goes out.
   * "lapsed": the lease had ended; nothing was charged, and the result must not be delivered (503).
   * Either `settle` or `release` is called, once.
   */
  settle(settlement: Settlement): "charged" | "lapsed";
  /** Ends the call without a charge (error, abandoned, shed). */
  release(failure: Failure): void;
}

/** `standing`: from the object's answer that refused the call; absent where the object did not answer. */
export interface Refused {
  readonly kind: "refused";
  readonly refusal: Refusal;
  readonly standing?: CallStanding;
}

export type AdmitResult = { readonly kind: "admitted"; readonly admission: Admission } | Refused;

/** The admission of a call with an `Idempotency-Key`: charge and stored answer are one transaction at the object. */
export interface StrictAdmission extends Omit<Admission, "settle"> {
  /**
   * "lapsed": the lease had ended; nothing was charged. "unknown": the object did not answer in time, and has done both
   * or neither; a repeat with the same key will tell. Only a "charged" result may be delivered. `release` must not
   * follow.
   */
  commit(settlement: Settlement, stored: StoredAnswer): Promise<"charged" | "lapsed" | "unknown">;
}

export type StrictResult =
  | { readonly kind: "admitted"; readonly admission: StrictAdmission }
  | { readonly kind: "replay"; readonly stored: StoredAnswer; readonly rights: Rights; readonly standing: CallStanding }
  | { readonly kind: "running" }
  | { readonly kind: "reused" }
  | { readonly kind: "spent" }
  | Refused;

export type AuthorizeResult =
  | { readonly kind: "authorized"; readonly rights: Rights; readonly standing: CallStanding }
  | Refused;
