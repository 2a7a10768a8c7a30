// The scheduler's words. A call brings texts and gets a ticket; a job is one distinct token sequence of one account,
// with everyone who waits for it; a batch is what the engine runs at once.

import type { OnError, Tier } from "../../shared/wire.ts";

export interface SchedulerLimits {
  /** Seconds of work that may be ahead of a new interactive call; beyond, it is refused at once. */
  readonly queueSecondsMax: number;
  /** The same for a batch call, which waits for both tiers. */
  readonly batchQueueSecondsMax: number;
  /** Share of its tier's bound that one account may fill. */
  readonly accountShareMax: number;
  /** The tokens of a batch of several texts; a single text may have more. */
  readonly batchTokensMax: number;
  /** Texts × longest text of a batch of several: attention is padded. */
  readonly paddedTokensMax: number;
  readonly batchTextsMax: number;
  /** A text with more tokens is long: it is computed in chunks between the batches, one such text at a time. */
  readonly shortTokensMax: number;
  /**
   * Estimated seconds of a batch (a single text may take more, and texts that share its rows twice as much as it): the longest
   * that an interactive text waits for one.
   */
  readonly batchSecondsMax: number;
  /** Whether one account's texts of a batch that begin alike are computed with shared rows (engine/shared-rows.ts). */
  readonly sharesRows: boolean;
  /**
   * A text older than this is scheduled before younger ones of its account, one a batch. Once the batch tier's oldest
   * text is older, every BATCH_TIER_TURN-th batch is the batch tier's.
   */
  readonly ageSecondsMax: number;
}

export interface SchedulerCall {
  readonly account: string;
  readonly tier: Tier;
  /** On the scheduler's clock, in seconds. */
  readonly deadline: number;
  readonly texts: readonly Int32Array[];
  /** Absent: a text without a vector fails the ticket. */
  readonly onError?: OnError | undefined;
}

export type TicketState = "waiting" | "done" | "failed" | "cancelled" | "expired";

export interface Ticket {
  readonly account: string;
  readonly tier: Tier;
  readonly deadline: number;
  /** Texts without a vector yet. */
  readonly left: number;
  readonly state: TicketState;
}

export type Admission = { readonly kind: "admitted"; readonly ticket: Ticket } | Overload;

export interface Overload {
  readonly kind: "overloaded";
  /** The queue is full, or this account's share of it. */
  readonly reason: "queue" | "account";
  /** Whole seconds, 1..5, until there should be room. */
  readonly retryAfterS: number;
}

export interface Batch {
  /** One per job, in the order of the rows that the engine returns. */
  readonly texts: readonly Int32Array[];
  /** [texts]: the place of its account's first text. Rows are shared within an account alone. */
  readonly owners: Int32Array;
  readonly tokens: number;
  /** Texts × longest text. */
  readonly paddedTokens: number;
  /** Estimated seconds. */
  readonly seconds: number;
  readonly startedAt: number;
}

/** What the end of a batch means for one ticket. Rows, and texts without one, come before the ticket's end. */
export type Delivery<Reason> =
  | { readonly kind: "row"; readonly ticket: Ticket; readonly position: number; readonly row: number }
  | { readonly kind: "no row"; readonly ticket: Ticket; readonly position: number; readonly reason: Reason }
  | { readonly kind: "done"; readonly ticket: Ticket }
  | { readonly kind: "failed"; readonly ticket: Ticket; readonly position: number; readonly reason: Reason };
