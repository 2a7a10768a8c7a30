// What work on a slice stands on: the order it belongs to, where its results go, and the services of the isolate.

import type { PoolCall } from "../backend/call-clock.ts";
import { Cancel } from "../lib/cancel.ts";
import type { ChunkStore } from "../files/chunk-store.ts";
import type { FileId } from "../files/types.ts";
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
  /** Those that the batch may name. */
  readonly models: readonly CatalogModel[];
  readonly store: ChunkStore;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** Time of one frame; its reservation lives a little longer (ledger/batch-charge.ts). */
const SLICE_DEADLINE_MS = 60_000;
/** A cold model is asked again by the next attempt. */
const COLD_HOLD_MS = 5000;

/** How a frame of the slice travels; each with an id of its own. */
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

/** Embeds a fixed text, without a charge. Throws ApiError while the model's backend cannot. */
export async function checkServing(model: CatalogModel, scope: SliceScope): Promise<void> {
  await scope.services.embedTexts
    .start({
      model: model.id,
      accountId: scope.order.accountId,
      tier: "batch",
      texts: [{ kind: "text", text: "a" }],
      prefix: "",
      truncate: "none",
      cacheMode: "off",
      noStore: true,
      ...sliceCall(scope),
      itemOf: () => null,
    })
    .finish();
}

/** Batch prices of the day on which the batch was made. */
export function pricesOf(order: BatchOrder, modelId: string): TierPrices {
  return must(order.prices[modelId], "prices of the day for a validated model");
}

/** The fault that fails a line. What may pass (a cold model, a full queue) is thrown on, and fails the slice. */
export function faultOfLine(error: unknown): Fault {
  if (error instanceof ApiError && !ERRORS[error.fault.code].retry) return error.fault;
  throw error;
}
