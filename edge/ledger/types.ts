// The messages between an isolate and the account object, and what both tell the routes. Plain data, because it crosses
// Workers RPC: no classes, no functions. Expected refusals are values with their facts; `faultOfRefusal` turns them
// into HTTP answers.

import type { AccountId, KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

/**
 * What a key may do. `embeddings` covers /v1/similarity and /v1/tokenize too; `keys:write` and `account:write` include
 * reading.
 */
export const SCOPES = ["embeddings", "rerank", "batches", "usage:read", "keys:write", "account:write"] as const;
export type Scope = (typeof SCOPES)[number];
/** Scopes that call models: what a new key gets unless its creator says otherwise. */
export const CALL_SCOPES = ["embeddings", "rerank", "batches"] as const satisfies readonly Scope[];

export const CACHE_SETTINGS = ["off", "standard", "eager"] as const;
export type CacheSetting = (typeof CACHE_SETTINGS)[number];
export const CAP_PERIODS = ["day", "week", "month"] as const;
export type CapPeriod = (typeof CAP_PERIODS)[number];
export type AccountStatus = "active" | "suspended";

/** The three things that a lease reserves. `tokens` and `requests` count against the per-minute limits. */
export interface Amount {
  readonly nanoUsd: NanoUsd;
  readonly requests: number;
  readonly tokens: number;
}

/** What a key is allowed, as the object last said; in force for one lease TTL. */
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

/** A term of a key that limits the keys it may create, as the API names it. */
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
  /** The acting key may do less than the other key: in `term`. */
  | { readonly kind: "reach"; readonly term: KeyTerm }
  /** The acting key has its own cap or rates, so it may not act on other keys. */
  | { readonly kind: "bounded_key" }
  | {
      readonly kind: "insufficient_credit";
      readonly which: FundsBound["by"];
      readonly neededNanoUsd: NanoUsd;
      /** `neededNanoUsd` is what it needs at most: there is less credit than it needs at least. */
      readonly isBound?: true;
      /** What could be spent if every lease were returned. */
      readonly spendableNanoUsd: NanoUsd;
    }
  | {
      readonly kind: "credit_held";
      readonly neededNanoUsd: NanoUsd;
      readonly spendableNanoUsd: NanoUsd;
      /** When it is back at the latest: calls that end give it back at once. */
      readonly heldMs: number;
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
  /** More than a whole minute's limit: waiting does not help. */
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
  /** If every lease were returned. */
  readonly potentialNanoUsd: NanoUsd;
  /** Now. */
  readonly freeNanoUsd: NanoUsd;
}

/** Credit as the object sees it: now, and if every lease were returned. */
export interface Funds {
  readonly balanceNanoUsd: NanoUsd;
  readonly spendableNanoUsd: NanoUsd;
  /** The most this key could be granted now: the least of `bounds`. */
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
  /** Unused units in leases: they do not refill before their lease ends. */
  readonly leased: number;
}

/** What one other lease of the account holds, and when it ends if it is not renewed. */
export interface OtherLease {
  readonly endsInMs: number;
  readonly held: Amount;
  /** Whether it counts against this key's own bounds too. */
  readonly sameKey: boolean;
}

/** The hash of a secret under one pepper in force; the object compares the one whose pepper its row names. */
export interface SecretHash {
  readonly pepperId: string;
  /** Hex. */
  readonly hash: string;
}

/**
 * Usage of one (model, tier, minute) since the last message of the lease. `requests` were served; failed and refused
 * ones count only in the errors.
 */
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

/** What an isolate wants on top of what it keeps. */
export interface Want {
  /** What all its waiting calls need. */
  readonly min: Amount;
  /** The least that one of them needs: less would serve no call, so nothing is granted. */
  readonly least: Amount;
  /** What it would like to hold: about ten seconds of its recent spend. */
  readonly target: Amount;
  /** One request like its recent ones: shows when credit or rate is nearly used up. */
  readonly unit: Amount;
}

/**
 * One message of an isolate's lease of one key. Sent again unchanged until it is answered.
 */
export interface SyncMessage {
  /**
   * The lease's id: 16 characters, random. Isolates and objects of two versions talk while a deployment rolls out, so the
   * name stays as it was first deployed, here and in `unknown_session`.
   */
  readonly session: string;
  /** 1, 2, 3 …; the first spends nothing. */
  readonly seq: number;
  /** From the answer to the first message, which has none. */
  readonly epoch?: string;
  readonly secret: readonly SecretHash[];
  /** Cumulative since the lease began. */
  readonly spent: Amount;
  readonly lines: readonly UsageLine[];
  /** What the isolate keeps of its lease after `spent`; the rest is returned. */
  readonly keep: Amount;
  /**
   * Only in a first message: what was spent under an earlier lease that ended before it was reported. The object sets it
   * aside as far as it is covered, and remembers the lease even if that is nothing: the next message reports it. (Its
   * requests and tokens have counted already, up to the end of that earlier lease.)
   */
  readonly untoldNanoUsd?: NanoUsd;
  /** No call runs or waits: `keep` is for calls to come. If credit or rate is nearly used up, it is not prolonged. */
  readonly idle?: true;
  /** The part of `keep` that running calls may cost: the bound of the revenue lost if the isolate dies now. */
  readonly runningNanoUsd: NanoUsd;
  /** Revenue that the isolate dropped since its last message, because it came too late to be reported safely. */
  readonly lostNanoUsd?: NanoUsd;
  /** What calls that wait for this answer may cost. */
  readonly waitingNanoUsd: NanoUsd;
  readonly want: Want;
  /** The lease ends, and everything it held is returned. */
  readonly close?: true;
  /** For a call with an `Idempotency-Key`: nothing of it is stored before its last message, and its lease is short. */
  readonly idempotency?: IdempotencyStep;
}

export type SyncAnswer =
  | {
      readonly kind: "renewed";
      readonly seq: number;
      /**
       * New each time a first message begins a lease; every later message must repeat it. Otherwise a late copy of the
       * first message could begin an ended lease again, and a late copy of the second one would then charge what the
       * isolate has already reported under its next lease. Absent: nothing is held or remembered, and the isolate's next
       * message begins a new lease.
       */
      readonly epoch?: string;
      /** Counted by the isolate from just before it first sent the message. */
      readonly ttlMs: number;
      readonly granted: Amount;
      /** What the object holds for this lease after this message. */
      readonly held: Amount;
      /** Credit or rate is nearly used up, or others wait: hold nothing idle, report at once. */
      readonly tight: boolean;
      readonly rights: Rights;
      readonly funds: Funds;
      readonly rates: readonly RateView[];
      /** If the want is not covered: what others hold, the earliest end first. */
      readonly others?: readonly OtherLease[];
      readonly idempotency?: IdempotencyState;
    }
  | { readonly kind: "ended"; readonly seq: number; readonly refusal: KeyRefusal }
  | { readonly kind: "closed"; readonly seq: number }
  /** The object does not know this lease (any more): nothing in the message was applied. */
  | { readonly kind: "unknown_session"; readonly seq: number }
  /** A late copy of a message older than the last one applied: nothing was applied. */
  | { readonly kind: "stale"; readonly seq: number }
  /** Too many leases at once: a new one cannot be remembered. */
  | { readonly kind: "busy"; readonly seq: number };

/** The object as the wallet sees it. */
export interface AccountStub {
  sync(message: SyncMessage): Promise<SyncAnswer>;
}

// Idempotency (docs/contract.md, Headers): the strict lease's first message begins it, its last one stores the answer
// and charges in one transaction.

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
  /** The first call still runs, or repeats would take more memory than there is: ask again in a second. */
  | { readonly kind: "running" }
  | { readonly kind: "reused" }
  /** A frame of a stream that was computed again too often (stream-frames.ts). */
  | { readonly kind: "spent" }
  | { readonly kind: "replay"; readonly stored: StoredAnswer };

export const IDEMPOTENCY_BYTES_MAX = 4 * 1024 * 1024;
