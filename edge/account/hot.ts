// The hot row: everything of an account that changes with its traffic, in one row of JSON, so that a sync costs one
// row written. docs/storage.md lists its fields. Keys, grants, posted statement lines, segments and the audit log have
// tables of their own.

import type { AccountId, KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { amount } from "./amount.ts";
import type { OpenGrant, Totals } from "./books.ts";
import type { KeyUseState } from "./key-ring.ts";
import type { BucketState } from "./rate-bucket.ts";
import type { StatementState } from "./statement.ts";
import type { AccountStatus, Amount } from "./types.ts";
import type { EncodedCells } from "./usage-cells.ts";

export interface AccountLimits {
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** Hard limit per UTC month; undefined: none. */
  readonly monthlyNanoUsd?: NanoUsd;
}

/** What is remembered of a session, so that no message is applied twice. */
export interface SessionMemory {
  seq: number;
  readonly epoch: string;
  readonly keyId: KeyId;
  /** Cumulative, as last reported. */
  spent: Amount;
  /** Forgotten after this. */
  untilMs: number;
  /** No message of it was applied in this life of the object: what a crash made it forget may be found again. */
  recalled: boolean;
  /** What calls that ran when it last spoke may cost: lost revenue, if it never speaks again. */
  atRiskNanoUsd: NanoUsd;
}

/** Durable form of SessionMemory: [seq, epoch, key, spent nano-USD, requests, tokens, until, at risk]. */
export type SessionState = readonly [number, string, KeyId, number, number, number, number, number?];

export function encodeSession({ seq, epoch, keyId, spent, untilMs, atRiskNanoUsd }: SessionMemory): SessionState {
  return [seq, epoch, keyId, spent.nanoUsd, spent.requests, spent.tokens, untilMs, atRiskNanoUsd];
}

export function decodeSession(state: SessionState): SessionMemory {
  const [seq, epoch, keyId, nano, requests, tokens, untilMs, atRisk = 0] = state;
  const spent = amount(nano, requests, tokens);
  return { seq, epoch, keyId, spent, untilMs, recalled: true, atRiskNanoUsd: nanoUsd(atRisk) };
}

export interface Hot {
  readonly version: 1;
  readonly accountId: AccountId;
  readonly name: string;
  readonly email?: string;
  readonly createdAtMs: number;
  readonly status: AccountStatus;
  readonly limits: AccountLimits;
  readonly totals: Totals;
  readonly grants: readonly OpenGrant[];
  /** Account buckets. */
  readonly requests: BucketState;
  readonly tokens: BucketState;
  readonly month: { readonly startMs: number; readonly spentNanoUsd: NanoUsd };
  readonly keyUses: Readonly<Record<KeyId, KeyUseState>>;
  /** Held by leases when this was written: what counts as held after a crash, per key; "" without a key. */
  readonly held: Readonly<Record<string, Amount>>;
  readonly heldUntilMs: number;
  /** What may have been leased since without being written. */
  readonly allowance: Amount;
  readonly sessions: Readonly<Record<string, SessionState>>;
  readonly statement: StatementState;
  readonly cells: EncodedCells;
}

export function encodeHot(hot: Hot): string {
  return JSON.stringify(hot);
}

/** The hot row as it was written: our own data, believed. */
export function decodeHot(body: string): Hot {
  const hot: Hot = JSON.parse(body);
  return hot;
}
