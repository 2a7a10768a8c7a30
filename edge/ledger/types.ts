// What the isolate and the account object say to each other, and what both say to routes. Plain data (it crosses
// Workers RPC): no classes, no functions but the admission's own. Expected refusals are values with their facts;
// `faultOfRefusal` turns them into HTTP answers.

import type { AccountId, KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

/** What a key may do. `embeddings` covers /v1/similarity and /v1/tokenize too; `keys:write` and `account:write` include reading. */
export const SCOPES = ["embeddings", "rerank", "batches", "usage:read", "keys:write", "account:write"] as const;
export type Scope = (typeof SCOPES)[number];
/** Those that call models: what a new key gets unless its maker says otherwise. */
export const CALL_SCOPES = ["embeddings", "rerank", "batches"] as const satisfies readonly Scope[];

export type CacheSetting = "off" | "standard" | "eager";
export type CapPeriod = "day" | "week" | "month";
export type AccountStatus = "active" | "suspended";

/** The three things that a lease reserves. `tokens` and `requests` count against the per-minute limits. */
export interface Amount {
  readonly nanoUsd: NanoUsd;
  readonly requests: number;
  readonly tokens: number;
}

/** What a key is allowed, as the object last said so; in force for one lease TTL. */
export interface Rights {
  readonly accountId: AccountId;
  readonly keyId: KeyId;
  readonly scopes: readonly Scope[];
  /** Full model ids; undefined: all. */
  readonly models?: readonly string[];
  /** Addresses or CIDR ranges; undefined: any. */
  readonly ipAllow?: readonly string[];
  /** Unix ms. */
  readonly expiresAtMs?: number;
  readonly cache: CacheSetting;
}

/** A term of a key that bounds another's, as the API names it. */
export type KeyTerm =
  | "models"
  | "ip_allow"
  | "expires_at"
  | "cap_nano_usd"
  | "cap_reset"
  | "requests_per_minute"
  | "tokens_per_minute"
  | "cache";

/** Why a call may not run, with the facts that the answer needs. */
export type Refusal =
  | KeyRefusal
  | { readonly kind: "scope"; readonly needed: Scope; readonly granted: readonly Scope[] }
  | { readonly kind: "model"; readonly model: string; readonly allowed: readonly string[] }
  | { readonly kind: "ip"; readonly ip: string }
  /** An act on a key by one that may do less: the term by which. */
  | { readonly kind: "reach"; readonly term: KeyTerm }
  /** An act on another key by one with a cap or rates of its own. */
  | { readonly kind: "bounded_key" }
  | {
      readonly kind: "insufficient_credit";
      readonly which: FundsBound["by"];
      readonly neededNanoUsd: NanoUsd;
      /** What could be spent if every lease came back. */
      readonly spendableNanoUsd: NanoUsd;
    }
  | {
      readonly kind: "credit_held";
      readonly neededNanoUsd: NanoUsd;
      readonly spendableNanoUsd: NanoUsd;
      readonly retryAfterMs: number;
    }
  | {
      readonly kind: "rate_limited";
      readonly window: "requests" | "tokens";
      readonly which: "account" | "key";
      /** Per minute. */
      readonly limit: number;
      readonly needed: number;
      readonly retryAfterMs: number;
    }
  /** More than the whole limit of a minute: no waiting helps. */
  | {
      readonly kind: "over_limit";
      readonly window: "requests" | "tokens";
      readonly which: "account" | "key";
      /** Per minute. */
      readonly limit: number;
      readonly needed: number;
    }
  | { readonly kind: "ledger_unavailable" };

/** The key itself is refused: everything it runs is cancelled. */
export type KeyRefusal =
  | { readonly kind: "unknown_key" }
  | { readonly kind: "revoked" }
  | { readonly kind: "expired"; readonly expiredAtMs: number }
  | { readonly kind: "suspended" };

/** One thing that bounds what a key may spend. */
export interface FundsBound {
  readonly by: "account" | "key_cap" | "monthly_limit";
  /** If every lease came back. */
  readonly potentialNanoUsd: NanoUsd;
  /** Now. */
  readonly freeNanoUsd: NanoUsd;
}

/** Credit as the object sees it: now, and if every lease came back. */
export interface Funds {
  readonly balanceNanoUsd: NanoUsd;
  readonly spendableNanoUsd: NanoUsd;
  /** What this key could be granted now: the least of `bounds`. */
  readonly grantableNanoUsd: NanoUsd;
  readonly bounds: readonly FundsBound[];
  /** The one with the least potential. */
  readonly tightest: FundsBound;
}

/** One rate bucket as the object sees it. */
export interface RateView {
  readonly window: "requests" | "tokens";
  readonly which: "account" | "key";
  /** Per minute, which is also the burst. */
  readonly limit: number;
  /** Whole units that could be leased now. */
  readonly available: number;
  /** Units out in leases and not used: no part of them refills before its lease ends. */
  readonly leased: number;
}

/** What one other lease of the account holds, and when it ends if it is not renewed. */
export interface OtherLease {
  readonly endsInMs: number;
  readonly held: Amount;
  /** Whether it counts against this key's own bounds too. */
  readonly sameKey: boolean;
}

/** Hashes of one secret under the pepper values in force; the object compares the one whose pepper its row names. */
export interface SecretHash {
  readonly pepperId: string;
  /** Hex. */
  readonly hash: string;
}

/** Usage of one (model, tier, minute) since the last message of the session. `requests` were served; failed and refused ones count only in the errors. */
export interface UsageLine {
  readonly model: string;
  readonly tier: Tier;
  /** Unix minutes, by the isolate's clock: the object moves it into its own open time. */
  readonly minute: number;
  readonly requests: number;
  readonly tokens: number;
  readonly cachedTokens: number;
  readonly costNanoUsd: NanoUsd;
  readonly savedNanoUsd: NanoUsd;
  readonly errors4xx: number;
  readonly errors5xx: number;
  /** Sparse histogram: bucket index → count (histogram.ts). */
  readonly latency: Readonly<Record<number, number>>;
}

/** What a session would like on top of what it keeps. */
export interface Want {
  /** What waits for credit now. */
  readonly min: Amount;
  /** The least that one of them needs: with less no call could be served, so nothing is granted. */
  readonly least: Amount;
  /** What it would rather have: about ten seconds of its recent spend. */
  readonly target: Amount;
  /** One request like its recent ones: tells when the end is near. */
  readonly unit: Amount;
}

/**
 * One message of a session: an isolate's dealings with one key, from the first lease to the last. Sent again unchanged
 * until it is answered.
 */
export interface SyncMessage {
  /** 16 characters, random per session. */
  readonly session: string;
  /** 1, 2, 3 …; the first spends nothing. */
  readonly seq: number;
  /** From the answer to the first message; the first has none. */
  readonly epoch?: string;
  readonly secret: readonly SecretHash[];
  /** Cumulative since the session began. */
  readonly spent: Amount;
  readonly lines: readonly UsageLine[];
  /** What the isolate goes on holding of its lease, after `spent`; the rest comes back. */
  readonly keep: Amount;
  /**
   * Of a first message: what was spent under an earlier session that ended before it was told. The object sets it aside
   * as far as it is there, and remembers the session even if that is nothing: the next message reports it. (Requests and
   * tokens count already, as used up to the end of that session's lease.)
   */
  readonly untoldNanoUsd?: NanoUsd;
  /** No call runs or waits: `keep` is for calls to come. Near the end of credit or rate such a lease is not prolonged. */
  readonly idle?: true;
  /** Of `keep`: what calls that run now may cost. The bound of the revenue lost if the isolate dies now. */
  readonly runningNanoUsd: NanoUsd;
  /** Revenue that the isolate dropped since its last message, because it came too late to be reported safely. */
  readonly lostNanoUsd?: NanoUsd;
  /** What calls that wait for this answer may cost. */
  readonly waitingNanoUsd: NanoUsd;
  readonly want: Want;
  /** The session ends: whatever it held comes back. */
  readonly close?: true;
  /** A call with an `Idempotency-Key`: nothing of it is stored before its last message, and its lease is short. */
  readonly idempotency?: IdempotencyStep;
}

export type SyncAnswer =
  | {
      readonly kind: "renewed";
      readonly seq: number;
      /**
       * Tells this beginning of the session from another that a late copy of its first message might cause: without it
       * a late copy of the second could be charged again, after the isolate had told its figures to a new session.
       * Absent: nothing is held, so nothing is remembered, and the isolate's next message begins a new session.
       */
      readonly epoch?: string;
      /** The isolate counts it from before it first sent the message. */
      readonly ttlMs: number;
      readonly granted: Amount;
      /** What the object holds for this session after this message. */
      readonly held: Amount;
      /** Near the end of credit or rate: hold nothing idle, report at once. */
      readonly tight: boolean;
      readonly rights: Rights;
      readonly funds: Funds;
      readonly rates: readonly RateView[];
      /** Where what was wanted is not covered: what others hold, the earliest end first. */
      readonly others?: readonly OtherLease[];
      readonly idempotency?: IdempotencyState;
    }
  | { readonly kind: "ended"; readonly seq: number; readonly refusal: KeyRefusal }
  | { readonly kind: "closed"; readonly seq: number }
  /** The object no longer (or never) knew this session: nothing in the message was applied. */
  | { readonly kind: "unknown_session"; readonly seq: number }
  /** A late copy of a message that a newer one has overtaken: nothing was applied. */
  | { readonly kind: "stale"; readonly seq: number }
  /** Too many sessions at once: a new one cannot be remembered. */
  | { readonly kind: "busy"; readonly seq: number };

/** The object as the wallet sees it. */
export interface AccountStub {
  sync(message: SyncMessage): Promise<SyncAnswer>;
}

// Idempotency (docs/contract.md, Headers): the strict session's first message begins it, its last one stores the answer and
// charges in one transaction.

export type IdempotencyStep =
  | { readonly kind: "begin"; readonly route: string; readonly key: string; readonly bodyHash: string }
  | { readonly kind: "finish"; readonly route: string; readonly key: string; readonly stored: StoredAnswer };

/** A first answer, replayed from canonical vectors: at most IDEMPOTENCY_BYTES_MAX. */
export interface StoredAnswer {
  /** Whatever the route needs besides the vectors (JSON text: model, token counts, cost). No input text. */
  readonly meta: string;
  readonly vectors: Uint8Array;
}

export type IdempotencyState =
  | { readonly kind: "begun" }
  /** The first call still runs, or more of its answers are on their way than memory allows: ask again in a second. */
  | { readonly kind: "running" }
  | { readonly kind: "reused" }
  | { readonly kind: "replay"; readonly stored: StoredAnswer };

export const IDEMPOTENCY_BYTES_MAX = 4 * 1024 * 1024;
