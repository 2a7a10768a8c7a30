// The types of a batch: what its owner sees (BatchSnapshot), what its object stores (BatchState), and the outcome of
// one slice. Times are Unix ms. Nothing here holds a customer's text.

import type { CacheSetting } from "../ledger/types.ts";
import type { BatchId, FileChunk, FileContent, FileId } from "./types.ts";
import type { TierPrices } from "../models/pricing.ts";
import type { Fault } from "../../shared/errors.ts";
import type { AccountId, KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { BatchEndpoint } from "../../shared/schemas/batches.ts";

export const BATCH_STATUSES = [
  "validating",
  "in_progress",
  "finalizing",
  "completed",
  "failed",
  "expired",
  "cancelling",
  "cancelled",
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** A fault of the input file, or of the batch as a whole (`line` null). */
export interface BatchFault {
  readonly code: string;
  /** 1 is the first line of the file; blank lines count. */
  readonly line: number | null;
  readonly message: string;
  readonly param: string | null;
}

export interface BatchUsage {
  readonly tokens: number;
  readonly cachedTokens: number;
  readonly costNanoUsd: NanoUsd;
}

export interface BatchSnapshot {
  readonly id: BatchId;
  readonly endpoint: BatchEndpoint;
  readonly inputFileId: FileId;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly status: BatchStatus;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly inProgressAtMs?: number;
  readonly finalizingAtMs?: number;
  readonly cancellingAtMs?: number;
  readonly endedAtMs?: number;
  readonly counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly usage: BatchUsage;
  readonly faults: readonly BatchFault[];
  /** Set if all lines name the same model. */
  readonly model?: string;
  readonly outputFileId?: FileId;
  readonly errorFileId?: FileId;
}

/** What `POST /v1/batches` hands to the batch's object. */
export interface BatchOrder {
  readonly id: BatchId;
  readonly accountId: AccountId;
  readonly keyId: KeyId;
  readonly cache: CacheSetting;
  /** Full ids that the key may use; undefined: all. */
  readonly allowedModels?: readonly string[];
  readonly endpoint: BatchEndpoint;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly input: { readonly fileId: FileId; readonly content: FileContent };
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** How long its output and error files live. */
  readonly outputLifeMs: number;
  /** Batch prices on the day of the order, by model id. */
  readonly prices: Readonly<Record<string, TierPrices>>;
}

/** A place in the input file: before line `line` (1 is the first), at byte `offset`. */
export interface Position {
  readonly line: number;
  readonly offset: number;
}

/** The part of an output or error file that one slice made. */
export interface SlicePart {
  readonly chunk: FileChunk;
  /** Of the text as it is downloaded. */
  readonly bytes: number;
  readonly lines: number;
}

/** The outcome of one slice. */
export interface SliceResult {
  readonly output?: SlicePart;
  readonly errors?: SlicePart;
  readonly completed: number;
  readonly failed: number;
  readonly usage: BatchUsage;
}

/** Stored results of the slice that begins at the batch's `next`, which may not be charged yet. */
export interface PendingSlice {
  readonly to: Position;
  readonly result: SliceResult;
  readonly usageLines: readonly UsageByModel[];
}

export interface UsageByModel extends BatchUsage {
  readonly model: string;
  readonly requests: number;
  readonly failed: number;
  /** Of `failed`, those that were our fault. */
  readonly failed5xx?: number;
  readonly savedNanoUsd: NanoUsd;
}

/** Why the remaining lines will not run. */
export type Ending =
  | { readonly kind: "expired" }
  | { readonly kind: "cancelled" }
  /** No credit, or the key is gone: the lines fail with this, and so does the batch. */
  | { readonly kind: "refused"; readonly fault: Fault };

/** Sums of an output or error file so far; its chunks are separate rows. */
interface FileSums {
  readonly bytes: number;
  readonly lines: number;
}

export interface BatchState {
  readonly order: BatchOrder;
  readonly status: BatchStatus;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly usage: BatchUsage;
  readonly faults: readonly BatchFault[];
  readonly model?: string;
  readonly inProgressAtMs?: number;
  readonly finalizingAtMs?: number;
  readonly cancellingAtMs?: number;
  readonly endedAtMs?: number;
  readonly outputFileId: FileId;
  readonly errorFileId: FileId;
  readonly output: FileSums;
  readonly errors: FileSums;
  readonly next: Position;
  /** Number of the next slice. */
  readonly slice: number;
  /** Counts every attempt at any slice. */
  readonly attempt: number;
  readonly pending?: PendingSlice | undefined;
  readonly ending?: Ending;
  /** How many times slices are halved: for a slow backend, or when credit runs low. */
  readonly shrink: number;
  /** Failed attempts at this slice for which no line was blamed. */
  readonly failures: number;
  /** Of these, the latest consecutive ones that ran a single line. */
  readonly failuresAlone?: number;
  /** The fault of the latest one, if a line may have caused it. */
  readonly suspicion?: Fault | undefined;
}

export const BATCH_LIMITS = {
  windowMs: 86_400_000,
  linesMax: 50_000,
  /** Texts of all lines: what OpenAI allows, and what bounds the output's storage. */
  textsMax: 50_000,
  /** One line: the limit of a request's body. */
  lineBytesMax: 8 * 1024 * 1024,
  customIdLengthMax: 256,
  faultsMax: 100,
  /** Batches of one account that have not ended. */
  runningMax: 50,
  /** Ended batches that are remembered. */
  rememberedMax: 10_000,
} as const;
