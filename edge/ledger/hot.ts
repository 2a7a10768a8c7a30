// The hot row: everything of an account that changes with its traffic, in one row of JSON, so that a sync writes one
// row. docs/storage.md lists its fields. Keys, grants, posted statement lines, segments, stored answers and the audit
// log have their own tables.

import type { AccountId, KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { amount } from "./amount.ts";
import type { AnswerSegment } from "./answer-log.ts";
import type { OpenGrant, Totals } from "./books.ts";
import type { KeyUseState } from "./key-ring.ts";
import type { Lease } from "./lease-table.ts";
import type { BucketState } from "./rate-bucket.ts";
import type { StatementState } from "./statement.ts";
import type { AccountStatus } from "./types.ts";
import type { EncodedCells } from "./usage-cells.ts";

export interface AccountLimits {
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** Hard limit per UTC month; undefined: none. */
  readonly monthlyNanoUsd?: NanoUsd;
}

/** Durable form of a lease: [id, key, held nano-USD, requests, tokens, end, its memory]. */
export type LeaseState = readonly [string, KeyId, number, number, number, number, MemoryState?];
/** [seq, epoch, spent nano-USD, requests, tokens, at risk]. */
type MemoryState = readonly [number, string, number, number, number, number];

export function encodeLease(id: string, { keyId, held, expiresAtMs, memory }: Lease): LeaseState {
  const lease = [id, keyId, held.nanoUsd, held.requests, held.tokens, expiresAtMs] as const;
  if (memory === undefined) return lease;
  const { seq, epoch, spent, atRiskNanoUsd } = memory;
  return [...lease, [seq, epoch, spent.nanoUsd, spent.requests, spent.tokens, atRiskNanoUsd]];
}

export function decodeLease([, keyId, nano, requests, tokens, expiresAtMs, memory]: LeaseState): Lease {
  const lease = { keyId, held: amount(nano, requests, tokens), expiresAtMs };
  if (memory === undefined) return lease;
  const [seq, epoch, spentNano, spentRequests, spentTokens, atRisk] = memory;
  const spent = amount(spentNano, spentRequests, spentTokens);
  return { ...lease, memory: { seq, epoch, spent, atRiskNanoUsd: nanoUsd(atRisk) } };
}

export interface Hot {
  readonly version: 2;
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
  readonly leases: readonly LeaseState[];
  readonly answers: readonly AnswerSegment[];
  readonly statement: StatementState;
  readonly cells: EncodedCells;
}

export function encodeHot(hot: Hot): string {
  return JSON.stringify(hot);
}

/** Decodes our own row, which is trusted. Leases of version 1, which had no memory, are dropped. */
export function decodeHot(body: string): Hot {
  const hot: Hot | (Omit<Hot, "version" | "leases" | "answers"> & { readonly version: 1 }) = JSON.parse(body);
  return hot.version === 2 ? hot : { ...hot, version: 2, leases: [], answers: [] };
}
