// A job and its waiters: the scheduler's own record, not seen outside.

import type { OnError, Tier } from "../../shared/wire.ts";
import type { Ticket, TicketState } from "./types.ts";

export interface OpenTicket extends Ticket {
  left: number;
  state: TicketState;
  readonly onError: OnError;
  /** Jobs this ticket waits for; emptied as they end. */
  readonly jobs: Set<Job>;
}

interface Waiter {
  readonly ticket: OpenTicket;
  readonly position: number;
}

export interface Job {
  readonly key: string;
  readonly account: string;
  readonly tier: Tier;
  readonly ids: Int32Array;
  /** Estimated, in the batches that its call alone would make: a text that begins as one before it is cheaper. */
  readonly seconds: number;
  readonly admittedAt: number;
  /** Place in its account's line: see account-line.ts. */
  readonly tag: number;
  /** Batches that took others of its account first. */
  skipped: number;
  state: "queued" | "running" | "gone";
  waiters: Waiter[];
}

/**
 * One account's identical sequences share a job. Never across accounts, nor do their texts share rows: timing would tell one what
 * another embeds.
 */
export function jobKey(account: string, tier: Tier, ids: Int32Array): string {
  return `${tier}\n${account}\n${Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength).toString("latin1")}`;
}
