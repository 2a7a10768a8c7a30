// The interface between routes and embedding: vectors for texts, or scores of pairs, from the cache tiers or a backend,
// each computed once.

import type { CacheMode } from "../cache/tiers.ts";
import type { ModelRevision, RequestId } from "../../shared/ids.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { Prices } from "../../shared/catalog.ts";
import type { Fault } from "../../shared/errors.ts";
import type { OnError, Prompts, Tier, Truncation } from "../../shared/wire.ts";
import type { CallText, ScoreQuery } from "../lib/call-text.ts";
import type { CallTimer } from "../lib/call-timer.ts";
import type { CancelSignal } from "../lib/cancel.ts";

/** One call's texts, of one account and one model. */
export interface EmbedTextsRequest {
  readonly model: string;
  readonly accountId: AccountId;
  readonly tier: Tier;
  readonly texts: readonly CallText[];
  /** Put before every string; empty for ids. */
  readonly prefix: string;
  /** Set for a reranker: the texts are documents, and get scores instead of vectors. */
  readonly query?: ScoreQuery | undefined;
  /**
   * The prompts that `prefix` was made from: a backend that announces others is not asked. Absent: it depends on none.
   */
  readonly prompts?: Prompts | undefined;
  readonly truncate: Truncation;
  /** Absent: a text at fault fails the call. */
  readonly onError?: OnError;
  /**
   * A text may cost nothing because another one is at fault. What was computed beside a fault is then neither cached nor
   * shared: it would be had for the price of a hit.
   */
  readonly textsDepend?: boolean | undefined;
  /** The only revision that will do; absent: any. */
  readonly revision?: ModelRevision | undefined;
  readonly cacheMode: CacheMode;
  /** The model's own, which decide whether the cache's shared tiers pay. Default: the catalogue's. */
  readonly prices?: Pick<Prices, "priceNanoUsdPerMillion" | "hitPriceNanoUsdPerMillion">;
  /** `Cache-Control: no-store`: neither read nor written for this call. */
  readonly noStore: boolean;
  readonly requestId: RequestId;
  readonly traceparent: string | undefined;
  /** Time left to the call. */
  readonly deadlineMs: number;
  /** The longest wait for a cold model (`Prefer: wait=N`). */
  readonly coldHoldMs: number;
  /** Aborts when the caller has left or the lease was refused. */
  readonly signal: CancelSignal;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  /** Absent where no request waits for the call. */
  readonly timer?: CallTimer;
  /** Names the text at `index` in the caller's words, for faults. Default: `input[index]`. */
  readonly itemOf?: (index: number) => string | null;
}

export interface EmbeddedText {
  /** Canonical vector: float16 bits [native dimensions]; of a pair its score (backend/score-bits.ts). */
  readonly vector: Uint16Array;
  /** Token ids that the model read: prefix and ending token included, after truncation. */
  readonly tokens: number;
  /**
   * From a cache tier, a repetition of an earlier text of this request, or paid for by another call that ran at the same
   * time (shared-text.ts): priced as a hit.
   */
  readonly hit: boolean;
  /** Called when its call is priced and it is no hit. */
  pay?(): void;
}

/** Why a text has no vector, in the caller's terms. */
export interface FailedText {
  readonly fault: Fault;
}

/** Failed ones only where the request says `onError: "per_item"`. */
export type TextResult = EmbeddedText | FailedText;

export function isFailed(result: object): result is FailedText {
  return "fault" in result;
}

export function isEmbedded(result: TextResult): result is EmbeddedText {
  return !isFailed(result);
}

export interface EmbedTextsResult {
  readonly revision: ModelRevision;
  /** Values of each vector, or words of each score. */
  readonly dimensions: number;
  /** In the order asked. */
  readonly texts: readonly TextResult[];
  /** Milliseconds by stage, for Server-Timing: `cache`, `tokenize`, `queue`, `run`, `backend`. */
  readonly timings: Readonly<Record<string, number>>;
}

export interface StartedTexts {
  /**
   * Computes the misses, once the call is admitted; not calling it costs nothing but the look-ups. `cacheMode` is the key's
   * setting, which is only known with the lease. Rejects with ApiError.
   */
  finish(cacheMode?: CacheMode): Promise<EmbedTextsResult>;
  /** Caches what was computed. Called once that is charged: what nobody paid for is not to be had for the price of a hit. */
  keep(): void;
}

export interface EmbedTexts {
  /** Starts the cache look-ups at once, beside the lease, and returns. */
  start(request: EmbedTextsRequest): StartedTexts;
}
