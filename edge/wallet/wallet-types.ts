// The wallet, one per isolate, as routes see it: requests and answers. Expected refusals are values.

import type { CancelSignal } from "../lib/cancel.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";
import type { Refusal, Rights, Scope, StoredAnswer } from "../ledger/types.ts";

export interface AdmitRequest {
  readonly key: ParsedKey;
  readonly scope: Scope;
  readonly model: string;
  readonly ip: string;
  readonly tier: Tier;
  /** Upper bounds that need no tokenizer. */
  readonly boundTokens: number;
  readonly boundNanoUsd: NanoUsd;
  /** The exact figures: asked for only when the bounds do not fit. */
  readonly exact: () => Promise<{ readonly tokens: number; readonly nanoUsd: NanoUsd }>;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** A call with an `Idempotency-Key`: exactly one lease for it. */
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

/** A call that ended without a charge. `status`: what the client was answered (499: it had gone). */
export interface Failure {
  readonly status: number;
}

/** One window of the account or the key, whichever is tighter, as this isolate knows it. */
export interface RateLimitView {
  readonly limit: number;
  /** What has not been used; what leases hold is not used. */
  readonly remaining: number;
  /** Until nothing is used any more. */
  readonly resetMs: number;
}

interface RateLimitViews {
  readonly requests: RateLimitView;
  readonly tokens: RateLimitView;
}

/** Where a caller stands, as this isolate knows it. */
export interface CallStanding {
  readonly rateLimit: RateLimitViews;
  /** The balance less what was charged here and is not reported yet. */
  readonly creditNanoUsd: NanoUsd;
}

export interface Admission {
  readonly rights: Rights;
  /** As it is now: after `settle`, with the call's own charge. */
  standing(): CallStanding;
  /** Aborted when the credit behind the work is gone (renewal refused, key revoked, lease lapsed): stop the work. */
  readonly signal: CancelSignal;
  /**
   * Charges the call, locally and at once; call it when the whole result is verified, before the first byte goes out.
   * "lapsed": the lease had ended, nothing was charged and the result must not be delivered (503).
   * Exactly one of `settle` and `release` may be called, once.
   */
  settle(settlement: Settlement): "charged" | "lapsed";
  /** Ends the call without a charge (error, abandoned, shed). */
  release(failure: Failure): void;
}

/** `standing`: where the object's answer that refused the call left the caller; absent when it did not answer. */
export interface Refused {
  readonly kind: "refused";
  readonly refusal: Refusal;
  readonly standing?: CallStanding;
}

export type AdmitResult = { readonly kind: "admitted"; readonly admission: Admission } | Refused;

/** The strict path's admission: charge and stored answer are one transaction at the object. */
export interface StrictAdmission extends Omit<Admission, "settle"> {
  /**
   * "lapsed": the lease had ended, nothing was charged. "unknown": the object did not say in time whether it did both
   * or neither; the same key tells, and the result must not be delivered. `release` may not follow.
   */
  commit(settlement: Settlement, stored: StoredAnswer): Promise<"charged" | "lapsed" | "unknown">;
}

export type StrictResult =
  | { readonly kind: "admitted"; readonly admission: StrictAdmission }
  | { readonly kind: "replay"; readonly stored: StoredAnswer; readonly rights: Rights; readonly standing: CallStanding }
  | { readonly kind: "running" }
  | { readonly kind: "reused" }
  | Refused;

export type AuthorizeResult =
  | { readonly kind: "authorized"; readonly rights: Rights; readonly standing: CallStanding }
  | Refused;

export interface Wallet {
  /** Reports what this isolate has spent of the account, all keys: afterwards the books have it, unless the object did not answer in time. */
  report(accountId: AccountId, waitUntil: AdmitRequest["waitUntil"]): Promise<void>;
  admit(request: AdmitRequest): Promise<AdmitResult>;
  admitStrict(request: StrictRequest): Promise<StrictResult>;
  authorize(request: AuthorizeRequest): Promise<AuthorizeResult>;
  /** Counts the call in the usage of its key; reported in the background. */
  noteRefused(call: RefusedCall): Promise<void>;
}
