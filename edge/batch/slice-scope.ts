// What work on a slice needs: the order it belongs to, where its results go, and the isolate's services.

import type { PoolCall } from "../backend/call-clock.ts";
import { Cancel } from "../lib/cancel.ts";
import type { PreparedCall } from "../endpoints/endpoint.ts";
import type { ChunkStore } from "../files/chunk-store.ts";
import type { FileId } from "../files/types.ts";
import { kindOf } from "../models/kind.ts";
import type { TierPrices } from "../models/pricing.ts";
import type { Services } from "../services.ts";
import { must } from "../../shared/assert.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import type { Fault } from "../../shared/errors.ts";
import { ApiError, ERRORS } from "../../shared/errors.ts";
import { newId } from "../../shared/ids.ts";
import type { BatchOrder } from "../files/batch-types.ts";

export interface SliceScope {
  readonly order: BatchOrder;
  readonly outputFileId: FileId;
  readonly errorFileId: FileId;
  readonly services: Pick<Services, "pool" | "embedTexts" | "memory">;
  /** The models that the batch may name. */
  readonly models: readonly CatalogModel[];
  readonly store: ChunkStore;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** Time of one frame; its reservation lives a little longer (ledger/batch-charge.ts). */
const SLICE_DEADLINE_MS = 60_000;
/** Short: the next attempt asks a cold model again. */
const COLD_HOLD_MS = 5000;

/** The call of one frame of the slice; each has its own request id. */
export function sliceCall({ waitUntil }: SliceScope) {
  return {
    requestId: newId("request"),
    traceparent: undefined,
    deadlineMs: SLICE_DEADLINE_MS,
    coldHoldMs: COLD_HOLD_MS,
    signal: new Cancel(),
    waitUntil,
  } satisfies PoolCall;
}

/** The tokens of each of `texts`, which share one model, prefix and truncation. Throws ApiError. */
export async function countTokens(
  {
    model,
    prefix,
    query,
    truncate,
    onError,
    texts,
  }: Pick<PreparedCall, "model" | "prefix" | "query" | "truncate" | "onError" | "texts">,
  scope: SliceScope,
  itemOf: NonNullable<PoolCall["itemOf"]> = () => null,
): Promise<readonly number[]> {
  const { order, services } = scope;
  const { tokens } = await services.pool.tokenize(
    { model: model.id, tier: "batch", accountId: order.accountId, truncate, prefix, query, texts, onError },
    { ...sliceCall(scope), itemOf },
  );
  return tokens;
}

/** Embeds, or scores, a fixed text without a charge. Throws ApiError while the model's backend cannot. */
export async function checkServing(model: CatalogModel, scope: SliceScope): Promise<void> {
  const { pool, embedTexts } = scope.services;
  const isReranker = kindOf(model, pool.lastAnnounced(model.id)) === "reranker";
  await embedTexts
    .start({
      model: model.id,
      accountId: scope.order.accountId,
      tier: "batch",
      texts: [{ kind: "text", text: "a" }],
      prefix: "",
      query: isReranker ? { text: "a", instruction: null, takes: undefined } : undefined,
      truncate: "none",
      cacheMode: "off",
      noStore: true,
      ...sliceCall(scope),
      itemOf: () => null,
    })
    .finish();
}

/** The model's batch prices on the day when the batch was created. */
export function pricesOf(order: BatchOrder, modelId: string): TierPrices {
  return must(order.prices[modelId], "prices of the day for a validated model");
}

/** The fault that fails one line. A passing fault (a cold model, a full queue) is thrown on and fails the slice. */
export function faultOfLine(error: unknown): Fault {
  if (error instanceof ApiError && !ERRORS[error.fault.code].retry) return error.fault;
  throw error;
}
